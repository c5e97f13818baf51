"""Was any mail lost, doubled, changed, or left without an explanation?

Pure, over what three witnesses wrote down: the sender's ledger, the log of the customer's server
and the core's export. It is run once everything is healed and has come to rest. No findings means
that the promises P1, P3, P7 and P8 held in this run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.support.smtp import octets
from tests.support.witnesses.history import (
    OUTCOMES,
    Arrived,
    Ending,
    Known,
    Letter,
    arrivals,
    folded,
    known_messages,
    letters,
)


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "lost"  # answered 250, and not where it should be
    DOUBLED = "doubled"  # more copies than hand-overs and possible deliveries explain
    CHANGED = "changed"  # octets that are the sender's differ
    FORGED = "forged"  # a line that pretends to be ours was passed on
    UNEXPLAINED = "unexplained"  # no outcome, or one without a reason
    TWO_OUTCOMES = "two outcomes"
    PRESENT = "present"  # refused or never sent, and there all the same
    GAP = "gap"  # a record is missing
    REPEATED = "repeated"  # a record was taken in twice
    QUARANTINE = "quarantine"  # what the core holds is not what was sent
    STRANGER = "stranger"  # a message that nobody sent


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    subject: str  # a gid, a message id, or a position
    recipient: str
    detail: str

    def __str__(self) -> str:
        whom = f" for {self.recipient}" if self.recipient else ""
        return f"{self.kind}: {self.subject}{whom}: {self.detail}"


def check(
    *,
    ledger: Iterable[Mapping[str, Any]],
    arrived: Iterable[Mapping[str, Any]],
    messages: Iterable[Mapping[str, Any]],
    records: Iterable[Mapping[str, Any]] = (),
    quarantine: Iterable[Mapping[str, Any]] = (),
) -> list[Finding]:
    """Return everything that is wrong, in a stable order.

    Args:
        ledger: lines of ``tests.support.witnesses.ledger``.
        arrived: lines of the logs of all customers' servers.
        messages: one object a message, as ``borderscout track --json`` prints it.
        records: {node, shard, incarnation, sequence, event, fields} of every record at the core.
        quarantine: {message_id, sha256, recipients} of every body that the core holds.
    """
    sent = letters(ledger)
    known = known_messages(messages)
    at_sinks: dict[str, list[Arrived]] = {}
    for gid, one in _with_gids(arrivals(arrived), sent):
        at_sinks.setdefault(gid, []).append(one)
    by_sha: dict[str, list[Known]] = {}
    for message in known:
        by_sha.setdefault(message.sha256, []).append(message)
    held = {case["message_id"]: case for case in quarantine}
    found: set[Finding] = set()
    for letter in sent.values():
        of_letter = by_sha.get(letter.sending.sha256, [])
        found.update(_of_handing_over(letter, of_letter))
        there = at_sinks.get(letter.gid, [])
        found.update(_of_delivery(letter, of_letter, there))
        found.update(_of_octets(letter, there))
    for message in known:
        found.update(_of_outcomes(message))
        found.update(_of_quarantine(message, held.get(message.id)))
    found.update(_of_strangers(known, {letter.sending.sha256 for letter in sent.values()}))
    found.update(_of_positions(records))
    return sorted(found)


def _with_gids(
    at_sinks: Sequence[Arrived], sent: Mapping[str, Letter]
) -> Iterator[tuple[str, Arrived]]:
    """Yield arrivals with the letter that they are: by their mark, or else by their octets.

    What is neither (a bounce of ours, mail from elsewhere) comes with an empty gid; whether it
    has a right to be there, the core's list tells.
    """
    by_sha = {letter.sending.sha256: gid for gid, letter in sent.items()}
    for one in at_sinks:
        if one.gid in sent:
            yield one.gid, one
        else:
            yield next((by_sha[cut] for cut in one.cuts if cut in by_sha), ""), one


def _of_handing_over(letter: Letter, known: Sequence[Known]) -> Iterator[Finding]:
    """What was answered for must be known to the core, and nothing else."""
    taken = [message for message in known if message.origin == "smtp"]
    certain, uncertain = letter.certain, letter.uncertain
    possible = certain + uncertain
    if len(taken) < len(certain):
        detail = f"answered 250 {len(certain)} times, and the core knows of {len(taken)}"
        yield Finding(Kind.LOST, letter.gid, "", detail)
    if taken and not possible:
        yield Finding(Kind.PRESENT, letter.gid, "", "never answered 250, and the core has it")
    elif len(taken) > len(possible):
        detail = f"handed over {len(possible)} times, and the core has {len(taken)}"
        yield Finding(Kind.DOUBLED, letter.gid, "", detail)
    if not possible:
        return
    required = frozenset.intersection(*possible)
    allowed = frozenset.union(*possible)
    for message in taken:
        there = {recipient.address for recipient in message.recipients}
        for address in sorted(required - there):
            yield Finding(Kind.LOST, letter.gid, address, f"not among those of {message.id}")
        for address in sorted(there - allowed):
            detail = f"was not taken, and stands in {message.id}"
            yield Finding(Kind.PRESENT, letter.gid, address, detail)


def _of_delivery(
    letter: Letter, known: Sequence[Known], arrived: Sequence[Arrived]
) -> Iterator[Finding]:
    """What is recorded as delivered must have arrived, once; anything else must not."""
    there = Counter(address for one in arrived for address in one.recipients)
    if there and not letter.certain and not letter.uncertain:
        yield Finding(Kind.PRESENT, letter.gid, "", "never answered 250, and it was delivered")
        return
    endings: dict[str, list[Ending]] = {}
    for message in known:
        for recipient in message.recipients:
            endings.setdefault(recipient.address, []).append(recipient)
    for address in sorted(there.keys() | endings.keys()):
        of_recipient = endings.get(address, [])
        delivered = sum(one.state == "delivered" for one in of_recipient)
        possible = delivered + sum(one.possibly for one in of_recipient)
        count = there[address]
        if count < delivered:
            detail = f"recorded as delivered {delivered} times, arrived {count} times"
            yield Finding(Kind.LOST, letter.gid, address, detail)
        elif count > possible and not possible and of_recipient:
            state = of_recipient[0].state
            detail = f"arrived, and is recorded as {state}"
            yield Finding(Kind.TWO_OUTCOMES, letter.gid, address, detail)
        elif count > possible:
            detail = f"arrived {count} times; {possible} are explained"
            yield Finding(Kind.DOUBLED, letter.gid, address, detail)


def _of_octets(letter: Letter, arrived: Sequence[Arrived]) -> Iterator[Finding]:
    for one in arrived:
        whom = ", ".join(one.recipients)
        if difference := octets.difference(letter.sending, one):
            yield Finding(Kind.CHANGED, letter.gid, whom, difference)
        if name := octets.forged(letter.sending, one):
            detail = f"{name} of the sender was passed on"
            yield Finding(Kind.FORGED, letter.gid, whom, detail)


def _of_outcomes(message: Known) -> Iterator[Finding]:
    for one in message.recipients:
        if one.state not in OUTCOMES:
            detail = f"still {one.state or 'without a state'}"
            yield Finding(Kind.UNEXPLAINED, message.id, one.address, detail)
        elif not one.endings:
            detail = f"{one.state} without a record of it"
            yield Finding(Kind.UNEXPLAINED, message.id, one.address, detail)
        elif not one.reason:
            yield Finding(Kind.UNEXPLAINED, message.id, one.address, f"{one.state} without reason")
        if len(one.endings) > 1:
            detail = f"ended {len(one.endings)} times: {', '.join(one.endings)}"
            yield Finding(Kind.TWO_OUTCOMES, message.id, one.address, detail)
        elif one.endings and one.endings[0] != one.state:
            detail = f"is {one.state}, and its record says {one.endings[0]}"
            yield Finding(Kind.TWO_OUTCOMES, message.id, one.address, detail)


def _of_quarantine(message: Known, case: Mapping[str, Any] | None) -> Iterator[Finding]:
    quarantined = [one.address for one in message.recipients if one.state == "quarantined"]
    if not quarantined:
        return
    if case is None:
        for address in quarantined:
            yield Finding(Kind.LOST, message.id, address, "quarantined, and the core has no body")
        return
    if case["sha256"] != message.sha256:
        yield Finding(Kind.QUARANTINE, message.id, "", "the SHA-256 of the held body differs")
    held_for = set(map(folded, case["recipients"]))
    for address in quarantined:
        if address not in held_for:
            yield Finding(Kind.QUARANTINE, message.id, address, "not among those it is held for")


def _of_strangers(known: Sequence[Known], sent: set[str]) -> Iterator[Finding]:
    for message in known:
        if message.origin == "smtp" and message.sha256 not in sent:
            yield Finding(Kind.STRANGER, message.id, "", f"nobody sent it; from {message.sender}")


def _of_positions(records: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Each shard's records count from 1 without holes, save those given up and said to be so."""
    sequences: dict[tuple[str, int, str], list[int]] = {}
    given_up: dict[tuple[str, int, str], set[int]] = {}
    for record in records:
        position = (record["node"], record["shard"], record["incarnation"])
        sequences.setdefault(position, []).append(record["sequence"])
        if record.get("event") == "gap":
            fields = record["fields"]
            lost = range(fields["from"], fields["to"] + 1)
            given_up.setdefault(position, set()).update(lost)
    for position, found in sequences.items():
        name = "/".join(map(str, position))
        missing = set(range(1, max(found) + 1)) - set(found) - given_up.get(position, set())
        if missing:
            detail = f"{len(missing)} records are missing, the first is {min(missing)}"
            yield Finding(Kind.GAP, name, "", detail)
        for sequence, count in sorted(Counter(found).items()):
            if count > 1:
                yield Finding(Kind.REPEATED, name, "", f"record {sequence} is there {count} times")
