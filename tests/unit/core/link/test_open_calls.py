"""A call lives as long as its certificate is let in, and a node has only so many."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from common.settings.core import NodeEntry
from core.fleet.roster import Roster
from core.link.calls import Context, NotPermitted, TooManyCalls
from core.link.open_calls import CALLS_PER_NODE_MAX, CALLS_PER_S_MAX, OpenCalls
from tests.support.clock import FakeClock
from tests.support.network.link import Certificates


class Call:
    """A call with a certificate."""

    def __init__(self, pem: bytes, node: str) -> None:
        self._shown = {
            "x509_subject_alternative_name": [f"borderscout://example/satellite/{node}".encode()],
            "x509_pem_cert": [pem],
        }

    def auth_context(self) -> dict[str, list[bytes]]:
        return self._shown


class Office:
    """Two nodes' calls, which last until a test ends them."""

    def __init__(self, certificates: Certificates) -> None:
        self.clock = FakeClock()
        self.roster = Roster([NodeEntry(name=name, site="x") for name in ("lon1", "fra1")])
        self.calls = OpenCalls(self.roster, clock=self.clock)
        self.pems = {
            name: certificates.issue("satellite", name).certificate.read_bytes()
            for name in ("lon1", "fra1")
        }
        self.done = asyncio.Event()

    async def _wait(self, _request: Any, _context: Context) -> str:
        await self.done.wait()
        return "done"

    def begin(self, node: str) -> asyncio.Task[str]:
        handler = self.calls.while_let_in(self._wait)
        call = cast("Context", Call(self.pems[node], node))
        return asyncio.ensure_future(handler(None, call))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def office(certificates: Certificates) -> Office:
    return Office(certificates)


async def test_the_calls_of_who_is_let_in_no_more_end_and_others_go_on(office: Office) -> None:
    gone, stays = office.begin("lon1"), office.begin("fra1")
    await asyncio.sleep(0)

    office.roster.take([NodeEntry(name="fra1", site="x")])
    assert office.calls.end_others() == 1
    assert office.calls.end_others() == 0

    with pytest.raises(NotPermitted, match="lon1 is not in the settings"):
        await gone
    with pytest.raises(NotPermitted):
        await office.begin("lon1")
    office.done.set()
    assert await stays == "done"


async def test_a_call_that_is_cancelled_by_another_is_cancelled(office: Office) -> None:
    call = office.begin("lon1")
    await asyncio.sleep(0)

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    office.roster.take([])
    assert office.calls.end_others() == 0


async def test_a_node_has_so_many_calls_and_takes_nobody_elses_place(office: Office) -> None:
    calls = [office.begin("lon1") for _ in range(CALLS_PER_NODE_MAX)]
    await asyncio.sleep(0)

    with pytest.raises(TooManyCalls):
        await office.begin("lon1")
    calls.append(office.begin("fra1"))
    office.done.set()

    assert set(await asyncio.gather(*calls)) == {"done"}
    assert await office.begin("lon1") == "done"


async def test_who_opens_one_call_after_the_other_waits_and_other_nodes_do_not(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.link.open_calls.CALLS_BURST", 3.0)
    office.done.set()
    for _ in range(3):
        assert await office.begin("lon1") == "done"

    late = office.begin("lon1")
    await office.clock.advance(0.5 / CALLS_PER_S_MAX)
    assert not late.done()
    assert await office.begin("fra1") == "done"

    await office.clock.advance(1.0 / CALLS_PER_S_MAX)
    assert await late == "done"
