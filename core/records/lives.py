"""Which life of a shard may speak, and does what it says go on from what is known of it?

Pure. The core numbers the lives of each shard in the order in which it first hears of them; the
newest one alone may speak. Inside a life, the digest of its records says whether the spool that
speaks is the one that was heard before: a copy, or one that was put back, is a fork.

Source: docs/sync.md, *A shard's lives*; docs/design/link-guarantees.md, U1-U3.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from common.chain import ChainPoint, extended
from common.errors import PeerError
from common.identity import RENEW, ShardIdentity
from common.records import LogRecord
from core.records.intake import first_told

# New lives of one node, so that a stolen certificate cannot make rows without end: one a minute,
# and a node that is built anew with all its shards at once.
LIVES_BURST = 16
LIVES_WINDOW_US = LIVES_BURST * 60_000_000

FORKS_KEPT = 8  # of one life, the newest
WHY_LENGTH_MAX = 300


class Fenced(PeerError):
    """A later life of this shard has spoken: this one must not."""

    def __init__(self, identity: ShardIdentity, *, newest: str) -> None:
        super().__init__(
            f"{identity} has a later life than {identity.incarnation}: {newest}", hint=RENEW
        )
        self.identity = identity
        self.newest = newest


class ForkedSpool(Fenced):
    """Another spool has the same life: what this one says does not go on from what is known."""

    def __init__(self, identity: ShardIdentity, why: str) -> None:
        PeerError.__init__(self, why[:WHY_LENGTH_MAX], hint=RENEW)
        self.identity = identity
        self.newest = identity.incarnation


class TooManyLives(PeerError):
    """A node names more new lives than any node has; it may try again later."""

    def __init__(self, identity: ShardIdentity) -> None:
        super().__init__(
            f"{identity.node} has begun {LIVES_BURST} new lives of its spools within"
            f" {LIVES_WINDOW_US // 60_000_000} minutes; one a minute is taken note of",
            hint="if nobody rebuilds that node, its certificate may be in other hands:"
            " borderscout inventory revoke NODE",
        )
        self.identity = identity


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkMark:
    """A process whose spool is not the one that this life was heard of before.

    Args:
        run: the process.
        found_us: when it was found out, microseconds since the epoch, UTC.
        why: how.
    """

    run: str
    found_us: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeStanding:
    """How the core sees a life that may speak.

    Args:
        number: of this life, from 1.
        is_settled: whether it is known what became of the mail of the life before.
        forks: the processes that may not.
    """

    number: int
    is_settled: bool = True
    forks: tuple[ForkMark, ...] = ()

    def fork_of(self, identity: ShardIdentity) -> ForkMark | None:
        """Return why this process may not speak; None when it may."""
        return next((mark for mark in self.forks if mark.run and mark.run == identity.run), None)


def check_run(identity: ShardIdentity, standing: LifeStanding) -> None:
    """Accept a process unless it was found to speak for a fork.

    Raises:
        ForkedSpool: it was.
    """
    mark = standing.fork_of(identity)
    if mark is not None:
        raise ForkedSpool(identity, mark.why)


def in_words(identity: ShardIdentity, why: str) -> str:
    """Return what an operator at the core reads of a copy."""
    return f"a copy of the spool of {identity} is not heard, and keeps what it has: {why}; {RENEW}"


def read_forks(text: str) -> tuple[ForkMark, ...]:
    """Return the marks that a row holds."""
    return tuple(ForkMark(**mark) for mark in json.loads(text)) if text != "[]" else ()


def written_forks(marks: Sequence[ForkMark]) -> str:
    """Return marks as a row holds them; the oldest beyond ``FORKS_KEPT`` go."""
    return json.dumps([asdict(mark) for mark in marks[-FORKS_KEPT:]], separators=(",", ":"))


def why_not_at_hello(known: ChainPoint, *, deleted: ChainPoint | None, last_sequence: int) -> str:
    """Return why a spool is not the one that is known; empty when nothing speaks against it.

    Args:
        known: the last record that is durable here.
        deleted: up to where the spool has deleted; None from a version before, which says nothing.
        last_sequence: the last record that it ever gave.
    """
    if deleted is None:
        return ""
    if last_sequence < known.sequence:
        return (
            f"the core has records up to {known.sequence}, this spool gave only {last_sequence}:"
            " it was put back to an older state, or is a copy"
        )
    return why_not_at(known, deleted)


def why_not_at(known: ChainPoint, told: ChainPoint) -> str:
    """Return why a spool is not the one that is known, by what it has at one number."""
    if told.sequence != known.sequence or not (told.digest and known.digest):
        return ""
    if told.digest == known.digest:
        return ""
    return (
        f"record {known.sequence} of this spool is not the one that the core has: it is a copy of"
        " another spool, or was put back to an older state"
    )


def check_repeat(identity: ShardIdentity, *, known: ChainPoint, told: ChainPoint | None) -> None:
    """Accept that records whose numbers are known are the known ones; then they are confirmed.

    They are not where two spools with one life speak at once: what the other one told meanwhile has
    their numbers, and confirming them would let this one delete its own.

    Args:
        identity: who sent them.
        known: the last record that is durable here.
        told: what the sender has at the last of them; None from a version before.

    Raises:
        ForkedSpool: they are others.
        PeerError: that cannot be seen; at the next hello it can.
    """
    if told is None or not told.digest or not known.digest:
        return
    if told.sequence != known.sequence:
        raise PeerError(f"{identity} has told more meanwhile; it opens its stream anew")
    why = why_not_at(known, told)
    if why:
        raise ForkedSpool(identity, why)


def chain_after(
    identity: ShardIdentity,
    records: Sequence[LogRecord],
    *,
    known: ChainPoint,
    told: ChainPoint | None,
) -> bytes:
    """Return the digest at the last of the records that are new; empty: it is not known.

    Args:
        identity: who sent them.
        records: at least one, all after ``known``.
        known: the last record that is durable here.
        told: what the sender has at the last of them; None from a version before.

    Raises:
        ForkedSpool: they do not go on from what is known.
        PeerError: ``told`` is of another place.
    """
    if told is None or not told.digest:
        return b""
    last = records[-1].sequence
    if told.sequence != last:
        raise PeerError(f"{identity} told the chain at {told.sequence} beside record {last}")
    # What nobody has any more cannot be compared: from there on its word counts.
    if not known.digest or first_told(records[0]) < records[0].sequence:
        return told.digest
    if extended(known.digest, records) != told.digest:
        raise ForkedSpool(identity, why_not_at(ChainPoint(last, b"?"), ChainPoint(last, b"!")))
    return told.digest
