"""How does a core come back from a backup?

Touches the state folder of a core that does not run. What was there is set aside and never deleted,
and nothing of it is touched before the restored state is whole, on the disk, and in an epoch of its
own: a database that is put back must never pass for the one that the satellites know.

While the folder ``restore.partial`` stands in the state, a restoration was not finished, and a core
does not start: it might begin from nothing.

Source: docs/operating/restore.md; docs/design/link-guarantees.md, G1, G16.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from common.clock import Clock
from common.counted import counted
from common.durable import sync_folder
from common.errors import LocalError
from common.preferences import Epoch
from common.settings.core import CoreSettings
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody, SettledCases
from core.recovery.authority_keys import authority_keys
from core.recovery.backup import clear
from core.recovery.copying import check_owner, check_room, copy, failure_of, on_disk
from core.recovery.manifest import (
    BODIES,
    DATABASE,
    BackupDamaged,
    BackupManifest,
    body_path,
    digest_of,
    read_list,
)
from core.recovery.places import database_file
from core.store.core_lock import take_lock
from core.store.database import Database
from core.store.errors import StoreFailure
from core.store.snapshot import Step, facts_of, fold_log

UNFINISHED = "restore.partial"  # what is being restored
ASIDE = "before-restore-"  # what was there, with the time
WHO = "restore"  # in the audit

_BESIDE = ("-wal", "-shm", "-journal", "")  # the database last: it is what says that a core is here


class RestoreRefused(LocalError):
    """This backup cannot be restored there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBackup:
    """A backup that was looked at.

    Args:
        manifest: what it says.
        damaged: digests of bodies that are not in it as they were.
    """

    manifest: BackupManifest
    damaged: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredCore:
    """A core that may start.

    Args:
        manifest: of the backup.
        epoch: that began.
        aside: where the former state is; None: there was none.
        settled: what the restored database and the bodies did not agree on.
    """

    manifest: BackupManifest
    epoch: Epoch
    aside: Path | None
    settled: SettledCases


def check_backup(folder: Path, *, step: Step) -> CheckedBackup:
    """Read all of a backup and compare it with its manifest.

    Raises:
        BackupDamaged: nothing can be restored of it.
    """
    manifest = _manifest(folder)
    damaged = []
    for number, body in enumerate(read_list(folder, manifest)):
        step("reading bodies", number, manifest.bodies)
        path = body_path(folder, body.sha256)
        if not path.is_file() or digest_of(path) != body.sha256.hex():
            damaged.append(body.sha256)
    return CheckedBackup(manifest=manifest, damaged=tuple(damaged))


async def restore(
    settings: CoreSettings,
    folder: Path,
    *,
    clock: Clock,
    step: Step,
    replace: bool = False,
    incomplete: bool = False,
    generation: int | None = None,
    of_other_authority: bool = False,
) -> RestoredCore:
    """Put a core back to a backup, in a new epoch.

    Args:
        settings: of the core.
        folder: the backup.
        clock: for the audit, and for the name of what is set aside.
        step: told how far it is.
        replace: set aside what is there.
        incomplete: go on without bodies that are damaged; their messages are asked for again.
        generation: of the new epoch; None: later than all that stands here or in the backup.
        of_other_authority: also when its nodes had their certificates from another authority.

    Raises:
        RestoreRefused: another cluster's, or there is a state already.
        BackupDamaged: the backup is not as it was written.
        CoreRuns, ServerDatabase, NotTheOwner, EpochRefused, EnvironmentFailure: what stands in the
            way.
    """
    file, state = database_file(settings), Path(settings.state)
    manifest = checked_manifest(folder, settings, of_other_authority=of_other_authority)
    lock = _taken(file, state)
    try:
        if _is_there(file, state) and not replace:
            raise RestoreRefused(
                f"{state} has a core's state already",
                hint="say --replace: then it is set aside, and nothing is deleted",
            )
        check_room(state, manifest.database_size + manifest.bodies_size)
        unfinished = _emptied(state / UNFINISHED)
        try:
            known = _generations(file, state)
            with on_disk(unfinished):
                _copy_in(folder, manifest, unfinished, step=step, incomplete=incomplete)
                epoch, settled = await _begin(
                    unfinished, manifest, clock, known=known, generation=generation
                )
                _close(unfinished)
        except BaseException:  # nothing was touched yet
            _emptied(unfinished).rmdir()
            raise
        aside = _set_aside(file, state, now_us=clock.now_us())
        _put_in_place(unfinished, file, state)
        return RestoredCore(manifest=manifest, epoch=epoch, aside=aside, settled=settled)
    except OSError as error:
        raise failure_of(error) from None
    finally:
        os.close(lock)


def check_finished(state: Path) -> None:
    """Accept that no restoration of a core was begun and not finished.

    Raises:
        RestoreRefused: one was.
    """
    unfinished = state / UNFINISHED
    if unfinished.exists():
        raise RestoreRefused(
            f"{unfinished}: a restoration was not finished",
            hint="type it again, with --replace: borderscout core restore DIR --replace",
        )


def checked_manifest(
    folder: Path, settings: CoreSettings, *, of_other_authority: bool = False
) -> BackupManifest:
    """Return what a backup says of itself, once its database is found to be whole, and this one's.

    Args:
        folder: the backup.
        settings: of the core that is to have it.
        of_other_authority: also when its nodes had their certificates from another authority.

    Raises:
        BackupDamaged: nothing can be restored of it.
        RestoreRefused: it is another cluster's.
    """
    manifest = _manifest(folder)
    if manifest.cluster != settings.cluster:
        raise RestoreRefused(
            f"{folder} is of the cluster {manifest.cluster}, and the settings are of"
            f" {settings.cluster}",
            hint="name this cluster's backup",
        )
    known = set(authority_keys(settings.tls.authority))
    if not of_other_authority and known and known.isdisjoint(manifest.authority_keys or known):
        raise RestoreRefused(
            f"{folder} is of another cluster of this name: its authority is not"
            f" {settings.tls.authority}",
            hint="name this cluster's backup; if all got a new authority since, restore it with"
            " --of-other-authority",
        )
    return manifest


