"""The room on a disk is looked at, and a folder without files of a bound is no full one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.store.disk_room import FREE_BYTES_MIN, DiskRoom


def left(free_bytes: int, *, files: int = 100, names: int = 10) -> os.statvfs_result:
    return os.statvfs_result((4096, 1, 1, free_bytes, free_bytes, files, names, names, 0, 255))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (left(FREE_BYTES_MIN), ""),
        (left(FREE_BYTES_MIN - 1024), "16383 KiB are free"),
        (left(FREE_BYTES_MIN, names=0), "no further file fits"),
        (left(FREE_BYTES_MIN, files=0, names=0), ""),  # such as Btrfs, which counts none
    ],
)
def test_what_is_left_is_said(
    monkeypatch: pytest.MonkeyPatch, found: os.statvfs_result, words: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _folder: found)
    room = DiskRoom(lambda: 0.0)
    assert room.free_bytes is None
    room.watch(Path("/state"))

    assert words in room.problem
    assert bool(room.problem) == bool(words)
