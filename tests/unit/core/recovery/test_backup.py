"""A backup is of one instant, has each body that it calls durable, and is whole or not there."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from common.errors import BorderScoutError, DiskFull
from common.settings.core import CoreSettings
from core.recovery import backup, copying
from core.recovery.backup import BackupRefused, back_up
from core.recovery.manifest import BackupDamaged, BackupManifest, body_path
from core.recovery.places import ServerDatabase
from core.recovery.restore import check_backup
from core.store.snapshot import kept_bodies
from tests.support.clock import FakeClock
from tests.support.core.rooms import made_id, route
from tests.support.core.saved import open_state, quiet, saved, settings_in

ONE, TWO, THREE = made_id(1), made_id(2), made_id(3)


@pytest.fixture
def settings(tmp_path: Path) -> CoreSettings:
    return settings_in(tmp_path)


def states_in(folder: Path) -> dict[str, str]:
    with closing(sqlite3.connect(folder / "core.db")) as copy:
        return dict(copy.execute("SELECT message_id, state FROM quarantine_case"))


def lacks(folder: Path) -> list[bytes]:
    """Return the bodies that the backup's database stands on and that are not in it."""
    bodies = kept_bodies(folder / "core.db")
    return [one.sha256 for one in bodies if not body_path(folder, one.sha256).is_file()]


async def test_a_core_that_works_is_saved_with_all_that_it_has_made_durable(
    settings: CoreSettings, fake_clock: FakeClock, tmp_path: Path
) -> None:
    async with open_state(settings, fake_clock) as core:
        await core.database.preferences.publish([route()], who="test")
        await core.hold(ONE, b"evil")
        await core.hold(TWO, b"worse")
        made = saved(settings, tmp_path / "backup", now_us=7)
        await core.database.preferences.publish([route("b.example")], who="test")

        manifest = made.manifest
        assert (manifest.cluster, manifest.version) == ("example", "1.2.3")
        assert (manifest.revision, manifest.generation, manifest.made_us) == (1, 1, 7)
        assert manifest.epoch == core.database.epoch.identifier
    assert (manifest.bodies, manifest.bodies_size, manifest.lost) == (2, 9, 0)
    assert (made.deleted, made.lost) == (0, ())
    assert BackupManifest.read(tmp_path / "backup") == manifest
    assert check_backup(tmp_path / "backup", step=quiet).damaged == ()
    assert {path.name for path in tmp_path.iterdir()} == {"state", "backup"}
    for path in (tmp_path / "backup").rglob("*"):
        assert not path.stat().st_mode & 0o077, path


