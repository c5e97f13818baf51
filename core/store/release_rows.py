"""How are releases read from their rows and moved on?

Touches the database, in the transaction of whoever asks.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, select, update

from common.identity import ShardIdentity
from core.quarantine.assignment import Release, ReleaseState, refusal
from core.quarantine.cases import CaseState, KeptCase
from core.store import case_rows, incarnations, tables

_FIELDS = tuple(one.name for one in fields(Release))


def as_release(row: Row[Any]) -> Release:
    """Return the release of a row."""
    values = {name: getattr(row, name) for name in _FIELDS}
    values["state"] = ReleaseState(row.state)
    values["recipients"] = tuple(json.loads(row.recipients))
    return Release(**values)


def find(connection: Connection, release_id: str, *, locks: bool = True) -> Release | None:
    """Return one release, locked on a server until the transaction ends; not for who only reads."""
    table = tables.release
    query = select(table).where(table.c.id == release_id)
    row = connection.execute(query.with_for_update() if locks else query).first()
    return as_release(row) if row is not None else None


def get(connection: Connection, release_id: str) -> Release:
    """Return a release that exists."""
    release = find(connection, release_id)
    assert release is not None
    return release


def of_case(connection: Connection, message_id: str) -> list[Release]:
    """Return every release of a quarantined message, the oldest first."""
    table = tables.release
    query = (
        select(table)
        .where(table.c.message_id == message_id)
        .order_by(table.c.requested_us, table.c.id)
    )
    return [as_release(row) for row in connection.execute(query)]


def change(connection: Connection, release_id: str, **values: Any) -> None:
    """Write columns of a release."""
    table = tables.release
    connection.execute(update(table).where(table.c.id == release_id).values(**values))


def finish(
    connection: Connection,
    identity: ShardIdentity,
    release_id: str,
    *,
    released_as: str,
    now_us: int,
) -> str:
    """Mark a release done, since its shard has the message in its spool; return a flaw, or "".

    Args:
        connection: the transaction that takes in the shard's ``released`` record.
        identity: whose record it is; only the one that claimed the release can end it, or a life
            that has all that this one had, and so its record.
        release_id: what the record says.
        released_as: the new message.
        now_us: microseconds since the epoch, UTC.
    """
    release = find(connection, release_id)
    incarnation = identity.incarnation
    if (
        release is not None
        and release.place == identity.place
        and incarnations.has_what(connection, identity, release.incarnation)
    ):
        incarnation = release.incarnation
    reason = refusal(release, place=identity.place, incarnation=incarnation)
    if release is None or reason:
        return reason
    if release.state is ReleaseState.WAITING:
        return "it was never claimed"
    if release.state is ReleaseState.DONE:
        return ""
    change(
        connection,
        release_id,
        state=str(ReleaseState.DONE),
        done_us=now_us,
        released_as=released_as,
    )
    case = case_rows.find(connection, release.message_id)
    if case is not None and case.state is CaseState.RELEASING:
        case_rows.set_state(connection, case.message_id, state_of_case(connection, case))
    return ""


def state_of_case(connection: Connection, case: KeptCase) -> CaseState:
    """Return where a case is whose body is here, going by its releases."""
    everybody = case.told.recipients
    releases = of_case(connection, case.message_id)
    if any(release.state is not ReleaseState.DONE for release in releases):
        return CaseState.RELEASING
    who = {address for release in releases for address in release.delivers_to(everybody)}
    return CaseState.RELEASED if who.issuperset(everybody) else CaseState.HELD
