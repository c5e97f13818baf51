"""What do the three witnesses of a run say, in one shape?

Pure. The sender's ledger, the customer's server and the core each tell their part; here their lines
become objects that the checker can hold against each other. What is missing in a line stops the
check: a witness that cannot be understood must not count as one that agrees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.witnesses.ledger import Answer, Sending, parse

OUTCOMES = frozenset({"delivered", "quarantined", "dropped", "rejected", "bounced", "expired"})


def folded(address: str) -> str:
    """Return the form in which addresses are compared: local part folded, domain as A-labels."""
    local, _, domain = address.rpartition("@")
    return f"{local.casefold()}@{domain.lower().encode('idna').decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that the sender wanted to hand over, with all its tries."""

    gid: str
    tries: tuple[tuple[Sending, Answer | None], ...]

    @property
    def sending(self) -> Sending:
        """Any try: the octets are the same in each."""
        return self.tries[0][0]

    @property
    def certain(self) -> list[frozenset[str]]:
        """For each try that was answered 250: the recipients that were taken."""
        return [
            frozenset(map(folded, answer.recipients))
            for _, answer in self.tries
            if answer is not None and answer.is_accepted
        ]

    @property
    def uncertain(self) -> list[frozenset[str]]:
        """For each try whose end is not known: the recipients that may have been taken.

        A try without any answer line was under way when the sender died.
        """
        found = []
        for sending, answer in self.tries:
            if answer is None:
                found.append(frozenset(map(folded, sending.recipients)))
            elif answer.is_uncertain:
                found.append(frozenset(map(folded, answer.recipients)))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One message at the customer's server."""

    gid: str
    recipients: tuple[str, ...]
    cuts: tuple[str, ...]
    below_sha256: str
    header: tuple[str, ...]
    stray: bool
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one recipient of one message stands at the core."""

    address: str  # folded
    state: str
    reason: str
    endings: tuple[str, ...]  # the outcomes in its `ended` records
    possibly: int  # how often it was counted as possibly delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One message as the core tells of it."""

    id: str
    sender: str
    origin: str  # smtp, bounce or release
    sha256: str
    recipients: tuple[Ending, ...]
    events: tuple[str, ...]


def letters(lines: Iterable[Mapping[str, Any]]) -> dict[str, Letter]:
    """Return the ledger's letters by gid."""
    sendings, answers = parse(lines)
    answered = {(answer.gid, answer.attempt): answer for answer in answers}
    tries: dict[str, list[tuple[Sending, Answer | None]]] = {}
    for sending in sendings:
        answer = answered.get((sending.gid, sending.attempt))
        tries.setdefault(sending.gid, []).append((sending, answer))
    return {gid: Letter(gid, tuple(found)) for gid, found in tries.items()}


def arrivals(lines: Iterable[Mapping[str, Any]]) -> list[Arrived]:
    """Return what the log of the customer's server says."""
    return [
        Arrived(
            gid=line["gid"],
            recipients=tuple(map(folded, line["recipients"])),
            cuts=tuple(line["cuts"]),
            below_sha256=line["below_sha256"],
            header=tuple(line["header"]),
            stray=line["stray"],
            answered=line["answered"],
        )
        for line in lines
    ]


def known_messages(tracks: Iterable[Mapping[str, Any]]) -> list[Known]:
    """Return the messages of ``borderscout track --json`` lines."""
    return [_known(track) for track in tracks]


def _known(track: Mapping[str, Any]) -> Known:
    events = track["events"]
    accepted: Mapping[str, Any] = next((e for e in events if e["event"] == "accepted"), {})
    endings: dict[str, list[str]] = {}
    possibly: dict[str, int] = {}
    for event in events:
        if event["event"] == "ended":
            for one in event["recipients"]:
                endings.setdefault(folded(one["address"]), []).append(one["outcome"])
        elif event["event"] == "possibly_delivered":
            for address in event["recipients"]:
                possibly[folded(address)] = possibly.get(folded(address), 0) + 1
    recipients = tuple(
        Ending(
            address=(address := folded(one["address"])),
            state=one["state"],
            reason=one["reason"],
            endings=tuple(endings.get(address, ())),
            possibly=possibly.get(address, 0),
        )
        for one in track["recipients"]
    )
    return Known(
        id=track["id"],
        sender=track["sender"],
        origin="release" if accepted.get("released_from") else accepted.get("origin", "smtp"),
        sha256=accepted.get("sha256", ""),
        recipients=recipients,
        events=tuple(event["event"] for event in events),
    )
