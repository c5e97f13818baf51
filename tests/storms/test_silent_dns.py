"""Names that DNS does not answer for hold up nobody whose server has another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.inventories import customer
from tests.support.cluster.town import message
from tests.support.network.dns_server import Trouble, dns_server
from tests.support.smtp.smtp_client import Letter
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather

HERS = "mail.tiber.example"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.storm("silent DNS")
async def test_a_customer_whose_name_is_answered_is_served_beside_those_that_are_not(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    count, mails = (1_000, 800) if thorough else (100, 40)
    domains = [f"d{n}.fjord.example" for n in range(count)]
    customers = [
        customer(f"c{n}", [f"mail.{domain}:2525"], domain) for n, domain in enumerate(domains)
    ]
    pile = [
        Letter(
            gid=f"unknown-{n}-{turn}",
            sender="a@sender.example",
            recipients=(f"x@{domain}",),
            data=message(),
        )
        for turn in range(2)
        for n, domain in enumerate(domains)
    ]
    async with dns_server() as dns:
        dns.records[f"{HERS}.", "A"] = ["127.0.0.1"]
        dns.trouble |= {f"mail.{domain}.": Trouble.SILENT for domain in domains}
        async with weather(
            tmp_path,
            customers=customers,
            her_name=HERS,
            settings={"resolver": f"127.0.0.1:{dns.port}"},
        ) as node:
            async with node.healthy_mail() as healthy:
                await node.pour(pile)
                await healthy.more(mails, deadline_s=60 + mails)
            one = await node.measure(f"{2 * count} mails for {count} servers whose names are not")

    measured(one)
    silent = {name for name, _kind in dns.asked} & dns.trouble.keys()
    assert len(silent) == count, "some name was never asked for"
    assert one.p99_s < (2.0 if thorough else 10.0)