async def test_what_is_written_meanwhile_is_not_in_it_and_does_not_begin_it_anew(
    settings: CoreSettings,
    fake_clock: FakeClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.store.snapshot.PAGES", 1)
    left: list[int] = []
    async with open_state(settings, fake_clock) as core:
        await core.hold(ONE, b"evil")
        other = sqlite3.connect(tmp_path / "state" / "core.db", isolation_level=None)

        def step(what: str, done: int, total: int | None) -> None:
            if what == "copying the database":
                left.append((total or 0) - done)
                other.execute("UPDATE quarantine_case SET sender = ?", (f"{len(left)}@x",))

        with closing(other):
            back_up(settings, tmp_path / "backup", now_us=5, version="1", step=step)

    with closing(sqlite3.connect(tmp_path / "backup" / "core.db")) as copy:
        (sender,) = copy.execute("SELECT sender FROM quarantine_case").fetchone()
    assert sender == "a@sender.example"
    assert len(left) > 10
    assert left == sorted(left, reverse=True)


async def test_what_is_deleted_meanwhile_is_deleted_in_it_too(
    settings: CoreSettings, fake_clock: FakeClock, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    async with open_state(settings, fake_clock) as core:
        for name, body in ((ONE, b"evil"), (TWO, b"worse"), (THREE, b"worse")):
            await core.hold(name, body)

        def delete(what: str, done: int, _total: int | None) -> None:
            if what == "taking bodies" and done == 0:
                with closing(sqlite3.connect(state / "core.db", isolation_level=None)) as other:
                    other.execute(
                        "UPDATE quarantine_case SET state = 'deleted', deleted_us = 9,"
                        " deleted_by = 'ann'"
                    )
                for body in state.glob("bodies/??/*"):
                    body.unlink()

        made = back_up(settings, tmp_path / "backup", now_us=5, version="1", step=delete)

    assert (made.deleted, made.lost, made.manifest.bodies) == (2, (), 0)
    assert set(states_in(made.folder).values()) == {"deleted"}
    assert lacks(made.folder) == []


async def test_a_body_that_the_core_has_lost_is_told_and_not_listed(
    settings: CoreSettings, fake_clock: FakeClock, tmp_path: Path
) -> None:
    async with open_state(settings, fake_clock) as core:
        await core.hold(ONE, b"evil")
        await core.hold(TWO, b"worse")
        (lost, short) = sorted((tmp_path / "state").glob("bodies/??/*"))
        lost.unlink()
        short.write_bytes(b"w")
        made = saved(settings, tmp_path / "backup")

    assert [one.hex() for one in made.lost] == [lost.name, short.name]
    assert (made.manifest.bodies, made.manifest.lost) == (0, 2)
    assert check_backup(made.folder, step=quiet).damaged == ()


@pytest.mark.parametrize("is_linked", [True, False])
async def test_a_backup_on_another_disk_has_its_own_octets(
    settings: CoreSettings,
    fake_clock: FakeClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_linked: bool,
) -> None:
    def cannot(*_arguments: object, **_options: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    if not is_linked:
        monkeypatch.setattr(os, "link", cannot)
    async with open_state(settings, fake_clock) as core:
        await core.hold(ONE, b"evil")
        made = saved(settings, tmp_path / "backup")

    (body,) = made.folder.glob("bodies/??/*")
    assert body.read_bytes() == b"evil"
    assert body.stat().st_nlink == (2 if is_linked else 1)


async def test_a_core_at_rest_is_saved_too_and_nothing_is_left_beside_it(
    settings: CoreSettings, fake_clock: FakeClock, tmp_path: Path
) -> None:
    async with open_state(settings, fake_clock) as core:
        await core.hold(ONE, b"evil")
    before = sorted(path.name for path in (tmp_path / "state").iterdir())

    assert saved(settings, tmp_path / "backup").manifest.bodies == 1
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == before


async def test_a_backup_goes_into_a_new_or_empty_folder_alone(
    settings: CoreSettings, fake_clock: FakeClock, tmp_path: Path
) -> None:
    async with open_state(settings, fake_clock):
        (tmp_path / "empty").mkdir()
        saved(settings, tmp_path / "empty")
        for folder, complaint in (
            (tmp_path / "empty", "is not empty"),
            (tmp_path / "empty" / "core.db", "is no folder"),
            (tmp_path / "none" / "there", "is not there"),
        ):
            with pytest.raises(BackupRefused, match=complaint):
                saved(settings, folder)


async def test_what_is_left_of_one_that_was_killed_is_cleared_away(
    settings: CoreSettings, fake_clock: FakeClock, tmp_path: Path
) -> None:
    partial = tmp_path / "backup.partial"
    (partial / "bodies" / "ab").mkdir(parents=True)
    (partial / "core.db").write_bytes(b"half")
    async with open_state(settings, fake_clock):
        saved(settings, tmp_path / "backup")
        assert not partial.exists()

        partial.mkdir()
        (partial / "letters.txt").write_text("mine")
        (tmp_path / "backup").rename(tmp_path / "first")
        with pytest.raises(BackupRefused, match=r"letters\.txt"):
            saved(settings, tmp_path / "backup")
    assert (partial / "letters.txt").read_text() == "mine"


async def test_two_backups_do_not_write_into_one_folder(
    settings: CoreSettings, fake_clock: FakeClock, tmp_path: Path
) -> None:
    async with open_state(settings, fake_clock):

        def step(_what: str, _done: int, _total: int | None) -> None:
            with pytest.raises(BackupRefused, match="another backup"):
                saved(settings, tmp_path / "backup")

        back_up(settings, tmp_path / "backup", now_us=5, version="1", step=step)


async def test_a_backup_that_fails_leaves_nothing(
    settings: CoreSettings,
    fake_clock: FakeClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device", "backup")

    monkeypatch.setattr(backup, "write_list", full)
    async with open_state(settings, fake_clock) as core:
        await core.hold(ONE, b"evil")
        with pytest.raises(DiskFull):
            saved(settings, tmp_path / "backup")

    assert {path.name for path in tmp_path.iterdir()} == {"state"}


async def test_too_little_room_is_told_before_anything_is_written(
    settings: CoreSettings,
    fake_clock: FakeClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copying, "ROOM_BYTES", 1 << 60)
    async with open_state(settings, fake_clock):
        with pytest.raises(DiskFull, match="MiB are needed"):
            saved(settings, tmp_path / "backup")

    assert {path.name for path in tmp_path.iterdir()} == {"state"}


async def test_another_user_than_the_core_s_is_refused(
    settings: CoreSettings,
    fake_clock: FakeClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_state(settings, fake_clock):
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        with pytest.raises(copying.NotTheOwner, match="sudo -u"):
            saved(settings, tmp_path / "backup")


def test_a_database_on_a_server_is_told_with_the_command_and_without_its_password(
    settings: CoreSettings, tmp_path: Path
) -> None:
    on_server = settings.model_copy(update={"database": "postgresql://scout:geheim@db/scout"})

    with pytest.raises(ServerDatabase) as refused:
        saved(on_server, tmp_path / "backup")

    assert "pg_dump --format=custom --file=core.dump postgresql://scout@db/scout" in str(
        refused.value
    )
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff" * 10,
        b"[" * 70_000,
        b'{"format": 2}',
        json.dumps({"format": "1"}).encode(),
    ],
)
def test_a_manifest_that_is_none_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)

    with pytest.raises(BackupDamaged) as refused:
        BackupManifest.read(tmp_path)

    assert isinstance(refused.value, BorderScoutError)
    assert "\n" not in str(refused.value)
