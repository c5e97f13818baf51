"""DSNs that lead to silent MX hosts hold nobody's mail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.inventories import customer
from tests.support.cluster.town import message
from tests.support.network.dns_server import dns_server
from tests.support.network.own_network import anywhere, nowhere
from tests.support.network.silent_host import SilentHost
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Letter
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather

SMTP = 25


def stranger(number: int) -> str:
    return f"s{number}.stranger.example"


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.storm("silent DSN hosts")
@pytest.mark.usefixtures("own_network")
async def test_bounces_to_silent_hosts_hold_up_no_customer(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    count, mails = (2_000, 800) if thorough else (300, 40)
    async with (
        SilentHost("0.0.0.0", SMTP) as silent,
        Sink() as refusing,
        dns_server() as dns,
        weather(
            tmp_path,
            customers=[customer("fjord", [f"127.0.0.1:{refusing.port}"], "fjord.example")],
            settings={"resolver": f"127.0.0.1:{dns.port}"},
        ) as node,
    ):
        async with node.healthy_mail() as healthy:
            for n in range(1, count + 1):
                dns.records[f"{stranger(n)}.", "MX"] = [f"10 mx.{stranger(n)}."]
                dns.records[f"mx.{stranger(n)}.", "A"] = [anywhere(n) if n % 2 else nowhere(n + 2)]
            pile = (
                Letter(
                    gid=f"dsn-{n}",
                    sender=f"a@{stranger(n)}",
                    recipients=("late-refuse-x@fjord.example",),
                    data=message(),
                )
                for n in range(1, count + 1)
            )
            await node.pour(pile)
            await healthy.more(mails, deadline_s=60 + mails)
        one = await node.measure(f"{count} bounces to as many silent hosts")

    measured(one)
    assert silent.connections > 0, "no bounce was ever tried"
    assert one.p99_s < (2.0 if thorough else 10.0)
