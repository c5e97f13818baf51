"""What does an error of SQLite mean: try again later, start anew, or mend the file?

Pure. Source: SQLite, result and error codes.
"""

from __future__ import annotations

from enum import Enum, auto

import apsw

from common.errors import DiskFull, EnvironmentFailure


class SpoolDamaged(EnvironmentFailure):
    """The database does not hold together."""


class Ailment(Enum):
    """What has to be done about an error."""

    PASSING = auto()  # nothing was written; it may work later
    BROKEN = auto()  # another process must read what the disk really has
    DAMAGED = auto()  # the file does not hold together: it is mended when it is opened


_PASSING_IO = frozenset(
    {
        apsw.SQLITE_IOERR_READ,
        apsw.SQLITE_IOERR_SHORT_READ,
        apsw.SQLITE_IOERR_WRITE,  # before any sync: what was not committed is written anew
        apsw.SQLITE_IOERR_TRUNCATE,
        apsw.SQLITE_IOERR_NOMEM,
        apsw.SQLITE_IOERR_LOCK,
    }
)


def ailment_of(error: apsw.Error) -> Ailment:
    """Return what has to be done about an error.

    A failed sync must not be tried again on the same pages: the kernel may have dropped them and
    call them clean. Any I/O error that is not known to come before a sync counts as one.
    """
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return Ailment.DAMAGED
    code = getattr(error, "extendedresult", apsw.SQLITE_IOERR)  # its types do not name it
    if isinstance(error, apsw.IOError) and code not in _PASSING_IO:
        return Ailment.BROKEN
    return Ailment.PASSING


def failure_of(error: apsw.Error) -> EnvironmentFailure:
    """Return our word for an error."""
    match error:
        case apsw.FullError():
            return DiskFull("the spool's disk is full", hint="free some space")
        case apsw.BusyError() | apsw.LockedError():
            what = "another program holds the spool's lock"
            return EnvironmentFailure(what, hint="end what else has opened spool.db")
        case apsw.CorruptError() | apsw.NotADBError():
            what = f"the spool's file is damaged: {error}"
            return SpoolDamaged(what, hint="it is mended at the next start")
        case apsw.CantOpenError() | apsw.PermissionsError() | apsw.ReadOnlyError():
            what = f"the spool's file cannot be opened: {error}"
            return EnvironmentFailure(what, hint="check the rights of spool.db and its folder")
        case _:
            what = f"the spool could not be read or written: {error}"
            return EnvironmentFailure(what, hint="check the disk")
