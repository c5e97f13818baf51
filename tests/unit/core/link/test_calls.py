"""A caller that is not let in costs a line of the log a minute, and an operator sees it."""

from __future__ import annotations

from typing import Any, cast

import grpc
import pytest
from structlog.testing import capture_logs

from common.errors import DiskFull, PeerError
from core.fleet.refused_callers import CALLERS_MAX, SHOWN_S, RefusedCallers
from core.link.calls import Context, NotInSettings, guarded
from tests.support.clock import FakeClock


class Aborted(Exception):
    """The call ended."""


class Call:
    """A call of somebody who has a certificate."""

    def __init__(self, name: str, *, port: int = 1) -> None:
        self.name, self.port = name, port
        self.codes: list[grpc.StatusCode] = []

    def auth_context(self) -> dict[str, list[bytes]]:
        uri = f"borderscout://example/satellite/{self.name}"
        return {"x509_subject_alternative_name": [uri.encode()]}

    def peer(self) -> str:
        return f"ipv4:10.0.0.9:{self.port}"

    async def abort(self, code: grpc.StatusCode, _details: str) -> None:
        self.codes.append(code)
        raise Aborted


async def tries(callers: RefusedCallers, error: Exception, *calls: Call) -> None:
    async def handler(_request: Any, _context: Context) -> None:
        raise error

    for call in calls:
        with pytest.raises(Aborted):
            await guarded(handler, callers)(None, cast("Context", call))


async def test_a_node_that_was_removed_and_goes_on_speaking_costs_a_line_a_minute(
    fake_clock: FakeClock,
) -> None:
    callers = RefusedCallers(fake_clock)
    error = NotInSettings("gone1 is not in the settings")

    with capture_logs() as said:
        await tries(callers, error, *(Call("gone1", port=port) for port in range(45)))
        await fake_clock.advance(60.0)
        await tries(callers, error, Call("gone1"))

    assert [(line["event"], line.get("left_out")) for line in said] == [
        ("link.not_permitted", None),
        ("link.not_permitted", 44),
    ]
    (shown,) = callers.shown()
    assert (shown.name, shown.host, shown.times) == ("gone1", "10.0.0.9", 46)
    assert shown.reason == "gone1 is not in the settings"


async def test_it_is_not_shown_any_more_once_it_is_silent(fake_clock: FakeClock) -> None:
    callers = RefusedCallers(fake_clock)
    await tries(callers, NotInSettings("gone1 is not in the settings"), Call("gone1"))

    await fake_clock.advance(SHOWN_S + 1.0)

    assert callers.shown() == []


async def test_two_callers_and_two_kinds_of_refusal_have_a_line_each(
    fake_clock: FakeClock,
) -> None:
    callers = RefusedCallers(fake_clock)

    with capture_logs() as said:
        for name in ("lon1", "par1"):
            await tries(callers, PeerError("nonsense"), Call(name), Call(name))
            await tries(callers, DiskFull("no room"), Call(name), Call(name))

    assert [line["event"] for line in said] == ["link.broken", "link.disk_full"] * 2
    assert callers.shown() == []  # they are let in


def test_however_many_callers_there_are_only_so_many_are_kept(fake_clock: FakeClock) -> None:
    callers = RefusedCallers(fake_clock)

    for number in range(1000):
        callers.refused(name=f"n{number}", host="h", kind="k", reason="r")

    assert len(callers.shown()) == CALLERS_MAX
