"""Destinations that are silent do not hold up one that is well, however many they are."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from satellite.delivery.decisions.hold import PROBE_S_MAX
from tests.support.cluster.inventories import customer
from tests.support.cluster.town import message
from tests.support.network.own_network import anywhere, nowhere
from tests.support.network.silent_host import SilentHost
from tests.support.smtp.smtp_client import Letter
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather

PORT = 2525
RECIPIENTS = 100  # of one letter


def waits_between_probes_s(silent: SilentHost) -> list[float]:
    """Return the times between two connections to one host, the first of which was no probe."""
    return [
        after_s - before_s
        for taken_s in silent.taken_s.values()
        for before_s, after_s in itertools.pairwise(taken_s[1:])
    ]


def domain(number: int) -> str:
    return f"d{number}.fjord.example"


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.storm("silent customers")
@pytest.mark.usefixtures("own_network")
async def test_a_healthy_customer_is_served_beside_silent_ones(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    count, mails = (10_000, 3_000) if thorough else (500, 40)
    # Every other one is off, the rest take connections and say nothing.
    hosts = [anywhere(n) if n % 2 else nowhere(n + 2) for n in range(1, count + 1)]
    customers = [
        customer(f"c{n}", [f"{host}:{PORT}"], domain(n)) for n, host in enumerate(hosts, start=1)
    ]
    pile = [
        Letter(
            gid=f"silent-{first}",
            sender="a@sender.example",
            recipients=tuple(
                f"x@{domain(n)}" for n in range(first, min(first + RECIPIENTS, count + 1))
            ),
            data=message(),
        )
        for first in range(1, count + 1, RECIPIENTS)
    ]
    async with (
        SilentHost("0.0.0.0", PORT) as silent,
        weather(tmp_path, customers=customers) as node,
    ):
        async with node.healthy_mail() as healthy:
            await node.pour(pile)
            await healthy.more(mails, deadline_s=60 + mails)
        waits_s = waits_between_probes_s(silent)
        one = await node.measure(
            f"{count} silent destinations, probed again within {max(waits_s, default=0.0):.0f} s"
        )

    measured(one)
    assert silent.connections > 0, "none of them was ever tried"
    # P10, and what a busy machine adds; the short form is over before most are probed again.
    assert not thorough or len(waits_s) > count / 2
    assert max(waits_s, default=0.0) <= PROBE_S_MAX + (3.0 if thorough else 30.0)
    assert one.p99_s < (2.0 if thorough else 10.0)
