"""Which database connection reads what is committed?

Touches a connection that only reads, so that reads never wait for a COMMIT in its thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from satellite.spool.disk.schema import close, open_reader
from satellite.spool.disk.sqlite_failures import Ailment, ailment_of, failure_of


class Reader:
    """The reading connection.

    Args:
        path: the database.
        on_damage: told what was met, when the file is damaged.
    """

    def __init__(self, path: Path, *, on_damage: Callable[[str], None]) -> None:
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
            failure = failure_of(error)
            if ailment_of(error) is Ailment.DAMAGED:
                self._on_damage(failure.what)
            raise failure from error

    def close(self) -> None:
        """Let go of the file."""
        close(self._connection)
