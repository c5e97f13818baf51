"""A primary that takes connections and says nothing does not stop its customer's mail."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from satellite.delivery.decisions.hold import probe_wait_s
from tests.support.network.silent_host import SilentHost
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather

KNOWN_S, KNOWN_S_THOROUGH = 6.0, 15.0  # from its first connection on, and a busy machine's delay


def waits_s(host: SilentHost, *, known_s: float) -> list[float]:
    """Return the times between its connections, from the last that was before it is known on."""
    taken_s = [at_s for of_one in host.taken_s.values() for at_s in of_one]
    before = [at_s for at_s in taken_s if at_s < taken_s[0] + known_s]
    after = taken_s[len(before) :]
    return [later - earlier for earlier, later in itertools.pairwise([before[-1], *after])]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.storm("silent primary")
async def test_a_silent_primary_is_remembered_for_as_long_as_it_is_silent(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    # In the long form a greeting is waited for as long as by default. Nobody else asks the server.
    delivery = {"measure_every_s": 0} | ({} if thorough else {"reply_timeout_s": 2.0})
    mails, known_s = (4_000, KNOWN_S_THOROUGH) if thorough else (200, KNOWN_S)
    async with (
        SilentHost() as primary,
        weather(
            tmp_path,
            before_her_server=[f"127.0.0.1:{primary.port}"],
            settings={"delivery": delivery},
        ) as node,
    ):
        node.healthy.sink.hangs_up = True  # each mail has to look for a server anew
        async with node.healthy_mail() as healthy:
            await healthy.more(mails, deadline_s=60 + mails)
        one = await node.measure("a customer's first server of two is silent")

    measured(one)
    assert primary.connections > 0, "it was never asked"
    least_s = min(waits_s(primary, known_s=known_s), default=float("inf"))
    assert least_s > probe_wait_s(1.0) - 2.0, "by more than probes, though it was silent"
    assert one.p99_s < (2.0 if thorough else 10.0)
