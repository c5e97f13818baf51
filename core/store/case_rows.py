"""How are quarantined messages read from their rows and put back?

Touches the database, in the transaction of whoever asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from common.address import domain_of, fold
from common.identity import ShardIdentity
from core.quarantine.cases import Case, CaseFields, CaseState, UnknownCase
from core.records.bounds import (
    LABEL_LENGTH_MAX,
    NAME_LENGTH_MAX,
    TIME_US_MAX,
    storable,
    whole_number,
)
from core.store import tables


def find(connection: Connection, message_id: str) -> Case | None:
    """Return one case, locked on a server until the transaction ends."""
    table = tables.quarantine_case
    query = select(table).where(table.c.message_id == message_id).with_for_update()
    row = connection.execute(query).first()
    return as_case(row) if row is not None else None


def get(connection: Connection, message_id: str) -> Case:
    """Return one case.

    Raises:
        UnknownCase: there is none.
    """
    case = find(connection, message_id)
    if case is None:
        raise UnknownCase(message_id)
    return case


def as_case(row: Row[Any]) -> Case:
    """Return the case of a row."""
    return Case(
        told=CaseFields(
            message_id=row.message_id,
            quarantined_us=row.quarantined_us,
            sender=row.sender,
            recipients=tuple(json.loads(row.recipients)),
            reason=row.reason,
            detail=row.detail,
            sha256=row.sha256,
            size=row.size,
            subject=row.subject,
            client_address=row.client_address,
            head=row.head,
            skip=row.skip,
            smtputf8=row.smtputf8,
            eight_bit=row.eight_bit,
        ),
        node=row.node,
        shard=row.shard,
        incarnation=row.incarnation,
        state=CaseState(row.state),
        held_us=row.held_us,
        deleted_us=row.deleted_us,
        deleted_by=row.deleted_by,
    )


def tidy(told: CaseFields) -> CaseFields:
    """Return what a satellite said, with every text such that it can be stored."""
    return CaseFields(
        message_id=told.message_id,
        quarantined_us=whole_number(told.quarantined_us, highest=TIME_US_MAX),
        sender=storable(told.sender, length_max=NAME_LENGTH_MAX),
        recipients=tuple(storable(r, length_max=NAME_LENGTH_MAX) for r in told.recipients),
        reason=storable(told.reason, length_max=LABEL_LENGTH_MAX),
        detail=storable(told.detail),
        sha256=told.sha256,
        size=told.size,
        subject=storable(told.subject),
        client_address=storable(told.client_address, length_max=LABEL_LENGTH_MAX),
        head=told.head,
        skip=told.skip,
        smtputf8=told.smtputf8,
        eight_bit=told.eight_bit,
    )


def put(
    connection: Connection,
    identity: ShardIdentity,
    told: CaseFields,
    *,
    customer_of: Callable[[str], str],
) -> None:
    """Write a case that is arriving, in place of what was said of it before."""
    for table in (tables.quarantine_case, tables.case_recipient):
        connection.execute(delete(table).where(table.c.message_id == told.message_id))
    connection.execute(
        insert(tables.quarantine_case).values(
            message_id=told.message_id,
            node=identity.node,
            shard=identity.shard,
            incarnation=identity.incarnation,
            state=str(CaseState.ARRIVING),
            quarantined_us=told.quarantined_us,
            sender=told.sender,
            recipients=json.dumps(told.recipients),
            reason=told.reason,
            detail=told.detail,
            sha256=told.sha256,
            size=told.size,
            subject=told.subject,
            client_address=told.client_address,
            head=told.head,
            skip=told.skip,
            smtputf8=told.smtputf8,
            eight_bit=told.eight_bit,
            held_us=0,
            deleted_us=0,
            deleted_by="",
        )
    )
    connection.execute(insert(tables.case_recipient), _recipients(told, customer_of))


def _recipients(told: CaseFields, customer_of: Callable[[str], str]) -> list[dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for address in told.recipients:
        folded, domain = fold(address), domain_of(address)
        rows[folded] = {
            "message_id": told.message_id,
            "folded": folded,
            "domain": domain,
            "customer": customer_of(domain),
        }
    return list(rows.values())


def set_state(connection: Connection, message_id: str, state: CaseState, **values: Any) -> None:
    """Move a case; whoever calls has asked the table of states."""
    table = tables.quarantine_case
    connection.execute(
        update(table).where(table.c.message_id == message_id).values(state=str(state), **values)
    )
