"""How is a core saved while it works?

Touches the core's database and bodies, and the folder of the backup. The core is not asked and need
not run; it never waits.

The database is copied as of one instant, then each body that its cases stand on. Bodies never
change, and a body goes only after its case says ``deleted``, durably. So one that is gone when its
turn comes was deleted since that instant, and is deleted in the copy too; or it was lost before,
which is told. The folder gets its name when all of it is on the disk.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from common.durable import sync_folder
from common.errors import LocalError
from common.settings.core import CoreSettings
from core.recovery.authority_keys import authority_keys
from core.recovery.copying import (
    check_owner,
    check_room,
    failure_of,
    link_or_copy,
    on_disk,
)
from core.recovery.manifest import (
    BODIES,
    DATABASE,
    FORMAT,
    LIST,
    MANIFEST,
    BackupManifest,
    body_path,
    digest_of,
    write_list,
)
from core.recovery.places import database_file
from core.store.snapshot import (
    KeptBody,
    Step,
    copy_database,
    facts_of,
    follow_deletions,
    kept_bodies,
    kept_totals,
)

PARTIAL = ".partial"  # at the end of the name of a backup that is being made

_OURS = {DATABASE, f"{DATABASE}-journal", BODIES, LIST, MANIFEST, f"{MANIFEST}.part"}


class BackupRefused(LocalError):
    """No backup can be made there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBackup:
    """A backup that is on the disk.

    Args:
        folder: where it is.
        manifest: what is in it.
        deleted: bodies that were deleted while it was made, and so are not in it.
        lost: digests of bodies that cases stand on and that are not at the core.
    """

    folder: Path
    manifest: BackupManifest
    deleted: int
    lost: tuple[bytes, ...]


def back_up(
    settings: CoreSettings, folder: Path, *, now_us: int, version: str, step: Step
) -> MadeBackup:
    """Save a core's database and bodies in a new folder.

    Args:
        settings: of the core.
        folder: it is made, and must be empty where it is there.
        now_us: microseconds since the epoch, UTC.
        version: of this program.
        step: told how far it is.

    Raises:
        BackupRefused: the folder is not empty, or somebody writes one there.
        ServerDatabase: the database is no file.
        NotTheOwner, EnvironmentFailure: what stands in the way.
    """
    database = database_file(settings)
    folder = folder.absolute()
    try:
        _check_folder(folder)
        if not database.exists():
            raise BackupRefused(f"{database}: no core has begun there", hint="name its settings")
        check_owner(database)
        _check_room(database, settings, folder)
        with _partial(folder) as partial:
            copy = partial / DATABASE
            with on_disk(partial):
                copy_database(database, copy, step=step)
                taken = _take_bodies(Path(settings.state), partial, database, step)
                manifest = _described(
                    partial, settings, lost=taken.lost, now_us=now_us, version=version
                )
            manifest.write(partial)
            partial.rename(folder)  # over the empty one, where there is one
            sync_folder(folder.parent)
            return MadeBackup(
                folder=folder,
                manifest=manifest,
                deleted=taken.deleted,
                lost=tuple(sorted(taken.lost)),
            )
    except OSError as error:
        raise failure_of(error) from None


@dataclass(frozen=True, slots=True)
class _TakenBodies:
    """What became of bodies that were not taken."""

    deleted: int
    lost: frozenset[bytes]


def _take_bodies(state: Path, partial: Path, database: Path, step: Step) -> _TakenBodies:
    """Take each body that a case of the copied database stands on."""
    copy = partial / DATABASE
    (partial / BODIES).mkdir(mode=0o700)
    total, _ = kept_totals(copy)
    missing = []
    for number, body in enumerate(kept_bodies(copy)):
        step("taking bodies", number, total)
        if not _take(state, partial, body):
            missing.append(body)
    still_kept = set(follow_deletions(copy, database, [body.sha256 for body in missing]))
    # One may have come again, with another message, since it was looked for.
    again = [body for body in missing if body.sha256 in still_kept]
    lost = frozenset(body.sha256 for body in again if not _take(state, partial, body))
    return _TakenBodies(len(missing) - len(still_kept), lost)


def _take(state: Path, partial: Path, body: KeptBody) -> bool:
    target = body_path(partial, body.sha256)
    if not target.parent.is_dir():
        target.parent.mkdir(mode=0o700)
    try:
        size = link_or_copy(body_path(state, body.sha256), target)
    except FileNotFoundError:
        return False
    if size != body.size:
        target.unlink()
    return size == body.size


def _described(
    partial: Path, settings: CoreSettings, *, lost: frozenset[bytes], now_us: int, version: str
) -> BackupManifest:
    """Write the list of bodies, and return what the backup says of itself."""
    copy = partial / DATABASE
    count, size, list_sha256 = write_list(
        partial, (body for body in kept_bodies(copy) if body.sha256 not in lost)
    )
    facts = facts_of(copy)
    return BackupManifest(
        format=FORMAT,
        cluster=settings.cluster,
        core=settings.name,
        authority_keys=authority_keys(settings.tls.authority),
        version=version,
        schema_version=facts.schema,
        generation=facts.generation,
        epoch=facts.epoch,
        revision=facts.revision,
        made_us=now_us,
        database_size=copy.stat().st_size,
        database_sha256=digest_of(copy),
        bodies=count,
        bodies_size=size,
        bodies_sha256=list_sha256,
        lost=len(lost),
    )


def _check_folder(folder: Path) -> None:
    if folder.is_dir():
        if any(folder.iterdir()):
            raise BackupRefused(f"{folder} is not empty", hint="name a new folder for each backup")
    elif os.path.lexists(folder):
        raise BackupRefused(f"{folder} is no folder", hint="name a new one")
    elif not folder.parent.is_dir():
        raise BackupRefused(f"{folder.parent} is not there", hint=f"make it: mkdir {folder.parent}")


def _check_room(database: Path, settings: CoreSettings, folder: Path) -> None:
    wanted = database.stat().st_size
    with suppress(FileNotFoundError):
        wanted += Path(f"{database}-wal").stat().st_size
    bodies = Path(settings.state) / BODIES
    if bodies.is_dir() and bodies.stat().st_dev != folder.parent.stat().st_dev:
        wanted += kept_totals(database)[1]
    check_room(folder.parent, wanted)


@contextmanager
def _partial(folder: Path) -> Iterator[Path]:
    """Give an empty folder that nobody else writes to; it is removed when the work fails."""
    partial = folder.with_name(folder.name + PARTIAL)
    partial.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused(
                f"another backup is being written to {folder}", hint="wait for it"
            ) from None
        strange = {path.name for path in partial.iterdir()} - _OURS
        if strange:
            raise BackupRefused(
                f"{partial} holds what no backup has: {min(strange)}", hint="move it elsewhere"
            )
        clear(partial)
        try:
            yield partial
        except BaseException:  # a Ctrl-C too: half a backup is none
            clear(partial)
            partial.rmdir()
            raise
    finally:
        os.close(lock)


def clear(folder: Path) -> None:
    """Remove everything in a folder of our own."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
