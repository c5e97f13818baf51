"""Is a shard's database sound when it is opened, and how is it mended if not?

Touches the shard's folder. Checking costs time by the size of what is checked, so it is done after
an end that was not clean, and of the bodies only when damage showed: they have their SHA-256.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import apsw
import structlog

from satellite.spool.disk import compaction
from satellite.spool.disk.bodies import FOLDER as BODIES
from satellite.spool.disk.schema import close, open_writer
from satellite.spool.disk.sqlite_failures import SpoolDamaged, failure_of
from satellite.spool.mending.renewal import renew_if_asked
from satellite.spool.mending.rescue import finish, is_due, rescue

log = structlog.get_logger()

SUSPECT = "spool.db.suspect"  # damage showed while it was used: the next start checks all of it
_DOCUMENTS = ("document", "document_next")
_CHECKED = ("meta", "message", "recipient", "copy", "outbox", *_DOCUMENTS, "release", "hold")


def open_sound(folder: Path, *, now_us: int) -> apsw.Connection:
    """Open the connection that writes, of a database that holds together.

    A damaged one is set aside, and what can be read of it is in the one that is opened.

    Args:
        folder: the shard's.
        now_us: the wall clock.

    Raises:
        SpoolTooNew: a later version wrote it.
        EnvironmentFailure: the disk or the file system is not fit for it.
        OSError: the same.
    """
    why = "a rescue was interrupted"
    if not is_due(folder):
        finish(folder)
        try:
            writer = _checked(folder)
        except SpoolDamaged as error:
            why = error.what
        else:
            (folder / SUSPECT).unlink(missing_ok=True)
            return _ready(folder, writer)
    stamp = datetime.fromtimestamp(now_us / 1e6, UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        rescue(folder, stamp=stamp, now_us=now_us, why=why)
    except apsw.Error as error:
        raise failure_of(error) from error
    (folder / SUSPECT).unlink(missing_ok=True)
    return _ready(folder, open_writer(folder / "spool.db"))


def _ready(folder: Path, writer: apsw.Connection) -> apsw.Connection:
    """Return a connection to a sound file, of which the rest of a start need know nothing."""
    _convert(writer)
    try:
        renew_if_asked(folder, writer)
    except BaseException as error:
        close(writer)
        if isinstance(error, apsw.Error):
            raise failure_of(error) from error
        raise
    return writer


def _convert(writer: apsw.Connection) -> None:
    try:
        compaction.convert(writer)
    except apsw.Error as error:  # a full disk: the spool works as it is
        log.warning("spool.not_converted", reason=failure_of(error).what)


def suspect(folder: Path) -> None:
    """Let the next start check everything."""
    (folder / SUSPECT).touch(mode=0o600)


def _checked(folder: Path) -> apsw.Connection:
    path = folder / "spool.db"
    if path.exists() and not path.stat().st_size and any((folder / BODIES).iterdir()):
        raise SpoolDamaged("the spool's file is empty, and there are bodies")
    writer = open_writer(path)
    try:
        fault = _fault(writer, is_suspect=(folder / SUSPECT).exists())
    except apsw.Error as error:
        close(writer)
        raise failure_of(error) from error
    if fault:
        close(writer)
        raise SpoolDamaged(f"the spool's file is damaged: {fault}")
    return writer


def _fault(writer: apsw.Connection, *, is_suspect: bool) -> str:
    """Return what is wrong with a database, the first line of it; empty when nothing is."""
    if is_suspect:
        return _found(writer, "PRAGMA quick_check(1)")
    if writer.execute("SELECT value FROM meta WHERE name='clean'").get:
        return ""
    faults = (_found(writer, f"PRAGMA quick_check({table})") for table in _CHECKED)
    return next((fault for fault in faults if fault), "")


def _found(writer: apsw.Connection, check: str) -> str:
    text = str(writer.execute(check).fetchall()[0][0])
    return "" if text == "ok" else text.partition("\n")[0]
