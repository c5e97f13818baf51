"""How is one statement run for many rows?

Touches the database, in the transaction of whoever asks. The statement is written as all others
are and compiled once for each kind of database; its rows are tuples that go to the driver as they
are. Rows that are dicts are made into parameters one by one, which took as long as writing them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Table, Update, and_, bindparam, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect


class Bulk:
    """One statement for many rows of one shape.

    Args:
        statement: with one parameter for each value of a row, in their order; or what returns it
            for a kind of database.
    """

    def __init__(self, statement: Insert | Update | Callable[[str], Insert]) -> None:
        self._statement = statement
        self._sql: dict[str, str] = {}  # by the kind of database

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run it for each row."""
        if not rows:
            return
        dialect = connection.dialect
        sql = self._sql.get(dialect.name)
        if sql is None:
            sql = self._sql[dialect.name] = self._compiled(dialect)
        connection.exec_driver_sql(sql, list(rows))

    def _compiled(self, dialect: Dialect) -> str:
        # Both drivers take parameters by position; what they write in their place differs.
        style = "qmark" if dialect.paramstyle == "qmark" else "format"
        kind: Callable[..., Dialect] = type(dialect)
        statement = self._statement
        if not isinstance(statement, Insert | Update):
            statement = statement(dialect.name)
        return str(statement.compile(dialect=kind(paramstyle=style)))


def inserting(table: Table) -> Bulk:
    """Return the INSERT of whole rows: a value for each column, in the table's order."""
    return Bulk(insert(table).values({column.name: bindparam(column.name) for column in table.c}))


def updating(table: Table, columns: Sequence[str], *, key: Sequence[str]) -> Bulk:
    """Return the UPDATE of some columns: a row is their values, then those of its key."""
    return Bulk(
        update(table)
        .where(and_(*(table.c[name] == bindparam(f"of_{name}") for name in key)))
        .ordered_values(*((table.c[name], bindparam(f"new_{name}")) for name in columns))
    )


def adding(table: Table, counter: str) -> Bulk:
    """Return what adds to a counter: a row is its key and what is added; one that is new begins.

    Rows go in sorted by their key, so that two who write never wait for each other in a circle.
    """

    def statement(database: str) -> Insert:
        values: dict[str, Any] = {c.name: bindparam(c.name) for c in table.c}
        key, column = list(table.primary_key), table.c[counter]
        if database == "postgresql":
            new = postgresql.insert(table).values(values)
            return new.on_conflict_do_update(
                index_elements=key, set_={counter: column + new.excluded[counter]}
            )
        row = sqlite.insert(table).values(values)
        return row.on_conflict_do_update(
            index_elements=key, set_={counter: column + row.excluded[counter]}
        )

    return Bulk(statement)
