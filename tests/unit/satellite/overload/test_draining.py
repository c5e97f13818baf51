"""A node is marked as being drained by whichever of its shards are told, however many at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from satellite.overload.draining import is_marked, mark, unmark

SHARDS = 8
ROUNDS = 20


def test_shards_that_are_told_at_once_do_not_hinder_each_other(tmp_path: Path) -> None:
    together = threading.Barrier(SHARDS)

    def told(_shard: int) -> None:
        together.wait(timeout=10)
        mark(tmp_path)

    with ThreadPoolExecutor(SHARDS) as shards:
        for _ in range(ROUNDS):
            list(shards.map(told, range(SHARDS)))
            assert is_marked(tmp_path)
            unmark(tmp_path)

    assert list(tmp_path.iterdir()) == []
