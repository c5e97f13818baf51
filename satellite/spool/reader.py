"""Which database connection reads what is committed?

Touches a connection that only reads, so that reads never wait for a COMMIT in its thread. What may
look at very many rows is read by another one, in a thread, while the event loop goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from satellite.spool.disk.rows import Select
from satellite.spool.disk.schema import close, open_reader
from satellite.spool.disk.sqlite_failures import Ailment, ailment_of, failure_of

T = TypeVar("T")


class Reader:
    """The reading connection.

    Args:
        path: the database.
        on_damage: told what was met, when the file is damaged.
    """

    def __init__(self, path: Path, *, on_damage: Callable[[str], None]) -> None:
        self._path = path
        self._on_damage = on_damage
        self._connection = open_reader(path)

    def select(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Run one SELECT and return its rows; none of them is left for later.

        A statement that is left open would keep the write-ahead log from being emptied.

        Raises:
            EnvironmentFailure: the file could not be read; ``on_damage`` was told if it is damaged.
        """
        try:
            return self._connection.execute(sql, values).fetchall()
        except apsw.Error as error:
            raise self._failed(error) from error

    async def apart(self, question: Callable[[Select], T]) -> T:
        """Return the answer to a question that may take long, found in a thread of its own.

        Its connection is closed with it: the memory that a look at all rows takes is not kept.

        Args:
            question: gets what runs a SELECT.

        Raises:
            EnvironmentFailure: as for ``select``.
        """
        try:
            return await asyncio.to_thread(_asked, self._path, question)
        except apsw.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: apsw.Error) -> Exception:
        failure = failure_of(error)
        if ailment_of(error) is Ailment.DAMAGED:
            self._on_damage(failure.what)
        return failure

    def close(self) -> None:
        """Let go of the file."""
        close(self._connection)


def _asked(path: Path, question: Callable[[Select], T]) -> T:
    connection = open_reader(path)
    try:
        return question(lambda sql, values: connection.execute(sql, values).fetchall())
    finally:
        close(connection)
