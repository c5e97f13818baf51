"""A message for hundreds of domains that defer it costs nobody else anything worth naming."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.inventories import customer
from tests.support.cluster.town import message
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Letter
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather

DOMAINS, DOMAINS_THOROUGH = 300, 800
MIB_MAX = 400  # of the whole node


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.storm("many domains")
async def test_a_message_for_many_domains_that_defer_it_holds_nobody_up(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    letters, mails = (20, 800) if thorough else (3, 40)
    count = DOMAINS_THOROUGH if thorough else DOMAINS
    domains = [f"d{n}.fjord.example" for n in range(count)]
    async with Sink(keep=False) as deferring:
        servers = [f"127.0.0.1:{deferring.port}"]
        fjord = [customer(f"c{n}", servers, domain) for n, domain in enumerate(domains)]
        pile = [
            Letter(
                gid=f"many-{n}",
                sender="a@sender.example",
                recipients=tuple(f"defer-x@{domain}" for domain in domains),
                data=message(),
            )
            for n in range(letters)
        ]
        async with weather(tmp_path, customers=fjord) as node:
            async with node.healthy_mail() as healthy:
                await node.pour(pile, concurrency=1)
                await healthy.more(mails, deadline_s=60 + mails)
            one = await node.measure(f"{letters} messages for {count} domains each")

    measured(one)
    assert one.p99_s < (2.0 if thorough else 10.0)
    assert one.pss_mib < MIB_MAX
