"""Messages that are long to read hold up no mail that need not be taken apart."""

from __future__ import annotations

import bz2
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.inventories import customer
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Letter
from tests.support.storms.costly_mail import MEMBER_BYTES, costly_mails
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.storm("costly messages")
async def test_costly_messages_hold_up_no_plain_mail(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    each, mails = (12, 800) if thorough else (3, 60)
    kinds = costly_mails()
    assert len(bz2.compress(bytes(MEMBER_BYTES))) < 1000
    async with Sink() as sink:
        pile = [
            Letter(gid="", sender="a@sender.example", recipients=("x@fjord.example",), data=data)
            for data in itertools.chain.from_iterable([kinds] * each)
        ]
        fjord = customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")
        async with weather(tmp_path, customers=[fjord]) as node:
            async with node.healthy_mail() as healthy:
                storm = node.begin_pouring(pile)
                await healthy.more(mails, deadline_s=60 + mails)
                await storm
            one = await node.measure(f"{len(pile)} messages of 0.05 to 2 MB, of three kinds")

    measured(one)
    assert one.p99_s < (2.0 if thorough else 10.0)
