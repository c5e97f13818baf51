"""What is wrong with a spool that was recovered, held against what was said in its life?"""

from __future__ import annotations

import hashlib
import json

from common.ids import MessageId
from common.records import Event, LogRecord
from common.states import OUTCOMES, State
from satellite.spool.store import Spool
from tests.support.spool.story import RELEASE, Ledger


def findings(spool: Spool, ledger: Ledger) -> list[str]:
    """Return what is wrong with a spool that was recovered; nothing is wrong when it is empty."""
    kept = spool.records(after=len(ledger.records), limit=100_000)
    records = [*ledger.records, *kept]
    told = replayed(records)
    return [
        *_holes(records),
        *_states(spool, ledger, told),
        *_acknowledged(spool, ledger, told),
        *_bodies(spool, ledger),
    ]


def replayed(records: list[LogRecord]) -> dict[tuple[str, str], State]:
    """Return the state of each recipient as the records alone tell it."""
    told: dict[tuple[str, str], State] = {}
    simple = {
        Event.DEFERRED: State.DEFERRED,
        Event.HELD: State.HELD,
        Event.FROZEN: State.FROZEN,
        Event.RESUMED: State.DEFERRED,
        Event.POSSIBLY_DELIVERED: State.DEFERRED,
        Event.DAMAGED: State.DAMAGED,
    }
    disposed = {"deliver": State.QUEUED, "drop": State.DROPPED, "quarantine": State.QUARANTINED}
    for record in records:
        fields = json.loads(record.fields)
        message = record.message_id
        match record.event:
            case Event.ACCEPTED:
                first = State.RECEIVED if fields["origin"] == "smtp" else State.QUEUED
                told.update({(message, one): first for one in fields["recipients"]})
            case Event.WAITING:
                told.update({key: State.WAITING for key in told if key[0] == message})
            case Event.JUDGED:
                for one in fields["recipients"]:
                    told[message, one["address"]] = disposed[one["disposition"]]
            case Event.ENDED:
                for one in fields["recipients"]:
                    told[message, one["address"]] = State(one["outcome"])
            case event if event in simple:
                for one in fields["recipients"]:
                    address = one if isinstance(one, str) else one["address"]
                    told[message, address] = simple[Event(event)]
            case _:
                pass
    return told


def _holes(records: list[LogRecord]) -> list[str]:
    found = [record.sequence for record in records]
    wanted = list(range(1, len(records) + 1))
    return [] if found == wanted else [f"the records are numbered {found}"]


def _states(spool: Spool, ledger: Ledger, told: dict[tuple[str, str], State]) -> list[str]:
    wrong = []
    there = {stored.id: stored for stored in spool.unfinished(limit=100_000)}
    untold = there.keys() - {message for message, _ in told}
    wrong += [f"{message} has no record" for message in untold]
    for (message, address), state in told.items():
        stored = there.get(MessageId(message))
        if stored is not None:
            found = [r.state for r in stored.recipients if r.address == address]
            if found != [state]:
                wrong.append(f"{message} {address} is {found}, its records say {state}")
        elif state not in OUTCOMES:
            wrong.append(f"{message} {address} is gone, its records say {state}")
        elif state is State.QUARANTINED and message not in ledger.uploads:
            wrong.append(f"{message} is quarantined and gone, and nobody has it")
    for stored in there.values():
        states = {recipient.state for recipient in stored.recipients}
        if states <= OUTCOMES - {State.QUARANTINED}:
            wrong.append(f"{stored.id} has ended and is still there")
    return wrong


def _acknowledged(spool: Spool, ledger: Ledger, told: dict[tuple[str, str], State]) -> list[str]:
    known = {message for message, _ in told}
    wrong = [f"{message} was accepted and is lost" for message in ledger.accepted.keys() - known]
    wrong += [f"{message} was never sent to us" for message in known - ledger.begun.keys()]
    wrong += [
        f"{key} had ended as {state}, and is {told.get(key)}"
        for key, state in ledger.ended.items()
        if told.get(key) is not state
    ]
    # Outcome and notice come in one commit, acknowledged or not.
    sent_back = {message for (message, _), state in told.items() if state is State.BOUNCED}
    wrong += [
        f"{message} went back and its sender is told nothing"
        for message, notice in ledger.notices.items()
        if message in sent_back and notice not in known
    ]
    wrong += [
        f"{message} had its sending mark, and is {state}"
        for (message, _), state in told.items()
        if message in ledger.marked and state in {State.RECEIVED, State.QUEUED}
    ]
    if spool.preferences.position.revision != 1 and ledger.preferences:
        wrong.append("the preferences were applied and are lost")
    if ledger.released and not spool.release_is_known(RELEASE):
        wrong.append("the release was taken and is not known")
    return wrong


def _bodies(spool: Spool, ledger: Ledger) -> list[str]:
    wrong = []
    files = set()
    for stored in spool.unfinished(limit=100_000):
        body = ledger.begun.get(stored.id, b"")
        files |= {stored.id} if stored.in_file else set()
        with spool.open_body(stored) as opened:
            found = opened.read(0, stored.size)
        if found != body or hashlib.sha256(body).digest() != stored.sha256:
            wrong.append(f"{stored.id} has another body")
    there = {path.name for path in (spool.folder / "bodies").iterdir()}
    if there != files:
        wrong.append(f"body files that nobody needs: {sorted(there - files)}")
    return wrong
