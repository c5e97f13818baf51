"""What of a damaged database goes into the new one?

Touches both. A message goes over as it is when all of it can be read. One without its body becomes
``damaged``; one without its judgement is scanned again; what else is missing is taken from its
``accepted`` record, if the core does not have that yet. What is lost is named in records of the new
file, which has a new incarnation: its records are numbered anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from common.ids import is_ulid
from common.records import (
    AcceptedRecord,
    DamagedRecord,
    EndedRecord,
    FieldsUnreadable,
    GapRecord,
    JudgedRecord,
    Record,
    SpoolDamagedRecord,
    WaitingRecord,
    read,
    written,
)
from common.states import OUTCOMES, State
from satellite.spool.mending.salvage import Row, Wreck
from satellite.spool.model.states import TABLE

MESSAGES_AT_ONCE = 500  # in one transaction
NAMES_AT_ONCE = 1000  # in one record
NO_BODY = "its body was in a damaged page"
NO_JUDGEMENT = "its judgement was in a damaged page"
_DAMAGEABLE = frozenset(state for state, row in TABLE.items() if State.DAMAGED in row.after)
_JUDGED = frozenset({State.QUEUED, State.DEFERRED, State.HELD, State.FROZEN, State.SENDING})


@dataclass(slots=True)
class Losses:
    """What could not be read; lists of message ids."""

    lost: list[str] = field(default_factory=list)  # messages of which too little is left
    without_body: list[str] = field(default_factory=list)  # now ``damaged``
    scanned_again: list[str] = field(default_factory=list)
    records: int = 0  # of the outbox, between its first and its last
    preferences: bool = False  # the core sends them again


@dataclass(slots=True)
class _Told:
    """What records tell of a message that cannot be read whole."""

    time_us: int = 0
    accepted: AcceptedRecord | None = None
    addresses: list[str] = field(default_factory=list)
    judged: JudgedRecord | None = None
    ended: dict[str, str] = field(default_factory=dict)  # outcomes by address

    @property
    def has_ended(self) -> bool:
        return bool(self.addresses) and self.ended.keys() >= set(self.addresses)

    @property
    def is_quarantined(self) -> bool:
        return State.QUARANTINED in self.ended.values()


class Transplant:
    """One rescue.

    Args:
        wreck: the damaged database.
        writer: the new one.
        bodies: the body folder.
        now_us: the wall clock.
    """

    def __init__(self, wreck: Wreck, writer: apsw.Connection, bodies: Path, *, now_us: int) -> None:
        self._wreck = wreck
        self._writer = writer
        self._files = {path.name for path in bodies.iterdir() if is_ulid(path.name)}
        self._bodies = bodies
        self._losses = Losses()
        self._sequence = 0
        self._now_us = now_us
        self._age_us = 0
        self._whole: set[str] = set()
        self._told: dict[str, _Told] = {}

    def run(self, why: str) -> Losses:
        """Copy everything that can be read, and return what could not."""
        named = self._wreck.ids()
        with self._writer:
            self._meta()
            self._small_tables()
        ids = sorted(named | self._files)
        for start in range(0, len(ids), MESSAGES_AT_ONCE):
            with self._writer:
                for message in ids[start : start + MESSAGES_AT_ONCE]:
                    self._copy_whole(message)
            self._writer.wal_checkpoint()
        with self._writer:
            self._records(why)
            here = self._wreck.ids_with_rows() | self._files
            for message in sorted((here | self._told.keys()) - self._whole):
                self._mend(message, is_here=message in here)
            self._tell(why)
            self._insert("meta", {"name": "age_us", "value": self._age_us})
            self._insert("meta", {"name": "carried", "value": self._sequence})
        return self._losses

    # ---- messages

    def _copy_whole(self, message: str) -> None:
        row = self._wreck.one("SELECT * FROM message WHERE id=?", message)
        recipients, is_whole = self._wreck.of_message("recipient", message)
        numbers = [recipient["number"] for recipient in recipients]
        if row is not None and is_whole and numbers and numbers == list(range(len(numbers))):
            self._put(row, recipients)
            self._whole.add(message)

    def _mend(self, message: str, *, is_here: bool) -> None:
        """Put together what tables, records and files have of a message."""
        told = self._told.get(message, _Told())
        row = self._wreck.one("SELECT * FROM message WHERE id=?", message)
        known, _ = self._wreck.of_message("recipient", message)
        if not is_here and not told.addresses:
            return  # it has ended, and the core has its first record
        if told.has_ended and not (is_here and told.is_quarantined):
            return  # left-overs at the most
        row = row or self._as_accepted(message, told)
        if row is None or not (known or told.addresses):
            self._losses.lost.append(message)
            return
        if not told.addresses:
            self._losses.lost.append(message)  # some of its recipients
        self._put(row, _recipients(message, known, told))

    def _as_accepted(self, message: str, told: _Told) -> Row | None:
        """Return the row that the ``accepted`` record makes, if the body is there."""
        accepted, judged = told.accepted, told.judged
        if accepted is None:
            return None
        in_file = message in self._files
        if in_file and (self._bodies / message).stat().st_size != accepted.size:
            return None
        ascii_only = all(one.isascii() for one in (accepted.sender, *told.addresses))
        return {
            "id": message,
            "origin": accepted.origin,
            "received_us": told.time_us,
            "age_us": self._age_us,
            "client_address": accepted.client,
            "helo": accepted.helo,
            "sender": accepted.sender,
            "smtputf8": int(not ascii_only),
            "eight_bit": 1,
            "tls": accepted.tls,
            "size": accepted.size,
            "sha256": bytes.fromhex(accepted.sha256),
            "trace": b"",
            "in_file": int(in_file),
            "released_from": accepted.released_from,
            "quarantined_us": told.time_us if told.is_quarantined else 0,
            "quarantine_reason": judged.quarantine_reason if judged else "",
            "quarantine_detail": judged.quarantine_detail if judged else "",
        }

    def _put(self, row: Row, recipients: Sequence[Row]) -> None:
        message = row["id"]
        self._age_us = max(self._age_us, row["age_us"])
        copies, _ = self._wreck.of_message("copy", message)
        for copy in copies:
            self._insert("copy", copy)
        there = {copy["number"] for copy in copies}
        has_body = bool(row["in_file"]) or self._put_body(message)
        is_needed = bool(row.get("quarantined_us"))
        of_message = {name: row[name] for name in ("size", "received_us", "age_us")}
        recipients = [{**one, **of_message} for one in recipients]
        for recipient in recipients:
            state = State(recipient["state"])
            is_needed |= state not in OUTCOMES
            if not has_body and state in _DAMAGEABLE:
                recipient |= {"state": State.DAMAGED, "reason": NO_BODY, "next_us": 0}
            elif state in _JUDGED and recipient["copy"] not in there:
                fresh = {"state": State.WAITING, "reason": NO_JUDGEMENT, "next_us": 0}
                recipient |= {**fresh, "copy": -1, "disposition": "", "decided": ""}
            self._insert("recipient", recipient)
        self._insert("message", row)
        states = {recipient["state"] for recipient in recipients}
        if not has_body and is_needed:
            self._losses.without_body.append(message)
        elif State.WAITING in states and any(one["reason"] == NO_JUDGEMENT for one in recipients):
            self._losses.scanned_again.append(message)

    def _put_body(self, message: str) -> bool:
        body = self._wreck.one("SELECT data FROM body WHERE message=?", message)
        if body is None:  # its index may be what is damaged
            body = self._wreck.one("SELECT data FROM body NOT INDEXED WHERE message=?", message)
        if body is None:
            return False
        self._insert("body", {"message": message, "data": body["data"]})
        return True

    # ---- everything else

    def _meta(self) -> None:
        former = "?"  # not known, which is not the same as none
        for row in self._wreck.table("meta", "name"):
            if row["name"] in {"age_us", "age_wall_us"}:
                self._insert("meta", row)
            if row["name"] == "age_us":
                self._age_us = int(row["value"])
            if row["name"] == "incarnation":
                former = str(row["value"])
        self._insert("meta", {"name": "former", "value": former})

    def _small_tables(self) -> None:
        for table, key in (("release", "id"), ("hold", "destination")):
            for row in self._wreck.table(table, key):
                self._insert(table, row)
        position = [
            self._wreck.one("SELECT * FROM meta WHERE name=?", name)
            for name in ("generation", "epoch", "revision")
        ]
        is_incoming = self._wreck.one("SELECT 1 FROM meta WHERE name=?", "incoming") is not None
        # Half of a revision would judge mail by rules that nobody made.
        if is_incoming or not self._wreck.is_whole("document") or None in position:
            self._losses.preferences = True
            return
        for row in (*self._wreck.table("document", "kind, key"),):
            self._insert("document", row)
        for found in position:
            if found is not None:
                self._insert("meta", found)

    def _records(self, why: str) -> None:
        before = 0
        for row in self._wreck.records():
            missing = row["sequence"] - before - 1 if before else 0
            if missing:
                self._losses.records += missing
                self._record(GapRecord(first=before + 1, last=row["sequence"] - 1, reason=why))
            before = row["sequence"]
            self._sequence += 1
            self._insert("outbox", {**row, "sequence": self._sequence})
            if row["message"] and row["message"] not in self._whole:
                self._remember(row)

    def _remember(self, row: Row) -> None:
        told = self._told.setdefault(row["message"], _Told())
        try:
            record = read(row["event"], row["fields"])
        except FieldsUnreadable:
            return  # it goes to the core as it is, and tells nothing here
        match record:
            case AcceptedRecord():
                told.time_us, told.accepted = row["time_us"], record
                told.addresses += record.recipients
            case JudgedRecord():
                told.judged = record
            case EndedRecord():
                told.ended |= {one.address: one.outcome for one in record.recipients}
            case _:
                pass

    def _tell(self, why: str) -> None:
        for message in self._losses.without_body:
            self._record(DamagedRecord(reason=NO_BODY), message)
        for message in self._losses.scanned_again:
            self._record(WaitingRecord(reason=NO_JUDGEMENT), message)
        summary = SpoolDamagedRecord(
            reason=why,
            lost=len(self._losses.lost),
            without_body=len(self._losses.without_body),
            scanned_again=len(self._losses.scanned_again),
            records=self._losses.records,
            preferences=self._losses.preferences,
        )
        self._record(summary)
        for start in range(0, len(self._losses.lost), NAMES_AT_ONCE):
            part = self._losses.lost[start : start + NAMES_AT_ONCE]
            self._record(SpoolDamagedRecord(reason="lost", messages=tuple(part)))

    def _record(self, record: Record, message: str = "") -> None:
        for fields in written(record):
            self._sequence += 1
            row = {"sequence": self._sequence, "time_us": self._now_us, "event": record.event}
            self._insert("outbox", {**row, "message": message, "fields": fields})

    def _insert(self, table: str, row: Row) -> None:
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        sql = f"REPLACE INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - names of ours
        self._writer.execute(sql, tuple(row.values()))


def _recipients(message: str, known: Sequence[Row], told: _Told) -> list[Row]:
    """Return all recipients: as they were, as their records say, or to be scanned again."""
    by_address = {recipient["address"]: recipient for recipient in known}
    addresses = told.addresses or list(by_address)
    found = []
    for number, address in enumerate(addresses):
        fresh = {"state": State.WAITING, "reason": NO_JUDGEMENT}
        if address in told.ended:
            fresh = {"state": State(told.ended[address]), "reason": ""}
        row = by_address.get(address, {"address": address, "copy": -1, **fresh})
        found.append({**row, "message": message, "number": number})
    return found
