"""How is counted what engines said, and what do the counts come to?

Touches the database. The counts grow in the transaction that takes the records, so that a record
counts once however often it is sent. There is a row for each day, node, engine and outcome, not for
each message: years of them are read in a moment. Days that are over for long are deleted whole.

Names come from satellites. Of one node's day so many are counted by themselves, and the rest
together: whoever has taken over a node fills no disk, and hides nobody else's figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    select,
)

from core.records.look_report import CountedLooks, LookGroup, filters_of, report
from core.records.looks import OF_A_FILTER, OTHERS, UNNAMED, LookCounts
from core.records.reports import DAY_US, EVER_US, TOP_MAX
from core.store import tables
from core.store.bulk import Bulk, adding

NAMES_MAX = 32  # engines and filters of one node's day
THREATS_MAX = 200  # that one engine alone found, of one node's day
GROUPS_MAX = 10_000  # in one answer


def _of_a_day(table: Table, *names: str) -> Select[Any]:
    """Return what is asked of a node's day with every batch, and so made once."""
    columns = [table.c[name] for name in names]
    return select(*columns).where(
        table.c.day == bindparam("day"), table.c.node == bindparam("node")
    )


_add_answers = adding(tables.look_answer, "looks")
_add_times = adding(tables.look_time, "looks")
_add_pairs = adding(tables.look_pair, "messages")
_add_alone = adding(tables.look_alone, "messages")

_ENGINES = _of_a_day(tables.look_answer, "engine").distinct()
_THREATS = _of_a_day(tables.look_alone, "engine", "threat")

T = TypeVar("T")


def add(connection: Connection, node: str, counts: LookCounts) -> None:
    """Add what a batch of a node's records counts, in the transaction that takes them."""
    if not counts.answers:
        return
    named = _Names(connection, node, counts)
    answers, times, pairs, alone = (Counter[tuple[Any, ...]]() for _ in range(4))
    for (day, engine, outcome), looks in counts.answers.items():
        answers[day, node, named.engine(day, engine), outcome] += looks
    for (day, engine, bucket), looks in counts.times.items():
        times[day, node, named.engine(day, engine), bucket] += looks
    for (day, finder, other, said), messages in counts.pairs.items():
        pair = named.engine(day, finder), named.engine(day, other)
        if finder == other or OTHERS not in pair:  # of several together nobody can agree
            pairs[day, node, *pair, said] += messages
    for (day, engine, threat), messages in counts.alone.items():
        alone[day, node, named.engine(day, engine), named.threat(day, engine, threat)] += messages
    _run(connection, _add_answers, answers)
    _run(connection, _add_times, times)
    _run(connection, _add_pairs, pairs)
    _run(connection, _add_alone, alone)


def _run(connection: Connection, adds: Bulk, counter: Counter[tuple[Any, ...]]) -> None:
    adds.run(connection, [(*key, count) for key, count in sorted(counter.items())])


class _Names:
    """Which names of a batch are counted by themselves."""

    def __init__(self, connection: Connection, node: str, counts: LookCounts) -> None:
        wanted: dict[int, list[str]] = {}
        for day, engine, _ in counts.answers:
            wanted.setdefault(day, []).append(engine)
        self._engines: dict[int, set[str]] = {}
        for day, names in wanted.items():
            known = set(connection.scalars(_ENGINES, {"day": day, "node": node}))
            self._engines[day] = _admitted(known, names, NAMES_MAX)
        found: dict[int, list[tuple[str, str]]] = {}
        for day, engine, threat in counts.alone:
            found.setdefault(day, []).append((self.engine(day, engine), threat))
        self._threats: dict[int, set[tuple[str, str]]] = {}
        for day, threats in found.items():
            rows = connection.execute(_THREATS, {"day": day, "node": node})
            self._threats[day] = _admitted({(row[0], row[1]) for row in rows}, threats, THREATS_MAX)

    def engine(self, day: int, name: str) -> str:
        return name if name in self._engines[day] else OTHERS

    def threat(self, day: int, engine: str, name: str) -> str:
        return name if (self.engine(day, engine), name) in self._threats[day] else UNNAMED


def _admitted(known: set[T], wanted: Iterable[T], limit: int) -> set[T]:
    """Return what is known, and of what is wanted as much as there is room for, the first first."""
    for one in wanted:
        if len(known) < limit:
            known.add(one)
    return known


