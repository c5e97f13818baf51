"""How many are there of what?

Touches the database; only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from sqlalchemy import ColumnElement, Connection, func, select

from core.records.reports import DAY_US, TOP_MAX, Counted, Report, ReportGroup, grouped
from core.store import tables

GROUPS_MAX = 100_000  # in one answer


def report(
    connection: Connection,
    by: ReportGroup,
    *,
    sites: Mapping[str, str],
    since_us: int,
    until_us: int,
    limit: int,
) -> Report:
    """Return how mail that was received in a time ended."""
    groups, totals = grouped(
        _counted(connection, _key(by), since_us, until_us),
        by,
        sites=sites,
        limit=max(0, min(limit, GROUPS_MAX)),
    )
    return Report(
        by=by,
        since_us=since_us,
        until_us=until_us,
        groups=groups,
        totals=totals,
        threats=_threats(connection, since_us, until_us),
        senders=_senders(connection, since_us, until_us),
    )


def _key(by: ReportGroup) -> ColumnElement[Any]:
    table = tables.recipient
    match by:
        case ReportGroup.DAY:
            return table.c.received_us // DAY_US
        case ReportGroup.SITE:
            return table.c.node
        case ReportGroup.CUSTOMER:
            return table.c.customer
        case ReportGroup.DOMAIN:
            return table.c.domain
        case _:
            assert_never(by)


def _counted(
    connection: Connection, key: ColumnElement[Any], since_us: int, until_us: int
) -> Iterable[Counted]:
    table = tables.recipient
    name = key.label("name")
    query = (
        select(name, table.c.state, table.c.origin, func.count().label("recipients"))
        .where(table.c.received_us >= since_us, table.c.received_us < until_us)
        .group_by(name, table.c.state, table.c.origin)
    )
    for row in connection.execute(query):
        yield Counted(key=row.name, state=row.state, origin=row.origin, recipients=row.recipients)


def _threats(
    connection: Connection, since_us: int, until_us: int
) -> tuple[tuple[str, str, int], ...]:
    table = tables.threat
    messages = func.count().label("messages")
    query = (
        select(table.c.name, table.c.engine, messages)
        .where(table.c.received_us >= since_us, table.c.received_us < until_us)
        .group_by(table.c.name, table.c.engine)
        .order_by(messages.desc(), table.c.name, table.c.engine)
        .limit(TOP_MAX)
    )
    return tuple((row.name, row.engine, row.messages) for row in connection.execute(query))


def _senders(connection: Connection, since_us: int, until_us: int) -> tuple[tuple[str, int], ...]:
    table = tables.message
    messages = func.count().label("messages")
    query = (
        select(table.c.sender_folded, messages)
        .where(
            table.c.received_us >= since_us,
            table.c.received_us < until_us,
            table.c.sender_folded != "",
            table.c.origin.not_in(("release", "bounce")),
        )
        .group_by(table.c.sender_folded)
        .order_by(messages.desc(), table.c.sender_folded)
        .limit(TOP_MAX)
    )
    return tuple((row.sender_folded, row.messages) for row in connection.execute(query))
