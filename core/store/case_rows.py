"""How are quarantined messages read from their rows and put back?

Touches the database, in the transaction of whoever asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from common.address import domain_of, fold
from common.field_kinds import FieldKind, field_kinds
from common.identity import ShardIdentity
from common.link import Case
from common.records.bounds import (
    LABEL_LENGTH_MAX,
    NAME_LENGTH_MAX,
    TIME_US_MAX,
    storable,
    whole_number,
)
from core.quarantine.cases import CaseState, KeptCase, UnknownCase
from core.store import tables


def find(connection: Connection, message_id: str, *, locks: bool = True) -> KeptCase | None:
    """Return one case, locked on a server until the transaction ends; not for who only reads."""
    table = tables.quarantine_case
    query = select(table).where(table.c.message_id == message_id)
    row = connection.execute(query.with_for_update() if locks else query).first()
    return as_case(row) if row is not None else None


def get(connection: Connection, message_id: str) -> KeptCase:
    """Return one case.

    Raises:
        UnknownCase: there is none.
    """
    case = find(connection, message_id)
    if case is None:
        raise UnknownCase(message_id)
    return case


def as_case(row: Row[Any]) -> KeptCase:
    """Return the case of a row."""
    told = {name: getattr(row, name) for name in field_kinds(Case)}
    return KeptCase(
        told=Case(**told | {"recipients": tuple(json.loads(row.recipients))}),
        node=row.node,
        shard=row.shard,
        incarnation=row.incarnation,
        state=CaseState(row.state),
        held_us=row.held_us,
        deleted_us=row.deleted_us,
        deleted_by=row.deleted_by,
    )


def tidy(told: Case) -> Case:
    """Return what a satellite said, with every text such that it can be stored."""
    kinds = field_kinds(Case)
    return Case(**{name: _tidied(kind, getattr(told, name)) for name, kind in kinds.items()})


def _tidied(kind: FieldKind, value: Any) -> Any:
    match kind:
        case FieldKind.TIME:
            return whole_number(value, highest=TIME_US_MAX)
        case FieldKind.ADDRESS:
            return storable(value, length_max=NAME_LENGTH_MAX)
        case FieldKind.ADDRESSES:
            return tuple(storable(one, length_max=NAME_LENGTH_MAX) for one in value)
        case FieldKind.LABEL:
            return storable(value, length_max=LABEL_LENGTH_MAX)
        case FieldKind.SHOWN:
            return storable(value)
        case _:
            return value  # it was checked, and is no text


def put(
    connection: Connection,
    identity: ShardIdentity,
    told: Case,
    *,
    now_us: int,
    customer_of: Callable[[str], str],
) -> None:
    """Write a case that is arriving, in place of what was said of it before."""
    for table in (tables.quarantine_case, tables.case_recipient):
        connection.execute(delete(table).where(table.c.message_id == told.message_id))
    connection.execute(
        insert(tables.quarantine_case).values(
            **{name: getattr(told, name) for name in field_kinds(Case)}
            | {"recipients": json.dumps(told.recipients)},
            node=identity.node,
            shard=identity.shard,
            incarnation=identity.incarnation,
            state=str(CaseState.ARRIVING),
            opened_us=now_us,
            held_us=0,
            deleted_us=0,
            deleted_by="",
        )
    )
    connection.execute(insert(tables.case_recipient), _recipients(told, customer_of))


def _recipients(told: Case, customer_of: Callable[[str], str]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for address in told.recipients:
        folded, domain = fold(address), domain_of(address)
        rows[folded] = {
            "message_id": told.message_id,
            "folded": folded,
            "domain": domain,
            "customer": customer_of(domain),
            "state": str(CaseState.ARRIVING),
            "quarantined_us": told.quarantined_us,
        }
    return list(rows.values())


def set_state(connection: Connection, message_id: str, state: CaseState, **values: Any) -> None:
    """Move a case; whoever calls has asked the table of states."""
    table, of = tables.quarantine_case, tables.case_recipient
    connection.execute(
        update(table).where(table.c.message_id == message_id).values(state=str(state), **values)
    )
    connection.execute(update(of).where(of.c.message_id == message_id).values(state=str(state)))
