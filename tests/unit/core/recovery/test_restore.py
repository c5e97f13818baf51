"""A restored core begins an epoch of its own, and what was there before is never deleted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from common.issuing import KeyKind, PrivateKey, instant, new_authority, new_key, pem_of
from common.settings.core import CoreSettings
from core.custody.custody import SettledCases
from core.people.members import MadeToken, NodeMember, TokenNotGood
from core.preferences.epochs import EpochRefused
from core.quarantine.cases import CaseState
from core.recovery.copying import NotTheOwner
from core.recovery.manifest import BackupDamaged
from core.recovery.renewal import renew_at_rest
from core.recovery.restore import (
    RestoredCore,
    RestoreRefused,
    check_backup,
    check_finished,
    restore,
)
from core.store.core_lock import CoreRuns
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rooms import made_id, route
from tests.support.core.saved import OpenState, open_state, quiet, saved, settings_in

ONE, TWO, THREE = made_id(1), made_id(2), made_id(3)


@pytest.fixture
def settings(tmp_path: Path) -> CoreSettings:
    return settings_in(tmp_path)


@pytest.fixture
async def backup(settings: CoreSettings, fake_clock: FakeClock, tmp_path: Path) -> Path:
    """A backup of revision 1 and two bodies; since then there is more of both."""
    async with open_state(settings, fake_clock) as core:
        await core.database.preferences.publish([route()], who="test")
        await core.hold(ONE, b"evil")
        await core.hold(TWO, b"worse")
        folder = saved(settings, tmp_path / "backup").folder
        await core.database.preferences.publish([route("later.example")], who="test")
        await core.hold(THREE, b"later")
    return folder


async def restored(
    settings: CoreSettings, folder: Path, clock: FakeClock, **more: bool | int | None
) -> RestoredCore:
    return await restore(settings, folder, clock=clock, step=quiet, **more)  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


async def test_a_core_comes_back_in_a_new_epoch_where_nothing_was(
    backup: Path, fake_clock: FakeClock, tmp_path: Path
) -> None:
    other = settings_in(tmp_path / "elsewhere")
    other = other.model_copy(update={"state": str(tmp_path / "elsewhere-state")})

    done = await restored(other, backup, fake_clock)

    assert (done.aside, done.settled) == (None, SettledCases(aside=0, wanted=0))
    assert done.epoch.generation == done.manifest.generation + 1
    assert done.epoch.identifier != done.manifest.epoch
    async with open_state(other, fake_clock) as core:
        assert core.database.epoch == done.epoch
        assert core.database.preferences.position.revision == 1
        assert await core.custody.read(ONE, 0, 9) == b"evil"
        assert await core.custody.case(THREE) is None
        told = [(entry.who, entry.what) for entry in await core.database.audit.recent()]
    assert told[:2] == [("restore", "core.restore"), ("restore", "epoch.renew")]
    assert {path.name for path in Path(other.state).iterdir()} == {
        "core.db",
        "core.db.lock",
        "bodies",
    }
    for path in Path(other.state).rglob("*"):
        assert not path.stat().st_mode & 0o077, path


async def test_what_was_there_is_set_aside_whole(
    settings: CoreSettings, backup: Path, fake_clock: FakeClock
) -> None:
    before = files(Path(settings.state))
    with pytest.raises(RestoreRefused, match="say --replace"):
        await restored(settings, backup, fake_clock)
    assert files(Path(settings.state)) == before

    done = await restored(settings, backup, fake_clock, replace=True)

    assert done.aside is not None
    assert files(done.aside) == {name: before[name] for name in before if name != "core.db.lock"}
    aside = settings.model_copy(update={"state": str(done.aside)})
    async with open_state(aside, fake_clock) as core:
        assert await core.custody.read(THREE, 0, 9) == b"later"


async def test_a_backup_of_another_cluster_of_this_name_is_refused(
    settings: CoreSettings, fake_clock: FakeClock, tmp_path: Path
) -> None:
    now, key = instant(fake_clock.now_us()), new_key(KeyKind.ECDSA)
    tls = settings.tls.model_copy(update={"authority": str(tmp_path / "authority.crt")})
    settings = settings.model_copy(update={"tls": tls})

    def show(key: PrivateKey) -> None:
        made = new_authority("harbour authority", key, now=now, days=30)
        Path(settings.tls.authority).write_bytes(pem_of(made))

    async with open_state(settings, fake_clock):
        unsigned = saved(settings, tmp_path / "of nobody").folder
        show(key)
        ours = saved(settings, tmp_path / "ours").folder
        show(new_key(KeyKind.ECDSA))
        theirs = saved(settings, tmp_path / "theirs").folder
    show(key)  # renewed: the key is the same
    before = files(Path(settings.state))

    with pytest.raises(RestoreRefused, match="of another cluster of this name") as refused:
        await restored(settings, theirs, fake_clock, replace=True)
    assert "--of-other-authority" in refused.value.hint
    assert files(Path(settings.state)) == before

    for folder, more in ((ours, {}), (unsigned, {}), (theirs, {"of_other_authority": True})):
        await restored(settings, folder, fake_clock, replace=True, **more)


@pytest.mark.parametrize("by_hand", [False, True], ids=["restore", "copied-and-renew-epoch"])
async def test_a_token_that_was_used_since_the_backup_is_good_for_nobody(
    settings: CoreSettings, fake_clock: FakeClock, tmp_path: Path, by_hand: bool
) -> None:
    now_us = fake_clock.now_us()
    token = MadeToken(digest="00", node="lon1", made_us=now_us, expires_us=2 * now_us, who="t")
    member = NodeMember(node="lon1", joined_us=now_us)

    async def join(core: OpenState) -> None:
        await core.database.members.join("00", keys="k", issued="", member=member, client="c")

    async with open_state(settings, fake_clock) as core:
        await core.database.members.add_token(token)
        folder = saved(settings, tmp_path / "backup").folder
        await join(core)

    if by_hand:
        shutil.copyfile(folder / "core.db", Path(settings.state) / "core.db")
        await renew_at_rest(settings, clock=fake_clock, who="t")
    else:
        await restored(settings, folder, fake_clock, replace=True)

    async with open_state(settings, fake_clock) as core:
        assert await core.database.members.members() == []  # it has to join again
        with pytest.raises(TokenNotGood):
            await join(core)


async def test_restored_twice_from_one_backup_the_second_epoch_is_the_later_one(
    settings: CoreSettings, backup: Path, fake_clock: FakeClock
) -> None:
    first = await restored(settings, backup, fake_clock, replace=True)
    second = await restored(settings, backup, fake_clock, replace=True)
    third = await restored(settings, backup, fake_clock, replace=True)

    assert [one.epoch.generation for one in (first, second, third)] == [2, 3, 4]
    assert len({one.aside for one in (first, second, third)}) == 3


async def test_a_generation_that_an_operator_names_is_taken_and_one_too_low_refused(
    settings: CoreSettings, backup: Path, fake_clock: FakeClock
) -> None:
    before = files(Path(settings.state))
    with pytest.raises(EpochRefused):
        await restored(settings, backup, fake_clock, replace=True, generation=1)
    assert files(Path(settings.state)) == before

    done = await restored(settings, backup, fake_clock, replace=True, generation=40)
    assert done.epoch.generation == 40


async def test_a_core_that_runs_is_not_restored_over(
    settings: CoreSettings, backup: Path, fake_clock: FakeClock
) -> None:
    async with open_state(settings, fake_clock):
        with pytest.raises(CoreRuns):
            await restored(settings, backup, fake_clock, replace=True)
        with pytest.raises(CoreRuns):
            await renew_at_rest(settings, clock=fake_clock, who="test")


@pytest.mark.parametrize("harm", ["gone", "other", "short"])
async def test_a_damaged_body_stops_it_unless_it_shall_go_on_without(
    settings: CoreSettings, backup: Path, fake_clock: FakeClock, harm: str
) -> None:
    before = files(Path(settings.state))
    (path,) = [one for one in backup.glob("bodies/??/*") if one.read_bytes() == b"evil"]
    path.unlink()  # it is the core's own file, too
    if harm != "gone":
        path.write_bytes(b"evil"[::-1] if harm == "other" else b"ev")

    assert [one.hex() for one in check_backup(backup, step=quiet).damaged] == [path.name]
    with pytest.raises(BackupDamaged, match=f"1 body .* such as {path.name}"):
        await restored(settings, backup, fake_clock, replace=True)
    assert files(Path(settings.state)) == before

    done = await restored(settings, backup, fake_clock, replace=True, incomplete=True)
    assert done.settled == SettledCases(aside=0, wanted=1)
    async with open_state(settings, fake_clock) as core:
        case = await core.custody.case(ONE)
        assert case is not None
        assert case.state is CaseState.ARRIVING
        assert await core.custody.read(TWO, 0, 9) == b"worse"


@pytest.mark.parametrize("name", ["core.db", "bodies.list"])
async def test_a_backup_whose_octets_changed_is_refused(
    settings: CoreSettings, backup: Path, fake_clock: FakeClock, name: str
) -> None:
    content = bytearray((backup / name).read_bytes())
    content[20] ^= 1
    (backup / name).write_bytes(content)

    with pytest.raises(BackupDamaged, match=name):
        await restored(settings, backup, fake_clock, replace=True)
    check_finished(Path(settings.state))


async def test_another_cluster_s_backup_is_refused(
    settings: CoreSettings, backup: Path, fake_clock: FakeClock
) -> None:
    other = settings.model_copy(update={"cluster": "elsewhere"})

    with pytest.raises(RestoreRefused, match="of the cluster example"):
        await restored(other, backup, fake_clock, replace=True)


async def test_root_does_not_make_files_that_the_core_cannot_read(
    settings: CoreSettings, backup: Path, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Path(settings.state).stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with pytest.raises(NotTheOwner):
        await restored(settings, backup, fake_clock, replace=True)


STEPS = ("rename", "mkdir", "unlink", "rmdir")
CUTS = 20  # before each of these steps, and after the last


@pytest.mark.parametrize("number", range(CUTS))
async def test_a_restoration_that_is_cut_anywhere_is_typed_again_and_nothing_is_lost(
    settings: CoreSettings,
    backup: Path,
    fake_clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    state = Path(settings.state)
    mine = {path.read_bytes() for path in state.glob("bodies/??/*")}
    calls = 0

    class Cut(BaseException):
        """The power goes."""

    def cutting(name: str) -> None:
        real = getattr(Path, name)

        def step(self: Path, *arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls > number:  # nothing is done any more, not even the clearing up
                raise Cut
            return real(self, *arguments, **options)

        patch.setattr(Path, name, step)

    is_cut = False
    with monkeypatch.context() as patch:
        for name in STEPS:
            cutting(name)
        try:
            await restored(settings, backup, fake_clock, replace=True)
        except Cut:
            is_cut = True
    assert is_cut == (number < CUTS - 1)
    if is_cut and (state / "restore.partial").exists():
        with pytest.raises(RestoreRefused, match="not finished"):
            check_finished(state)
    done = await restored(settings, backup, fake_clock, replace=True)

    check_finished(state)
    async with await Database.open(state / "core.db", clock=fake_clock) as database:
        assert database.epoch == done.epoch
        assert database.preferences.position.revision == 1
    there = {path.read_bytes() for path in state.glob("before-restore-*/bodies/??/*")}
    assert there | {path.read_bytes() for path in state.glob("bodies/??/*")} >= mine


# --- a database that came back by other means -----------------------------------------------------


async def test_a_renewal_at_rest_lets_cases_and_bodies_agree(
    settings: CoreSettings, backup: Path, fake_clock: FakeClock
) -> None:
    state = Path(settings.state)
    (state / "core.db").write_bytes(
        (backup / "core.db").read_bytes()
    )  # by hand, over the later one
    (lost,) = [one for one in state.glob("bodies/??/*") if one.read_bytes() == b"evil"]
    lost.unlink()

    position, settled = await renew_at_rest(settings, clock=fake_clock, who="ann")

    assert (position.epoch.generation, position.revision) == (2, 1)
    assert settled == SettledCases(aside=1, wanted=1)
    assert [one.read_bytes() for one in state.glob("bodies/aside/*")] == [b"later"]
    async with open_state(settings, fake_clock) as core:
        (entry, *_) = await core.database.audit.recent()
        assert (entry.who, entry.what) == ("ann", "quarantine.lost")


async def test_there_is_nothing_to_renew_where_no_core_has_begun(
    settings: CoreSettings, fake_clock: FakeClock
) -> None:
    with pytest.raises(RestoreRefused, match="no core has begun"):
        await renew_at_rest(settings, clock=fake_clock, who="ann")

    assert not Path(settings.state).exists()
