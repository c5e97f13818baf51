"""How does a damaged database become one that works?

Touches the shard's folder. The damaged file is set aside whole, with its log; what can be read of
it goes into a new file, which gets the database's name last. A crash at any step is taken up at the
next start: while there is no database, the file that is being rescued is the one that counts.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from common import durable
from satellite.spool.disk.bodies import FOLDER as BODIES
from satellite.spool.disk.problems import DAMAGED, names_in
from satellite.spool.disk.schema import close, open_writer
from satellite.spool.disk.sweep import sweep
from satellite.spool.mending.salvage import Wreck
from satellite.spool.mending.transplant import Losses, Transplant

log = structlog.get_logger()

RESCUING = "spool.db.rescuing-"
NEW = "spool.db.new"
SCRATCH = "spool.db.scratch"


def is_due(folder: Path) -> bool:
    """Say whether a crash interrupted a rescue."""
    return not (folder / "spool.db").exists() and bool(_rescuing(folder))


def rescue(folder: Path, *, stamp: str, now_us: int, why: str) -> Losses:
    """Set the database aside and make a new one of what can be read. Runs before anything else.

    Args:
        folder: the shard's.
        stamp: the time, as it stands in the name of the file that is set aside.
        now_us: the wall clock.
        why: what was found.

    Raises:
        OSError, apsw.Error: the disk failed; the next start goes on.
    """
    if not is_due(folder):
        log.error("spool.database_damaged", reason=why, kept_as=f"{DAMAGED}{stamp}")
        durable.disk.rename(folder / "spool.db", folder / f"{RESCUING}{stamp}")
    name = _rescuing(folder)[-1]
    if (folder / "spool.db-wal").exists():
        durable.disk.rename(folder / "spool.db-wal", folder / f"{name}-wal")
    _remove(folder / "spool.db")
    durable.sync_folder(folder)
    _remove(folder / NEW)
    _remove(folder / SCRATCH)
    wreck = Wreck(folder / name, folder / SCRATCH)
    try:
        losses = _copied(wreck, folder, now_us=now_us, why=why)
    finally:
        wreck.close()
    # From here on the new file counts. It is one file: closing it has emptied its log.
    durable.publish(folder / NEW, folder / "spool.db")
    finish(folder)
    log.error(
        "spool.rescued",
        lost=len(losses.lost),
        without_body=len(losses.without_body),
        scanned_again=len(losses.scanned_again),
        records=losses.records,
        preferences=losses.preferences,
    )
    return losses


def finish(folder: Path) -> None:
    """Give what was rescued the name of what is merely kept; nothing if there is none."""
    for name in _rescuing(folder):
        aside = f"{DAMAGED}{name.removeprefix(RESCUING)}"
        for suffix in ("-wal", ""):
            if (folder / f"{name}{suffix}").exists():
                durable.disk.rename(folder / f"{name}{suffix}", folder / f"{aside}{suffix}")
        durable.disk.unlink(folder / f"{name}-shm")
        durable.sync_folder(folder)


def _rescuing(folder: Path) -> list[str]:
    names = (name for name in names_in(folder) if name.startswith(RESCUING))
    return [name for name in names if not name.endswith(("-wal", "-shm"))]


def _remove(path: Path) -> None:
    """Delete a database of ours that does not count: its file, its log, its index."""
    suffixes = ("-wal", "-shm") if path.name == "spool.db" else ("", "-wal", "-shm")
    for suffix in suffixes:
        durable.disk.unlink(path.with_name(path.name + suffix))


def _copied(wreck: Wreck, folder: Path, *, now_us: int, why: str) -> Losses:
    writer = open_writer(folder / NEW)
    try:
        losses = Transplant(wreck, writer, folder / BODIES, now_us=now_us).run(why)
        rows = writer.execute("SELECT id, size FROM message WHERE in_file=1").fetchall()
        # What may be all that is left of a message must not be swept away as a left-over.
        sweep(folder / BODIES, {str(name): int(str(size)) for name, size in rows}, keep_strays=True)
        return losses
    finally:
        close(writer)
