"""What was refused, to whom, and how often?

Touches the database. A refusal is kept as its record; the rows here are the ways in, and each
question reads by an index.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from sqlalchemy import Connection, Select, and_, func, select, union

from common.identity import ShardIdentity
from common.records import RefusedRecord
from core.records.refusals import RefusalReport, addresses_of, believed_refusals, clients_like
from core.records.reports import TOP_MAX
from core.records.search import FoundRecord, What, event_json, iso_time, parse_query
from core.store import tables
from core.store.bulk import inserting

REFUSALS_MAX = 1_000  # in one answer
REASONS_MAX = 1_000  # some hundred words of ours, and what a satellite makes of them

_insert_refusals = inserting(tables.refusal)
_insert_addresses = inserting(tables.refused_address)
_PLACE = ("node", "shard", "incarnation", "sequence")

Told = tuple[int, int, RefusedRecord]  # sequence, time, what it says


def insert(connection: Connection, identity: ShardIdentity, told: Iterable[Told]) -> None:
    """Write the ways to some refusals, in the transaction that takes their records."""
    rows: list[tuple[Any, ...]] = []
    addresses: list[tuple[Any, ...]] = []
    for sequence, time_us, record in told:
        place = (identity.node, identity.shard, identity.incarnation, sequence)
        rows.append(
            (
                *place,
                time_us,
                record.client,
                record.command,
                record.reason,
                believed_refusals(record),
            )
        )
        addresses += [(*place, one.folded, one.domain, time_us) for one in addresses_of(record)]
    _insert_refusals.run(connection, rows)
    _insert_addresses.run(connection, addresses)


def found(connection: Connection, text: str, *, limit: int) -> list[dict[str, Any]]:
    """Return the refusals of a client, an address or a domain, the newest first."""
    places = _places(text)
    if not places:
        return []
    most = max(0, min(limit, REFUSALS_MAX))
    found = union(*(select(one.limit(most).subquery()) for one in places)).subquery()
    newest = select(found).order_by(found.c.time_us.desc()).limit(most).subquery()
    table = tables.log_record
    query = (
        select(table)
        .join(newest, and_(*(table.c[name] == newest.c[name] for name in _PLACE)))
        .order_by(newest.c.time_us.desc(), table.c.sequence.desc())
    )
    return [
        {"time": iso_time(row.time_us), "node": row.node, "shard": row.shard}
        | event_json(
            FoundRecord(time_us=row.time_us, event=row.event, fields=row.fields, flaw=row.flaw)
        )
        for row in connection.execute(query)
    ]


def _places(text: str) -> list[Select[Any]]:
    """Return where refusals are looked for: in one index at each place, the newest first."""
    query = parse_query(text)
    if query is None:
        return []
    refusal, address = tables.refusal, tables.refused_address
    match query.what:
        case What.CLIENT:
            return [_newest(refusal, refusal.c.client == one) for one in clients_like(query.value)]
        case What.ADDRESS:
            return [_newest(address, address.c.folded == query.value)]
        case What.DOMAIN:
            return [_newest(address, address.c.domain == query.value)]
        case What.MESSAGE | What.MESSAGE_ID:
            return []  # nothing was taken that could have one
        case _:
            assert_never(query.what)


def _newest(table: Any, condition: Any) -> Select[Any]:
    columns = [table.c[name] for name in (*_PLACE, "time_us")]
    return select(*columns).where(condition).distinct().order_by(table.c.time_us.desc())


def report(connection: Connection, *, since_us: int, until_us: int) -> RefusalReport:
    """Return how much was refused in a time, for which reasons and of whom most."""
    table = tables.refusal
    count = func.sum(table.c.refusals).label("count")
    is_then = and_(table.c.time_us >= since_us, table.c.time_us < until_us)
    reasons = connection.execute(
        select(table.c.reason, table.c.command, count)
        .where(is_then)
        .group_by(table.c.reason, table.c.command)
        .order_by(count.desc(), table.c.reason, table.c.command)
        .limit(REASONS_MAX)
    ).all()
    clients = connection.execute(
        select(table.c.client, count)
        .where(is_then)
        .group_by(table.c.client)
        .order_by(count.desc(), table.c.client)
        .limit(TOP_MAX)
    ).all()
    return RefusalReport(
        since_us=since_us,
        until_us=until_us,
        refusals=sum([int(row[2]) for row in reasons]),
        reasons=tuple([(row[0], row[1], int(row[2])) for row in reasons]),
        clients=tuple([(row[0], int(row[1])) for row in clients]),
    )
