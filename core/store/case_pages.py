"""Which quarantined messages stand on a page?

Touches the database; only reads. Each state has its own part of an index, in the order of the page:
a page reads as many entries as it shows, however many cases there are of its customer or in other
states. Only what two filters ask together is looked for along the narrower one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, select, tuple_, union_all

from core.quarantine.cases import CaseState, KeptCase
from core.store import case_rows, tables
from core.store.message_rows import in_parts

CASES_MAX = 1_000  # in one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases are asked for; what is None does not matter."""

    state: CaseState | None = None
    customer: str | None = None
    domain: str | None = None  # in A-labels, lower case
    recipient: str | None = None  # folded
    node: str | None = None
    before: tuple[int, str] | None = None  # (quarantined_us, message_id) of the last one shown

    @property
    def of_recipients(self) -> list[tuple[str, str]]:
        """What is asked of a recipient, column and value, the narrowest first."""
        asked = (
            ("folded", self.recipient),
            ("domain", self.domain),
            ("customer", self.customer),
        )
        return [(column, value) for column, value in asked if value is not None]


def page(connection: Connection, wanted: CaseFilter, *, limit: int) -> list[KeptCase]:
    """Return cases, the newest first."""
    ids = list(connection.scalars(_ids(wanted, max(0, min(limit, CASES_MAX)))))
    table = tables.quarantine_case
    found: dict[str, KeptCase] = {}
    for part in in_parts(ids):
        for row in connection.execute(select(table).where(table.c.message_id.in_(part))):
            found[row.message_id] = case_rows.as_case(row)
    return [found[one] for one in ids if one in found]


def _ids(wanted: CaseFilter, limit: int) -> Select[Any]:
    table, conditions = _narrowest(wanted)
    if wanted.before is not None:
        place = tuple_(table.c.quarantined_us, table.c.message_id)
        conditions.append(place < tuple_(*wanted.before))
    states: tuple[CaseState | None, ...] = (wanted.state,)
    if wanted.state is None and (wanted.of_recipients or wanted.node is not None):
        states = tuple(CaseState)
    parts = [_part(table, conditions, state, limit) for state in states]
    found = union_all(*(select(part.subquery()) for part in parts)).subquery()
    return (
        select(found.c.message_id)
        .order_by(found.c.quarantined_us.desc(), found.c.message_id.desc())
        .limit(limit)
    )


def _part(
    table: Any, conditions: list[ColumnElement[bool]], state: CaseState | None, limit: int
) -> Select[Any]:
    # Distinct: several recipients of one case may be of the same domain.
    query = select(table.c.quarantined_us, table.c.message_id).distinct().where(*conditions)
    if state is not None:
        query = query.where(table.c.state == str(state))
    return query.order_by(table.c.quarantined_us.desc(), table.c.message_id.desc()).limit(limit)


def _narrowest(wanted: CaseFilter) -> tuple[Any, list[ColumnElement[bool]]]:
    """Return the table that leads to the cases, and what is asked of its rows."""
    table = tables.quarantine_case
    if not wanted.of_recipients:
        return table, [] if wanted.node is None else [table.c.node == wanted.node]
    of, other = tables.case_recipient, tables.case_recipient.alias("other")
    (first, value), *others = wanted.of_recipients
    conditions = [of.c[first] == value]
    # No index may be thought of for these: the case is known.
    conditions += [
        exists().where(other.c.message_id == of.c.message_id, other.c[name].concat("") == asked)
        for name, asked in others
    ]
    if wanted.node is not None:
        its_case = table.c.message_id == of.c.message_id
        conditions.append(exists().where(its_case, table.c.node.concat("") == wanted.node))
    return of, conditions
