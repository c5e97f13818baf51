"""Large messages that come as fast as the network brings them hold up nobody's small ones."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.inventories import customer
from tests.support.network.ports import free_port
from tests.support.storms.costly_mail import costly_mails
from tests.support.storms.flood import flood
from tests.support.storms.report import Measured
from tests.support.storms.weather import NODE, weather

MEBIBYTE = 1024 * 1024


def with_attachment(octets: int) -> bytes:
    """Return a mail with a file in base64."""
    file = base64.encodebytes(random.Random(1).randbytes(octets)).replace(b"\n", b"\r\n")
    return (
        b"Subject: a file\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: application/octet-stream; name=a.bin\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + file
    )


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.storm("large messages")
async def test_large_messages_hold_up_no_plain_mail(
    tmp_path: Path, thorough: bool, measured: Callable[[Measured], None]
) -> None:
    costly_each, large, mails = (34, 10, 800) if thorough else (3, 2, 40)
    pile = [*costly_mails() * costly_each, *[with_attachment(27 * MEBIBYTE)] * large]
    port = free_port("127.0.0.1")
    fjord = customer("fjord", [f"127.0.0.1:{port}"], "fjord.example")
    async with weather(tmp_path, customers=[fjord]) as node:
        host, smtp = node.cluster.smtp(NODE)
        places = {"target": f"{host}:{smtp}", "sink": f"127.0.0.1:{port}"}
        async with (
            node.healthy_mail() as healthy,
            flood(tmp_path, pile, recipient="x@fjord.example", **places) as storm,
        ):
            await healthy.more(mails, deadline_s=60 + mails)
            assert await storm.is_over(deadline_s=600) == len(pile)
        one = await node.measure(
            f"{len(pile)} at once, {large} of them of 37 MB, the others costly"
        )

    measured(one)
    assert one.p99_s < (2.0 if thorough else 10.0)
