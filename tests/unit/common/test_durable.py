"""Is a file whole after a crash, whichever step it comes in?"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.durable import publish, sync_folder, write_all, write_file, write_where_named


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The order of what was asked of the disk."""
    seen: list[str] = []

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            is_folder = name == "fsync" and os.path.isdir(f"/proc/self/fd/{args[0]}")  # noqa: PTH112
            seen.append(f"{name} folder" if is_folder else name)
            return real(*args)

        return call

    monkeypatch.setattr(os, "fsync", watched("fsync", os.fsync))
    monkeypatch.setattr(os, "write", watched("write", os.write))
    monkeypatch.setattr(Path, "replace", watched("rename", Path.replace))
    return seen


def test_a_file_is_synced_before_its_name_and_its_folder_after(
    tmp_path: Path, steps: list[str]
) -> None:
    write_file(tmp_path / "a", b"content")

    assert steps == ["write", "fsync", "rename", "fsync folder"]
    assert (tmp_path / "a").read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.with_name("a.part").touch(mode=0o644)  # left by a crash

    write_file(target, b"secret")

    assert target.stat().st_mode & 0o777 == 0o600


def test_the_old_file_stays_whole_when_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a"
    write_file(target, b"old")

    def fail(_descriptor: int) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write_file(target, b"new")

    assert target.read_bytes() == b"old"


def test_a_system_that_takes_less_than_it_is_given_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    descriptor = os.open(tmp_path / "a", os.O_CREAT | os.O_WRONLY)

    write_all(descriptor, b"0123456789")

    os.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_a_link_and_a_pipe_stay_where_somebody_names_them(tmp_path: Path) -> None:
    file, link, pipe = tmp_path / "plan.json", tmp_path / "link", tmp_path / "pipe"
    file.write_bytes(b"what was there, and longer")
    link.symlink_to(file)
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    write_where_named(link, b"new", mode=0o644)
    write_where_named(pipe, b"into it", mode=0o644)
    write_where_named(tmp_path / "made", b"made", mode=0o644)

    assert os.read(reading, 100) == b"into it"
    os.close(reading)
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert pipe.is_fifo()
    assert (tmp_path / "made").read_bytes() == b"made"


def test_a_folder_and_a_name_can_be_synced_alone(tmp_path: Path, steps: list[str]) -> None:
    (tmp_path / "a.part").write_bytes(b"x")
    steps.clear()

    publish(tmp_path / "a.part", tmp_path / "a")
    sync_folder(tmp_path)

    assert steps == ["rename", "fsync folder", "fsync folder"]
