"""What can still be read of a damaged database, and what cannot?

Touches the set-aside file, which it only reads. A table is read forwards and backwards until a page
does not hold; what lies between is asked for key by key, with the keys that other tables, their
indexes and the body files name; and where no tree leads there, all pages are looked at.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apsw

from satellite.spool.disk.pages import PAGE_BYTES, Pages
from satellite.spool.disk.schema import close, open_writer
from satellite.spool.mending.orphan_rows import orphan_rows

Row = dict[str, Any]

# Where ids of messages stand: (table, column, how it is ordered).
_NAMED = (
    ("message", "id", "id"),
    ("recipient", "message", "message, number"),
    ("copy", "message", "message, number"),
    ("body", "message", "message"),
    ("outbox", "message", "sequence"),
)


class Wreck:
    """A damaged database.

    Args:
        path: the set-aside file, with its write-ahead log beside it.
        scratch: where a copy may be made; a file name that is free.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        self._path = path
        self._scratch = scratch
        self._connection = _opened(path)
        self._loose: apsw.Connection | None = None  # made when a tree does not hold
        if not self._ask(self._connection, "SELECT name FROM sqlite_schema")[0]:
            close(self._connection)
            self._connection = _opened(_with_a_new_first_page(path, scratch))

    def close(self) -> None:
        """Let go of the file."""
        close(self._connection)
        if self._loose is not None:
            close(self._loose)
        for path in (self._scratch, self._loose_path):
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)

    def ids(self) -> set[str]:
        """Return the ids of messages that are named anywhere."""
        return self._ids(_NAMED)

    def ids_with_rows(self) -> set[str]:
        """Return the ids of messages that have not ended: something of them is in a table."""
        return self._ids(_NAMED[:-1])

    def _ids(self, named: Iterable[tuple[str, str, str]]) -> set[str]:
        return {
            value
            for table, column, order in named
            for row in self.table(table, order, columns=column)
            if isinstance(value := row[column], str) and value
        }

    def table(self, table: str, order: str, *, columns: str = "*") -> list[Row]:
        """Return the rows that can be read; some of them perhaps twice.

        Those before the first page that does not hold, those after the last, and those that are
        found without the tree.
        """
        sql = f"SELECT {columns} FROM {table} ORDER BY {order}"  # noqa: S608 - names of ours
        found, is_whole = self._ask(self._connection, sql)
        if not is_whole:
            backwards = ", ".join(f"{column} DESC" for column in order.split(", "))
            reverse = f"SELECT {columns} FROM {table} ORDER BY {backwards}"  # noqa: S608
            found += reversed(self._ask(self._connection, reverse)[0])
            found += self._ask(self._without_trees(), sql)[0]
        return found

    def is_whole(self, table: str) -> bool:
        """Say whether each row of a table can be read."""
        return self._ask(self._connection, f"SELECT * FROM {table}")[1]  # noqa: S608

    def one(self, sql: str, *values: object) -> Row | None:
        """Return the first row, or None when there is none or it cannot be read."""
        rows, is_whole = self._ask(self._connection, sql, values)
        if not rows and not is_whole:
            rows, _ = self._ask(self._without_trees(), sql, values)
        return rows[0] if rows else None

    def of_message(self, table: str, message: str) -> tuple[list[Row], bool]:
        """Return a message's rows of ``recipient`` or ``copy``, and whether they are all."""
        every = f"SELECT * FROM {table} WHERE message=? ORDER BY number"  # noqa: S608
        found, is_whole = self._ask(self._connection, every, (message,))
        if is_whole:
            return found, True
        loose, _ = self._ask(self._without_trees(), every, (message,))
        by_number = {row["number"]: row for row in (*found, *loose)}
        edge, _ = self._ask(self._without_trees(), "SELECT 1 FROM edge WHERE message=?", (message,))
        return [by_number[number] for number in sorted(by_number)], bool(loose) and not edge

    def records(self) -> Iterator[Row]:
        """Yield the records of the outbox that can be read, in order."""
        known = [row["sequence"] for row in self.table("outbox", "sequence", columns="sequence")]
        if not known:
            return
        for sequence in range(min(known), max(known) + 1):
            row = self.one("SELECT * FROM outbox WHERE sequence=?", sequence)
            if row is not None:
                yield row

    @property
    def _loose_path(self) -> Path:
        return self._scratch.with_name(f"{self._scratch.name}.loose")

    def _without_trees(self) -> apsw.Connection:
        if self._loose is None:
            self._loose = orphan_rows(self._path, self._loose_path)
        return self._loose

    @staticmethod
    def _ask(
        connection: apsw.Connection, sql: str, values: tuple[object, ...] = ()
    ) -> tuple[list[Row], bool]:
        found: list[Row] = []
        try:
            cursor = connection.cursor()
            for row in cursor.execute(sql, values):
                found.append(_named(cursor, row))
        except apsw.Error:
            return found, False
        return found, True


def _has_pointers(path: Path) -> bool:
    with path.open("rb") as file:
        return Pages(memoryview(file.read(2 * PAGE_BYTES))).has_pointers


def _named(cursor: apsw.Cursor, row: tuple[Any, ...]) -> Row:
    return dict(zip((name for name, _ in cursor.get_description()), row, strict=True))


def _opened(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    # A file that was cut short is read as far as it goes.
    connection.config(apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1)
    return connection


def _with_a_new_first_page(path: Path, scratch: Path) -> Path:
    """Copy a database whose first page does not hold, with the first page of a new one.

    The tables of every new spool begin at the same pages, and after it was written anew; those of
    a spool of the first versions at others.
    """
    close(open_writer(scratch, is_incremental=_has_pointers(path)))
    page = bytearray(scratch.read_bytes()[:PAGE_BYTES])
    scratch.unlink()
    page[28:32] = (path.stat().st_size // PAGE_BYTES).to_bytes(4, "big")  # size of the file
    page[32:40] = bytes(8)  # no list of free pages: nothing is written
    shutil.copyfile(path, scratch)
    with scratch.open("r+b") as file:
        file.write(page)
    log = path.with_name(path.name + "-wal")
    if log.exists():
        shutil.copyfile(log, scratch.with_name(scratch.name + "-wal"))
    return scratch
