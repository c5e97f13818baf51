"""Large header sections for many recipients, made to be long work, hold up no other mail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.inventories import customer
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Letter
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather

OCTETS = 260_000
RECIPIENTS = tuple(f"r{number}@fjord.example" for number in range(150))
FIELDS = (
    "Authentication-Results: \u00fcx{}.example; spf=pass\r\n",
    "X-BorderScout: a\r\n b{}\r\n",
    "Subject: =?utf-8?q?a?= {}\r\n",
    "a:{}\r\n",
)


def crafted(field: str) -> bytes:
    """Return a message whose header has as many of these fields as fit."""
    count = OCTETS // len(field.encode())
    header = "".join(field.format(number) for number in range(count)).encode()[:OCTETS]
    return header[: header.rindex(b"\r\n") + 2] + b"\r\nbody\r\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.storm("crafted header")
async def test_large_headers_for_many_recipients_hold_up_no_other_mail(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    each, mails = (10, 800) if thorough else (2, 40)
    pile = [
        Letter(gid="", sender="a@sender.example", recipients=RECIPIENTS, data=crafted(field))
        for field in FIELDS
        for _ in range(each)
    ]
    async with Sink(keep=False) as sink:
        fjord = customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")
        async with weather(tmp_path, customers=[fjord]) as node:
            async with node.healthy_mail() as healthy:
                storm = node.begin_pouring(pile, concurrency=2)
                await healthy.more(mails, deadline_s=60 + mails)
                await storm
            one = await node.measure(f"{len(pile)} of 260 KB, {len(RECIPIENTS)} recipients each")

    measured(one)
    assert one.p99_s < (2.0 if thorough else 10.0)
