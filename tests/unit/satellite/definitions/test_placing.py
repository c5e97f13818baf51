"""Does the folder that an engine reads hold one whole set, whatever happens meanwhile?"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import EnvironmentFailure
from satellite.definitions.kept_sets import STAGING, KeptSets, Standing
from satellite.definitions.marker import MARKER, marker_octets
from satellite.definitions.set_placing import FolderTaken, damaged, is_placed, place
from tests.support.definitions.made_sets import MadeSet, bring, in_folder, made_set

OLD = made_set(1, {"daily.cvd": b"old", "main.cvd": b"main", "gone.hdb": b"gone"})
NEW = made_set(2, {"daily.cvd": b"newer", "main.cvd": b"main", "extra.yara": b"extra"})
THEIRS = {"theirs.hdb": b"theirs"}
CHANGING = ("link", "replace", "rename", "unlink", "mkdir", "rmdir", "write", "fsync", "open")


def sets_in(folder: Path, *made: MadeSet) -> KeptSets:
    folder.mkdir(exist_ok=True)
    sets = KeptSets(folder)
    for one in made:
        bring(sets, one)
    return sets


def in_use(folder: Path) -> KeptSets:
    """Return a folder's sets, with OLD in use, NEW fetched, and a file that is not ours."""
    sets = sets_in(folder, OLD, NEW)
    (folder / "theirs.hdb").write_bytes(b"theirs")
    place(sets, OLD.name)
    sets.record(Standing(current=OLD.name))
    return sets


def change_over(sets: KeptSets) -> None:
    """Do on the disk what a change to NEW does."""
    sets.record(replace(sets.standing, trying=NEW.name))
    place(sets, NEW.name)
    sets.record(Standing(current=NEW.name, former=OLD.name))
    sets.forget_others(())


def test_a_set_comes_and_the_one_before_goes(tmp_path: Path) -> None:
    sets = in_use(tmp_path)

    change_over(sets)

    assert in_folder(tmp_path) == dict(NEW.files) | THEIRS
    assert (tmp_path / MARKER).read_bytes() == marker_octets(NEW.name)
    assert is_placed(sets, NEW.name)
    assert not is_placed(sets, OLD.name)


def test_the_set_before_comes_back(tmp_path: Path) -> None:
    sets = in_use(tmp_path)
    change_over(sets)

    place(sets, OLD.name)

    assert in_folder(tmp_path) == dict(OLD.files) | THEIRS


def test_to_put_back_none_leaves_what_is_not_ours(tmp_path: Path) -> None:
    sets = in_use(tmp_path)

    place(sets, None)

    assert in_folder(tmp_path) == THEIRS
    assert not (tmp_path / MARKER).exists()


@pytest.mark.parametrize("name", ["daily.cvd", "daily.cld", "extra.yara"])
def test_a_file_in_the_way_that_is_not_ours_stops_all(tmp_path: Path, name: str) -> None:
    sets = in_use(tmp_path)
    before = in_folder(tmp_path)
    (tmp_path / "freshclam").write_bytes(b"of another program")
    (tmp_path / "freshclam").replace(tmp_path / name)

    with pytest.raises(FolderTaken, match=name):
        place(sets, NEW.name)

    assert in_folder(tmp_path) == before | {name: b"of another program"}


def test_a_link_that_somebody_put_there_is_not_ours(tmp_path: Path) -> None:
    sets = in_use(tmp_path)
    (tmp_path / "extra.yara").symlink_to(tmp_path / "theirs.hdb")

    with pytest.raises(FolderTaken):
        place(sets, NEW.name)


def test_after_a_restore_that_knew_no_hard_links_the_files_are_still_ours(tmp_path: Path) -> None:
    in_use(tmp_path / "before")
    shutil.copytree(tmp_path / "before", tmp_path / "restored")
    restored = KeptSets(tmp_path / "restored")

    place(restored, NEW.name)

    assert in_folder(tmp_path / "restored") == dict(NEW.files) | THEIRS


def test_what_the_disk_has_changed_is_seen(tmp_path: Path) -> None:
    sets = sets_in(tmp_path, OLD)
    assert damaged(sets, OLD.name) == ()

    (sets.path_of(OLD.name) / "main.cvd").write_bytes(b"mane")
    (sets.path_of(OLD.name) / "gone.hdb").unlink()

    assert damaged(sets, OLD.name) == ("gone.hdb", "main.cvd")


def test_a_set_whose_manifest_is_another_one_is_none(tmp_path: Path) -> None:
    sets = in_use(tmp_path)
    (sets.path_of(NEW.name) / "manifest.json").write_bytes(OLD.manifest)

    assert sets.fetched() == {OLD.name}
    place(sets, OLD.name)  # what is broken stands in nobody's way
    sets.forget_others({NEW.name})
    assert not sets.path_of(NEW.name).exists()


def test_what_is_no_longer_needed_goes(tmp_path: Path) -> None:
    third = made_set(3, {"daily.cvd": b"3"})
    sets = sets_in(tmp_path, OLD, NEW, third)
    sets.record(Standing(current=NEW.name, former=OLD.name))
    (sets.staging / f"incoming-9-{'9' * 64}").mkdir()
    (sets.staging / "of-somebody").mkdir()

    sets.forget_others(())

    assert sets.fetched() == {OLD.name, NEW.name}
    assert {path.name for path in sets.staging.iterdir()} >= {"of-somebody", "standing.json"}
    assert not (sets.staging / f"incoming-9-{'9' * 64}").exists()


def _killed_at(step: int, work: Callable[[KeptSets], None], sets: KeptSets) -> bool:
    """Do the work in a process that kills itself before its n-th change; say whether it did."""
    pid = os.fork()
    if pid == 0:
        left = step

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **more: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **more)

            return call

        for name in CHANGING:
            setattr(os, name, counted(getattr(os, name)))
        try:
            work(sets)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return os.WIFSIGNALED(status)


def test_killed_at_any_step_each_file_is_whole_and_the_set_in_use_comes_back(
    tmp_path: Path,
) -> None:
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        sets = in_use(folder)
        if not _killed_at(steps, change_over, sets):
            break

        for name, octets in in_folder(folder).items():
            assert octets in (OLD.files.get(name), NEW.files.get(name), THEIRS.get(name))
        assert in_folder(folder).keys() >= {"daily.cvd", "main.cvd", "theirs.hdb"}
        again = KeptSets(folder)
        place(again, again.standing.current)  # as at each start
        again.record(replace(again.standing, trying=None))
        again.forget_others({NEW.name})

        whole = {OLD.name: OLD, NEW.name: NEW}[again.standing.current or OLD.name]
        assert in_folder(folder) == dict(whole.files) | THEIRS, steps
        assert damaged(again, whole.name) == ()
        change_over(again)
        assert in_folder(folder) == dict(NEW.files) | THEIRS
        steps += 1

    assert steps > 20
    assert in_folder(folder) == dict(NEW.files) | THEIRS


def test_a_folder_of_another_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.lstat

    def stat(self: Path, **more: Any) -> Any:
        found = real(self, **more)
        return (
            os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))
            if self.name == STAGING
            else found
        )

    KeptSets(tmp_path)
    monkeypatch.setattr(Path, "lstat", stat)

    with pytest.raises(Exception, match="another file system"):
        KeptSets(tmp_path)


def test_a_folder_of_ours_that_somebody_else_put_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / STAGING).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(EnvironmentFailure, match="is not ours"):
        KeptSets(tmp_path)
