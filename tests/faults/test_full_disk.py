"""A disk that is full at any instant loses nothing: not what comes in, not what is on its way.

The disk is filled to the last octet while letters are accepted, judged and delivered, and room is
made again some answers later. Nobody restarts anything.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.support import corpus
from tests.support.checker import check
from tests.support.cluster import cluster
from tests.support.counting import CountingLedger
from tests.support.inventories import customer, inventory, site
from tests.support.ledger import read_lines
from tests.support.load import Pace, letters, send_all
from tests.support.sink import Sink
from tests.support.small_disk import SmallDisk, small_disk

__all__ = ["small_disk"]  # a fixture

pytestmark = [pytest.mark.faults, pytest.mark.integration]

LETTERS = 200
FILLINGS = 4
PATIENCE = Pace(concurrency=6, letters_per_connection=5, attempts_max=400, retry_wait_s=0.1)


async def test_nothing_is_lost_while_the_disk_is_full_again_and_again(
    tmp_path: Path, small_disk: SmallDisk
) -> None:
    names = ["plain-text", "eicar-in-zip", "pdf-attached", "line-of-900-kilobytes", "html-only"]
    messages = map(corpus.message, itertools.islice(itertools.cycle(names), LETTERS))
    pile = letters(messages, run="disk", recipients=["a@fjord.example", "b@fjord.example"])
    path = tmp_path / "ledger.jsonl"
    async with Sink() as sink:
        server = f"127.0.0.1:{sink.port}"
        tree = inventory(
            name="disk",
            sites=[site("east", "eas1", number=1)],
            customers=[customer("fjord", [server], "fjord.example")],
            smarthost=server,
        )
        settings = {
            "eas1": {
                "state": str(small_disk.folder / "state"),
                "disk_reserve_bytes": 0,  # the reserve would keep the disk from ever being full
                "delivery": {"first_wait_s": 0.5, "longest_wait_s": 1.0},
                "waiting_retry_s": 0.5,
            }
        }
        async with cluster(tmp_path, tree, settings=settings) as running:
            with CountingLedger(path) as ledger:
                targets = [running.smtp("eas1")]
                sending = asyncio.create_task(
                    send_all(pile, targets=targets, ledger=ledger, pace=PATIENCE)
                )
                for _ in range(FILLINGS):
                    await ledger.reaches(ledger.answers + LETTERS // (2 * FILLINGS))
                    small_disk.fill()
                    await ledger.reaches(ledger.answers + 12)
                    small_disk.free()
                tally = await sending
            await running.at_rest()
            export = await running.export("fjord.example")

    found = check(ledger=read_lines(path), arrived=sink.lines, **export)
    assert found == [], "\n".join(map(str, found))
    assert tally.accepted == LETTERS
    assert tally.replies["452"] > 0, "the disk was never full: such a run proves nothing"
