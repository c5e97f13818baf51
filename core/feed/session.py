"""What does one satellite's preference stream carry next?

Pure. The hello says what the satellite has; from there it gets the changes, or everything when the
two do not share a past. One batch is under way at a time. What it refused is not sent again before
there is a newer revision. Once all was offered, bookmarks say so.

Theory of operation. A session begins with ``Greeted``. It is

- *quiet* (no ``_outstanding``): the satellite has the head or refused it (``_refused_target``), or
  there is no revision yet;
- *sending* (``_outstanding`` without a target): the changes after what it has, or everything when
  the two do not share a past (``_needs_all``);
- *waiting* (``_outstanding`` with its target): for the answer with this nonce.

quiet -> sending: the hello, or ``Moved``. sending -> waiting: ``BatchSent``. sending -> sending:
``NoHistory``, now everything. waiting -> quiet, or sending what is next: its ``Answer``. Another
answer is passed over, and ``Moved`` is only noted while something is under way. ``End`` is the one
way out: the satellite follows a later core than this one.

A refusal that wants everything, and an acknowledgement of another set than was sent, are followed
by everything, once. Every other refusal is of the target, whose turn comes with a newer revision.

After each step: one batch at most is under way; a bookmark leaves only when none is; what was
refused is not sent again before the head moved; and where the satellite stands was told, with
``PreferenceStanding``, before the next batch.

Source: docs/design/link-guarantees.md, G3-G7, G10, G16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from common.link import Answer, LinkRefusal, PreferencesHello
from common.preferences import Position
from common.reports import PreferenceProblem

# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Greeted:
    """The hello came.

    Args:
        hello: what the satellite has.
        digest: of our set at the satellite's revision; None when we do not know that revision.
    """

    hello: PreferencesHello
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Moved:
    """There is a newer revision."""

    head: Position


@dataclass(frozen=True, slots=True)
class BatchSent:
    """A batch was sent whole.

    Args:
        target: where it leads.
        digest: of the whole set there.
    """

    target: Position
    digest: bytes


@dataclass(frozen=True, slots=True)
class NoHistory:
    """The changes from the asked base are no longer kept, or are larger than everything."""


@dataclass(frozen=True, slots=True)
class BookmarkDue:
    """It is time to say where we are."""


Event = Greeted | Moved | BatchSent | NoHistory | Answer | BookmarkDue

# --- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendChanges:
    """Send the changes after ``base``, then come back with ``BatchSent`` or ``NoHistory``."""

    nonce: str
    base: Position


@dataclass(frozen=True, slots=True)
class SendAll:
    """Send the whole set, then come back with ``BatchSent``."""

    nonce: str


@dataclass(frozen=True, slots=True)
class SendBookmark:
    """Say that all up to here was offered."""

    position: Position


@dataclass(frozen=True, slots=True)
class PreferenceStanding:
    """Where the satellite stands now; tell the fleet.

    Args:
        applied: what it has in force.
        refused: its last refusal, until it applied something later.
        refused_target: not to be sent again before there is a newer revision.
        agreed: what it has in force of ours, digest for digest; None: its set is not ours, or not
            known to be.
    """

    applied: Position
    refused: PreferenceProblem | None
    refused_target: Position | None
    agreed: Position | None = None


@dataclass(frozen=True, slots=True)
class End:
    """Close the stream: going on could only do harm."""

    reason: str


Command = SendChanges | SendAll | SendBookmark | PreferenceStanding | End


@dataclass(frozen=True, slots=True)
class _Outstanding:
    """The batch that waits for its answer."""

    nonce: str
    is_snapshot: bool
    target: Position | None = None  # None while it is being sent
    digest: bytes = b""


class FeedSession:
    """One preference stream.

    Args:
        head: where the core's preferences are.
        refused: what this satellite refused on an earlier stream.
        refused_target: the revision that it refused.
    """

    def __init__(
        self,
        *,
        head: Position,
        refused: PreferenceProblem | None = None,
        refused_target: Position | None = None,
    ) -> None:
        self._head = head
        self._applied: Position | None = None
        self._agreed: Position | None = None
        self._needs_all = False
        self._refused = refused
        self._refused_target = refused_target
        self._outstanding: _Outstanding | None = None
        self._nonces = 0

    def handle(self, event: Event) -> list[Command]:
        """Return what to do about ``event``, in the order in which to do it."""
        match event:
            case Greeted(hello=hello, digest=digest):
                return self._greet(hello, digest)
            case Moved(head=head):
                self._head = head
                return self._next() if self._outstanding is None else []
            case BatchSent(target=target, digest=digest):
                assert self._outstanding is not None
                self._outstanding = _Outstanding(
                    self._outstanding.nonce, self._outstanding.is_snapshot, target, digest
                )
                return []
            case NoHistory():
                self._outstanding = None
                self._needs_all = True
                return self._next()
            case Answer():
                return self._answer(event)
            case BookmarkDue():
                return self._bookmark()
            case _:
                assert_never(event)

    def _greet(self, hello: PreferencesHello, digest: bytes | None) -> list[Command]:
        self._applied = hello.applied
        epoch = self._head.epoch
        if hello.applied.epoch.generation > epoch.generation:
            return [
                self._standing(),
                End(
                    f"this core is an earlier one: its generation is {epoch.generation}, the"
                    f" satellite follows {hello.applied.epoch.generation}"
                ),
            ]
        # Another epoch, a revision that we do not know, or another set at the same revision.
        self._needs_all = hello.applied.epoch != epoch or digest != hello.digest
        if not self._needs_all:
            self._agreed = hello.applied
            if hello.applied == self._head:
                self._refused = self._refused_target = None  # whatever it was, it is over
        return [self._standing(), *(self._next() or self._bookmark())]

    def _next(self) -> list[Command]:
        """Return the batch to send now, if any."""
        assert self._outstanding is None
        if self._applied is None or self._head == self._refused_target or not self._head.revision:
            return []
        if not self._needs_all and self._applied == self._head:
            return []
        self._nonces += 1
        nonce = str(self._nonces)
        self._outstanding = _Outstanding(nonce, self._needs_all)
        return [SendAll(nonce)] if self._needs_all else [SendChanges(nonce, self._applied)]

    def _answer(self, answer: Answer) -> list[Command]:
        sent = self._outstanding
        if sent is None or sent.target is None or answer.nonce != sent.nonce:
            return []  # of an earlier batch: it is no answer to this one
        self._outstanding = None
        self._applied = answer.applied
        if answer.refusal is not None:
            return self._refusal(answer.refusal, sent, sent.target)
        reached = answer.applied.epoch == sent.target.epoch and (
            answer.applied.revision >= sent.target.revision
        )
        if answer.applied == sent.target:
            reached = answer.digest == sent.digest
        if not reached:
            mismatch = LinkRefusal(
                reason="it acknowledged another set than it was sent", wants_snapshot=True
            )
            return self._refusal(mismatch, sent, sent.target)
        self._needs_all = False
        self._agreed = sent.target if answer.applied == sent.target else None
        self._refused = self._refused_target = None
        return [self._standing(), *(self._next() or self._bookmark())]

    def _refusal(self, refusal: LinkRefusal, sent: _Outstanding, target: Position) -> list[Command]:
        self._refused = PreferenceProblem(
            revision=target.revision, kind=refusal.kind, key=refusal.key, reason=refusal.reason
        )
        if refusal.wants_snapshot and not sent.is_snapshot:
            self._needs_all = True
        else:
            # Everything was sent and it was still wrong, or the content is to blame.
            self._refused_target = target
        return [self._standing(), *(self._next() or self._bookmark())]

    def _bookmark(self) -> list[Command]:
        return [] if self._outstanding is not None else [SendBookmark(self._head)]

    def _standing(self) -> PreferenceStanding:
        assert self._applied is not None
        return PreferenceStanding(self._applied, self._refused, self._refused_target, self._agreed)
