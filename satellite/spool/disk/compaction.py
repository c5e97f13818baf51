"""How does a spool's file give the pages that it does not use back to the disk?

Touches the database, in the commit's thread. What is deleted leaves free pages in the file, which
only rows can use: body files, and whoever else shares the disk, cannot. So beyond what is worth
keeping they go back, in steps that are short whatever is stored: a file that holds little is
written anew, of any other the last pages move to where there is room before them.

Source: SQLite, ``PRAGMA auto_vacuum``, ``PRAGMA incremental_vacuum``, ``VACUUM``.
"""

from __future__ import annotations

from enum import Enum, auto

import apsw

from satellite.spool.disk.pages import PAGE_BYTES

KEPT_PAGES = (8 << 20) // PAGE_BYTES  # free pages that are always worth keeping
KEPT_SHARE = 0.25  # of the file, beyond which free pages go back
STEP_PAGES = 256  # that go in one step: a megabyte, measured at 2 to 5 ms
ANEW_PAGES_MAX = (8 << 20) // PAGE_BYTES  # in use, to be written anew while mail comes in: 30 ms
AT_START_PAGES_MAX = (64 << 20) // PAGE_BYTES  # and before any does
_INCREMENTAL = 2  # of PRAGMA auto_vacuum


class Step(Enum):
    """What makes a file shorter."""

    ANEW = auto()  # what it holds is written anew, which costs by what it holds
    TAIL = auto()  # its last pages go, which costs by how many


def due(pages: int, free_pages: int, *, is_incremental: bool = True) -> Step | None:
    """Return which step is due, or None while free pages are not worth giving back.

    Args:
        pages: of the file.
        free_pages: of these, those that hold nothing.
        is_incremental: its last pages can go by themselves; files of earlier versions lack that.
    """
    if free_pages <= max(KEPT_PAGES, int(pages * KEPT_SHARE)):
        return None
    if pages - free_pages <= ANEW_PAGES_MAX:
        return Step.ANEW
    return Step.TAIL if is_incremental else None


def take_step(connection: apsw.Connection) -> None:
    """Take the step that is due, if one is, and let the file become shorter by it.

    Raises:
        apsw.Error: the disk refused it; the file is as it was.
    """
    pages, free_pages = _pages(connection)
    match due(pages, free_pages, is_incremental=is_incremental(connection)):
        case Step.ANEW:
            write_anew(connection)
        case Step.TAIL:
            connection.execute(f"PRAGMA incremental_vacuum({STEP_PAGES})").fetchall()
        case None:
            return
    connection.wal_checkpoint()  # which is what shortens the file


def write_anew(connection: apsw.Connection) -> None:
    """Write all that a file holds anew; from then on its last pages can go by themselves."""
    connection.execute("PRAGMA temp_store=MEMORY").fetchall()  # at most what the limits above say
    connection.execute("VACUUM").fetchall()


def convert(connection: apsw.Connection) -> None:
    """Bring the file of an earlier version to where its last pages can go, unless it is large.

    Raises:
        apsw.Error: the disk refused it; the file is as it was.
    """
    pages, free_pages = _pages(connection)
    if not is_incremental(connection) and pages - free_pages <= AT_START_PAGES_MAX:
        write_anew(connection)
        connection.wal_checkpoint()


def is_incremental(connection: apsw.Connection) -> bool:
    """Say whether the last pages of a file can go by themselves."""
    return _number(connection, "auto_vacuum") == _INCREMENTAL


def _pages(connection: apsw.Connection) -> tuple[int, int]:
    return _number(connection, "page_count"), _number(connection, "freelist_count")


def _number(connection: apsw.Connection, name: str) -> int:
    return int(str(connection.execute(f"PRAGMA {name}").get))