def _manifest(folder: Path) -> BackupManifest:
    """Return what a backup says of itself, once its database is found to be whole."""
    manifest = BackupManifest.read(folder)
    database = folder / DATABASE
    if digest_of(database) != manifest.database_sha256:
        raise BackupDamaged(f"{database}: its SHA-256 is another one", hint="take another backup")
    return manifest


def _taken(file: Path, state: Path) -> int:
    """Return the lock of a core that does not run, on whose disk a database can change places."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_owner(state)
        if file.parent.stat().st_dev != state.stat().st_dev:
            raise RestoreRefused(
                f"{file} is on another disk than {state}",
                hint="name a database in the state's file system, and move it afterwards",
            )
        return take_lock(file)
    except OSError as error:
        raise failure_of(error) from None


def _emptied(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    clear(folder)
    return folder


def _is_there(file: Path, state: Path) -> bool:
    """Say whether a core has begun here; an empty file is what a start leaves that failed."""
    bodies = state / BODIES
    has_bodies = bodies.is_dir() and any(path.is_file() for path in bodies.rglob("*"))
    return has_bodies or (file.exists() and file.stat().st_size > 0)


def _copy_in(
    folder: Path, manifest: BackupManifest, unfinished: Path, *, step: Step, incomplete: bool
) -> None:
    """Copy a backup, each file looked at again as it is copied."""
    (unfinished / BODIES).mkdir(mode=0o700)
    damaged = []
    for number, body in enumerate(read_list(folder, manifest)):
        step("copying bodies", number, manifest.bodies)
        target = body_path(unfinished, body.sha256)
        if not target.parent.is_dir():
            target.parent.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            if copy(body_path(folder, body.sha256), target) == (body.size, body.sha256):
                continue
        target.unlink(missing_ok=True)
        damaged.append(body.sha256.hex())
    if damaged and not incomplete:
        bodies = counted(len(damaged), "body is", "bodies are")
        raise BackupDamaged(
            f"{folder}: {bodies} missing or damaged, such as {damaged[0]}",
            hint="take another backup, or say --incomplete to go on without them",
        )
    step("copying the database", 0, None)
    _, digest = copy(folder / DATABASE, unfinished / DATABASE)
    if digest.hex() != manifest.database_sha256:
        raise BackupDamaged(f"{folder / DATABASE}: it changed while it was read")


async def _begin(
    unfinished: Path,
    manifest: BackupManifest,
    clock: Clock,
    *,
    known: list[int],
    generation: int | None,
) -> tuple[Epoch, SettledCases]:
    """Begin a new epoch in what was restored, and let its cases and bodies agree."""
    file = unfinished / DATABASE
    async with await Database.open(file, clock=clock) as database:
        bodies = await BodyFolder.open(unfinished / BODIES)
        epoch = await database.preferences.renew_epoch(who=WHO, known=known, generation=generation)
        settled = await Custody(database=database, bodies=bodies, clock=clock).settle(who=WHO)
        # One that was used since would be good a second time.
        await database.members.withdraw_tokens(who=WHO)
        await database.audit.note(
            who=WHO,
            what="core.restore",
            subject=f"revision {manifest.revision}",
            detail=f"a backup of {_time(manifest.made_us)}, epoch {manifest.epoch}",
        )
    return epoch, settled


def _close(unfinished: Path) -> None:
    """Leave the restored state without what only a running core needs beside it."""
    file = unfinished / DATABASE
    Path(f"{file}.lock").unlink()
    fold_log(file)


def _generations(file: Path, state: Path) -> list[int]:
    """Return the generations of what is here, and of what was set aside before."""
    found = []
    for database in (file, *state.glob(f"{ASIDE}*/{DATABASE}")):
        if database.exists() and database.stat().st_size:
            with suppress(StoreFailure):  # a damaged one is what a restoration is for
                found.append(facts_of(database).generation)
    return found


def _set_aside(file: Path, state: Path, *, now_us: int) -> Path | None:
    """Put what is here into a folder of its own; return it, or None when there is nothing."""
    if not _is_there(file, state):
        return None
    with suppress(StoreFailure):
        if file.exists():
            fold_log(file)
    name = aside = state / f"{ASIDE}{_time(now_us)}"
    number = 1
    while aside.exists():
        number += 1
        aside = name.with_name(f"{name.name}-{number}")
    aside.mkdir(mode=0o700)
    sync_folder(state)
    if (state / BODIES).exists():
        (state / BODIES).rename(aside / BODIES)
    for end in _BESIDE:
        with suppress(FileNotFoundError):
            Path(f"{file}{end}").rename(aside / f"{DATABASE}{end}")
    sync_folder(aside)
    sync_folder(file.parent)
    sync_folder(state)
    return aside


def _put_in_place(unfinished: Path, file: Path, state: Path) -> None:
    with suppress(FileNotFoundError):
        (state / BODIES / "partial").rmdir()
        (state / BODIES).rmdir()  # empty: a core that had begun and kept nothing
    (unfinished / BODIES).rename(state / BODIES)
    (unfinished / DATABASE).rename(file)  # from here on it is this core's
    sync_folder(state)
    sync_folder(file.parent)
    _emptied(unfinished).rmdir()
    sync_folder(state)


def _time(now_us: int) -> str:
    return datetime.fromtimestamp(now_us / 1e6, UTC).strftime("%Y%m%dT%H%M%SZ")
