"""A disk that was full once, and is empty again, takes mail again without a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.inventories import customer
from tests.support.disks.small_disk import SIZE_MIB, SmallDisk, small_disk
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Letter
from tests.support.storms.report import Measured
from tests.support.storms.weather import weather

__all__ = ["small_disk"]  # a fixture

RESERVE_MIB = 8
# Held mail has no share of its own, and a slow machine is never too busy: only the disk says no.
DISK_ALONE = {"held_share_max": 1, "unjudged_s_max": 0}
# More than the disk has in all: the node looks at what is free once a second.
LETTERS, LETTERS_THOROUGH = 640, 1280  # larger ones where the run is short


def body(octets: int) -> bytes:
    return b"Subject: large enough\r\n\r\n" + b"x" * octets + b"\r\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.storm("full disk")
async def test_mail_is_taken_again_when_a_full_spool_has_emptied(
    tmp_path: Path,
    small_disk: SmallDisk,
    thorough: bool,
    measured: Callable[[Measured], None],
) -> None:
    mails = 800 if thorough else 40
    settings = {
        "state": str(small_disk.folder / "state"),
        "disk_reserve_bytes": RESERVE_MIB << 20,
        "limits": DISK_ALONE,
        "delivery": {"first_wait_s": 1.0, "longest_wait_s": 2.0},
    }
    letters = LETTERS_THOROUGH if thorough else LETTERS
    data = body((SIZE_MIB << 20) * 6 // 5 // letters)
    pile = [
        Letter(gid=f"d{n}", sender="a@sender.example", recipients=("x@fjord.example",), data=data)
        for n in range(letters)
    ]
    async with Sink() as sink:
        fjord = customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")
        await sink.stop()
        async with weather(tmp_path, customers=[fjord], settings=settings) as node:
            full = await node.pour(pile, attempts_max=1)
            await sink.start()
            await sink.wait_for(full.accepted, deadline_s=120)
            async with node.healthy_mail() as healthy:
                await healthy.more(mails, deadline_s=60 + mails)
            one = await node.measure("452 once; then the spool emptied, and nobody restarted it")

    measured(one)
    assert full.replies["452"] > 0, f"the disk was never full, which proves nothing: {full}"
    assert one.p99_s < (2.0 if thorough else 10.0)
