"""Which rows of a damaged database are found without its trees?

Touches the set-aside file, which it only reads, and makes a database of what it finds. Which table
a row belongs to is seen from its columns: no two of our tables look alike.
"""

from __future__ import annotations

import mmap
from pathlib import Path

import apsw

from common.ids import is_ulid
from satellite.spool.disk.pages import Cell, Pages, Value
from satellite.spool.disk.schema import open_writer

MESSAGE_COLUMNS_MIN = 21  # of the first version
RECIPIENT_COLUMNS_MIN = 11
ROWS_AT_ONCE = 2_000  # in one transaction


def orphan_rows(path: Path, scratch: Path) -> apsw.Connection:
    """Return a database with the rows that stand on the pages of another.

    The table ``edge`` has the ids of messages of which other pages may have had rows too.

    Args:
        path: the damaged database.
        scratch: where the new one is made; it is for this rescue alone.
    """
    for suffix in ("", "-wal", "-shm"):
        scratch.with_name(scratch.name + suffix).unlink(missing_ok=True)
    writer = open_writer(scratch)
    writer.execute("PRAGMA synchronous=OFF").fetchall()  # it is not kept
    writer.execute("CREATE TABLE edge (message TEXT PRIMARY KEY) WITHOUT ROWID")
    if not path.stat().st_size:
        return writer
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        _fill(writer, Pages(view))
    return writer


def _fill(writer: apsw.Connection, pages: Pages) -> None:
    rows = pages.rows()
    is_over = False
    while not is_over:
        with writer:
            for _ in range(ROWS_AT_ONCE):
                cell = next(rows, None)
                if cell is None:
                    is_over = True
                    break
                _insert(writer, cell)
        writer.wal_checkpoint()


def _insert(writer: apsw.Connection, cell: Cell) -> None:
    table = _table_of(cell)
    if not table:
        return
    values: tuple[Value, ...] = cell.values
    columns = _columns(writer, table)[: len(values)]
    if table == "outbox":
        values = (cell.row, *values[1:])
    if len(columns) < len(values):
        return  # of a later version, which is refused elsewhere
    names, marks = ", ".join(columns), ", ".join("?" * len(values))
    sql = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of ours
    writer.execute(sql, values)
    if cell.is_edge and table == "recipient":
        writer.execute("INSERT OR IGNORE INTO edge VALUES (?)", (values[0],))


def _columns(writer: apsw.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in writer.execute(f"PRAGMA table_info({table})")]


def _table_of(cell: Cell) -> str:
    """Return the table that a row belongs to; empty when it is none that is wanted."""
    types = tuple(type(value) for value in cell.values)
    has_id = bool(types) and isinstance(cell.values[0], str) and is_ulid(cell.values[0])
    table = ""
    if cell.is_table:
        if types[1:] == (int, str, str, bytes):
            table = "outbox"
        elif has_id and types == (str, bytes):
            table = "body"
    elif has_id:
        if len(types) >= MESSAGE_COLUMNS_MIN:
            table = "message"
        elif len(types) >= RECIPIENT_COLUMNS_MIN and types[:3] == (str, int, str):
            table = "recipient"
        elif types == (str, int, bytes, int):
            table = "copy"
        elif types == (str, str, int):
            table = "release"
    return table
