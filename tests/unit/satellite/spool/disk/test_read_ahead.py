"""A spool's file is read in order while it is opened, and no lock of SQLite's is lost by it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from common.clock import SystemClock
from satellite.spool.disk import read_ahead
from satellite.spool.disk.read_ahead import PIECE_BYTES, ReadAhead
from satellite.spool.store import Spool

# SQLite, ``os.h``: the bytes that whoever reads the database holds a shared lock on.
IS_LOCKED = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except BlockingIOError:
        print("locked")
"""


class Reads:
    """The offsets that were read; the reading waits where ``wait_at`` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offsets: list[int] = []
        self.on_read: Callable[[], None] = lambda: None
        preadv = os.preadv

        def counted(descriptor: int, buffers: list[bytearray], offset: int) -> int:
            self.offsets.append(offset)
            self.on_read()
            return preadv(descriptor, buffers, offset)

        monkeypatch.setattr(os, "preadv", counted)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def file_of(folder: Path, pieces: int) -> Path:
    path = folder / "spool.db"
    with path.open("wb") as file:
        file.truncate(pieces * PIECE_BYTES)
    return path


def test_a_file_is_read_once_in_order(tmp_path: Path, reads: Reads) -> None:
    ahead = ReadAhead(file_of(tmp_path, 3))
    ahead._thread.join()
    ahead.close()

    assert reads.offsets == [n * PIECE_BYTES for n in range(4)]


def test_nothing_more_is_read_once_all_was_looked_at(tmp_path: Path, reads: Reads) -> None:
    may_go_on, has_begun = threading.Event(), threading.Event()

    def wait() -> None:
        has_begun.set()
        may_go_on.wait()

    reads.on_read = wait
    ahead = ReadAhead(file_of(tmp_path, 100))
    has_begun.wait()

    ahead.stop()
    may_go_on.set()
    ahead.close()

    assert reads.offsets == [0]


def test_of_a_very_large_file_only_the_beginning_is_read(
    tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "READ_BYTES_MAX", 2 * PIECE_BYTES)
    ahead = ReadAhead(file_of(tmp_path, 5))
    ahead._thread.join()
    ahead.close()

    assert len(reads.offsets) == 2


def test_a_disk_that_cannot_read_ends_nobody(tmp_path: Path, reads: Reads) -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error")

    reads.on_read = fail
    ahead = ReadAhead(file_of(tmp_path, 5))
    ahead._thread.join()
    ahead.close()

    assert reads.offsets == [0]


def test_where_there_is_no_file_yet_nothing_is_read(tmp_path: Path, reads: Reads) -> None:
    ReadAhead(tmp_path / "spool.db").close()

    assert reads.offsets == []


async def test_an_open_spool_keeps_its_locks(tmp_path: Path) -> None:
    def said() -> str:
        path = str(tmp_path / "spool.db")
        command = [sys.executable, "-c", IS_LOCKED, path]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    clock = SystemClock()
    await (await Spool.open(tmp_path, node="lon1", shard=0, clock=clock)).close()
    spool = await Spool.open(tmp_path, node="lon1", shard=0, clock=clock)

    assert said() == "locked"
    await spool.close()
    assert said() == ""
