"""A DNS list that takes its time costs each mail that time, and not everybody's behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.inventories import customer
from tests.support.cluster.town import message
from tests.support.network.dns_server import dns_server
from tests.support.network.own_network import anywhere
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Letter, SmtpClient, Transaction
from tests.support.storms.report import Measured
from tests.support.storms.weather import NODE, weather

DELAY_S = 0.5
ZONE = "list.example"
SENDERS = 20  # at once; each mail comes from another address, so that none is remembered


async def send_from_anywhere(target: tuple[str, int], numbers: range) -> None:
    """Hand over one mail from each of these addresses."""
    for number in numbers:
        client = SmtpClient(*target, deadline_s=60, source=anywhere(number))
        letter = Letter(
            gid="", sender="a@sender.example", recipients=("x@fjord.example",), data=message()
        )
        heard = Transaction()
        await client.open()
        await client.transact(letter, heard)
        await client.quit()
        assert (heard.reply or "").startswith("250"), heard


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.storm("slow list")
@pytest.mark.usefixtures("own_network")
async def test_a_slow_list_delays_each_mail_by_its_own_answer_alone(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    each, mails = (150, 300) if thorough else (10, 40)
    listed = {"name": "slow", "kind": "dnsbl", "zone": ZONE, "codes": {"127.0.0.2": 1.0}}
    async with dns_server() as dns, Sink() as sink:
        dns.records[f"2.0.0.127.{ZONE}.", "A"] = ["127.0.0.2"]
        dns.delays_s[f"{ZONE}."] = DELAY_S
        fjord = customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")
        async with weather(
            tmp_path,
            customers=[fjord],
            filters=[listed],
            settings={"resolver": f"127.0.0.1:{dns.port}"},
        ) as node:
            target = node.cluster.smtp(NODE)
            async with node.healthy_mail() as healthy:
                storm = [
                    asyncio.create_task(
                        send_from_anywhere(target, range(1 + n * each, 1 + (n + 1) * each))
                    )
                    for n in range(SENDERS)
                ]
                await healthy.more(mails, deadline_s=60 + mails)
                await asyncio.gather(*storm)
                await sink.wait_for(SENDERS * each, deadline_s=60)
            one = await node.measure(f"{SENDERS * each} other mails, each answer {DELAY_S} s")

    measured(one)
    asked = {name for name, _kind in dns.asked if name.endswith(f".{ZONE}.")}
    assert len(asked) > SENDERS * each, "some address was never asked for"
    assert one.p99_s < DELAY_S + (2.0 if thorough else 10.0)
