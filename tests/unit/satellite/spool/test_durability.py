"""Nothing is called durable before the disk was told to keep it (P1, P2).

A killed process loses nothing that the kernel has; what was not synced is what a power cut takes.
So these look at the order of the calls.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from satellite.spool.disk.schema import open_writer
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.spool.open_spool import accept

FULL = 2
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 10_000


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of what is synced and renamed, in order, from now on."""
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        real_fsync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        steps.append(f"rename {Path(target).name}")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    return steps


def test_the_writing_connection_syncs_each_commit(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "spool.db")

    assert connection.execute("PRAGMA synchronous").get == FULL
    assert connection.execute("PRAGMA journal_mode").get == "wal"
    connection.close()


async def test_a_body_in_a_file_is_synced_before_it_has_its_name_and_the_folder_after(
    spool: Spool, synced: list[str]
) -> None:
    message = await accept(spool, body=LARGE)

    assert synced == [f"sync {message}.part", f"rename {message}", "sync bodies"]


async def test_the_folders_of_a_new_shard_have_durable_names(
    tmp_path: Path, clock: FakeClock, synced: list[str]
) -> None:
    folder = tmp_path / "state" / "shard-0"

    spool = await Spool.open(folder, node="lon1", shard=0, clock=clock)

    assert synced[:2] == ["sync shard-0", "sync state"]
    await spool.close()