def forget(connection: Connection, *, before: int) -> int:
    """Delete the counts of one node's day before this one, in days since the epoch.

    Returns: how many rows that were; 0: there is no such day.
    """
    every = (tables.look_answer, tables.look_time, tables.look_pair, tables.look_alone)
    for table in every:
        oldest = select(table.c.day, table.c.node).where(table.c.day < before)
        found = connection.execute(oldest.order_by(table.c.day, table.c.node).limit(1)).first()
        if found is not None:
            return sum([_forget_day(connection, one, *found) for one in every])
    return 0


def _forget_day(connection: Connection, table: Table, day: int, node: str) -> int:
    that_day = and_(table.c.day == day, table.c.node == node)
    return connection.execute(delete(table).where(that_day)).rowcount


def look_report(
    connection: Connection,
    by: LookGroup,
    *,
    sites: Mapping[str, str],
    site: str | None,
    since_us: int,
    until_us: int,
    limit: int,
) -> dict[str, Any]:
    """Return what engines found, how fast they were and how often they kept silent.

    Args:
        connection: where it is read.
        by: what the groups are.
        sites: the site of each node; one that is not there is its own.
        site: of this one alone; None: of all.
        since_us, until_us: counted is each day that has a part in this time.
        limit: at most so many groups.
    """
    first, end = since_us // DAY_US, -(-until_us // DAY_US)
    nodes = None if site is None else [node for node, where in sites.items() if where == site]
    if nodes is not None and site is not None and site not in sites:
        nodes.append(site)
    reading = _Reading(connection, first, end, nodes)
    counted = reading.counted(by)
    filters, failed = filters_of(counted.answers)
    return report(
        counted,
        by,
        since_us=first * DAY_US,
        until_us=min(end * DAY_US, EVER_US),
        filters=filters | _scored_ever(connection, failed),
        sites=sites,
        limit=max(0, min(limit, GROUPS_MAX)),
    )


class _Reading:
    """The questions about some days, and some nodes or all."""

    def __init__(
        self, connection: Connection, first: int, end: int, nodes: list[str] | None
    ) -> None:
        self._connection = connection
        self._days = (first, end)
        self._nodes = nodes

    def counted(self, by: LookGroup) -> CountedLooks:
        """Return all that the report is made of."""
        answer, time = tables.look_answer, tables.look_time
        pair, alone = tables.look_pair, tables.look_alone
        key = "day" if by is LookGroup.DAY else "node"
        messages = func.sum(alone.c.messages).label("messages")
        top = (
            select(alone.c.engine, alone.c.threat, messages)
            .where(self._is_asked_for(alone))
            .group_by(alone.c.engine, alone.c.threat)
            .order_by(messages.desc(), alone.c.threat, alone.c.engine)
            .limit(TOP_MAX)
        )
        return CountedLooks(
            answers=self._sums(answer, (key, "engine", "outcome"), "looks"),
            times=self._sums(time, (key, "engine", "bucket"), "looks"),
            pairs=self._sums(pair, (key, "finder", "other", "said"), "messages"),
            alone=[(engine, threat, int(n)) for engine, threat, n in self._connection.execute(top)],
            first_day=self._connection.scalar(select(func.min(answer.c.day))),
        )

    def _sums(self, table: Table, names: tuple[str, ...], counter: str) -> list[tuple[Any, ...]]:
        columns = [table.c[name] for name in names]
        query = (
            select(*columns, func.sum(table.c[counter]))
            .where(self._is_asked_for(table))
            .group_by(*columns)
        )
        return [(*key, int(count)) for *key, count in self._connection.execute(query)]

    def _is_asked_for(self, table: Table) -> ColumnElement[bool]:
        first, end = self._days
        is_then = and_(table.c.day >= first, table.c.day < end)
        return is_then if self._nodes is None else and_(is_then, table.c.node.in_(self._nodes))


def _scored_ever(connection: Connection, names: set[str]) -> set[str]:
    """Return the names that were filters at any time; asked of those that only failed."""
    if not names:
        return set()
    table = tables.look_answer
    query = (
        select(table.c.engine)
        .distinct()
        .where(table.c.engine.in_(sorted(names)), table.c.outcome == OF_A_FILTER)
    )
    return set(connection.scalars(query))
