"""How are messages read from their rows and put back?

Touches the database, in the transaction of whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, select

from core.records.messages import Message, RecipientCopy
from core.store import tables
from core.store.bulk import inserting, updating

KeyT = TypeVar("KeyT")

IDS_IN_A_QUERY = 500  # SQLite takes 32 766 variables, older ones 999

_MESSAGE_FIELDS = (
    "received_us",
    "origin",
    "client",
    "helo",
    "tls",
    "sender",
    "sender_folded",
    "sender_domain",
    "message_id_header",
    "subject",
    "size",
    "sha256",
    "revision",
    "score",
    "released_from",
    "quarantine_reason",
)
# Where a copy belongs, which its first record says, and how far it has come, in no index.
_COPY_PLACE = ("place", "folded", "domain", "customer")
_COPY_STATE = ("state", "disposition", "reason", "attempts", "reply", "next_us", "ended_us")
_COPY_FIELDS = (*_COPY_PLACE, *_COPY_STATE)
_OF_MESSAGE = ("node", "origin", "received_us")  # what a copy's row repeats of its message

_message_values = attrgetter(*_MESSAGE_FIELDS)
_place_values = attrgetter(*_COPY_PLACE)
_state_values = attrgetter(*_COPY_STATE)
_of_message = attrgetter(*_OF_MESSAGE)

_insert_messages = inserting(tables.message)
_update_messages = updating(tables.message, _MESSAGE_FIELDS, key=("id",))
_insert_copies = inserting(tables.recipient)
_place_copies = updating(
    tables.recipient, (*_COPY_PLACE, *_OF_MESSAGE), key=("message_id", "address")
)
_move_copies = updating(tables.recipient, _COPY_STATE, key=("message_id", "address"))
_insert_threats = inserting(tables.threat)

_MESSAGE_COLUMNS = ("id", "node", "shard", *_MESSAGE_FIELDS)
_COPY_COLUMNS = ("address", *_COPY_FIELDS)
_SELECT_MESSAGES = select(*(tables.message.c[name] for name in _MESSAGE_COLUMNS))
_SELECT_COPIES = select(
    tables.recipient.c.message_id, *(tables.recipient.c[name] for name in _COPY_COLUMNS)
).order_by(tables.recipient.c.message_id, tables.recipient.c.place)

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one message as they were read: only what differs is written again."""

    message: Values
    places: Mapping[str, Values]  # by the copy's address
    states: Mapping[str, Values]


def rows_of(message: Message) -> Rows:
    """Return the rows that hold a message as it is now."""
    of_message = _of_message(message)
    copies = message.copies.values()
    return Rows(
        _message_values(message),
        {copy.address: (*_place_values(copy), *of_message) for copy in copies},
        {copy.address: _state_values(copy) for copy in copies},
    )


def in_parts(ids: Sequence[KeyT]) -> Iterator[Sequence[KeyT]]:
    """Return ids, or other keys, in parts that one query can hold."""
    for start in range(0, len(ids), IDS_IN_A_QUERY):
        yield ids[start : start + IDS_IN_A_QUERY]


def load(connection: Connection, ids: Sequence[str]) -> dict[str, Message]:
    """Return the messages that exist, by id, with their copies in order."""
    found: dict[str, Message] = {}
    for part in in_parts(ids):
        query = _SELECT_MESSAGES.where(tables.message.c.id.in_(part))
        for row in connection.execute(query):
            found[row[0]] = Message(**dict(zip(_MESSAGE_COLUMNS, row, strict=True)))
    for part in in_parts(list(found)):
        query = _SELECT_COPIES.where(tables.recipient.c.message_id.in_(part))
        for identifier, *values in connection.execute(query):
            copy = RecipientCopy(**dict(zip(_COPY_COLUMNS, values, strict=True)))
            found[identifier].copies[copy.address] = copy
    return found


def save(connection: Connection, messages: Iterable[Message], *, known: Mapping[str, Rows]) -> None:
    """Write messages as they are now.

    Args:
        connection: the transaction.
        messages: those that changed.
        known: the rows of those that have some.
    """
    writes = _Writes()
    for message in messages:
        writes.add(message, known.get(message.id))
    writes.run(connection)


@dataclass(slots=True)
class _Writes:
    """What a batch writes, by statement."""

    new: list[Values] = field(default_factory=list)
    changed: list[Values] = field(default_factory=list)
    new_copies: list[Values] = field(default_factory=list)
    placed: list[Values] = field(default_factory=list)
    moved: list[Values] = field(default_factory=list)
    scanned_again: list[str] = field(default_factory=list)  # ids
    threats: list[Values] = field(default_factory=list)

    def add(self, message: Message, there: Rows | None) -> None:
        """Add what became of one message."""
        values = _message_values(message)
        if there is None:
            self.new.append((message.id, message.node, message.shard, *values))
        elif values != there.message:
            self.changed.append((*values, message.id))
        of_message = _of_message(message)
        for copy in message.copies.values():
            self._add_copy(message.id, copy, of_message, there)
        if message.threats is not None:
            self._add_threats(message, message.threats, is_new=there is None)

    def _add_copy(
        self, identifier: str, copy: RecipientCopy, of_message: Values, there: Rows | None
    ) -> None:
        address, states = copy.address, _state_values(copy)
        place, folded, domain, customer = _place_values(copy)
        if there is None or address not in there.places:
            self.new_copies.append(
                (identifier, address, place, *of_message, folded, domain, customer, *states)
            )
            return
        places = (place, folded, domain, customer, *of_message)
        if places != there.places[address]:
            self.placed.append((*places, identifier, address))
        if states != there.states[address]:
            self.moved.append((*states, identifier, address))

    def _add_threats(
        self, message: Message, threats: Iterable[tuple[str, str]], *, is_new: bool
    ) -> None:
        if not is_new:
            self.scanned_again.append(message.id)
        self.threats += [
            (message.id, engine, name, message.received_us) for engine, name in sorted(threats)
        ]

    def run(self, connection: Connection) -> None:
        """Write it all."""
        _insert_messages.run(connection, self.new)
        _update_messages.run(connection, self.changed)
        _insert_copies.run(connection, self.new_copies)
        _place_copies.run(connection, self.placed)
        _move_copies.run(connection, self.moved)
        for part in in_parts(self.scanned_again):
            table = tables.threat
            connection.execute(delete(table).where(table.c.message_id.in_(part)))
        _insert_threats.run(connection, self.threats)
