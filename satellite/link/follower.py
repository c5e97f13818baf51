"""Which preference revisions are applied, acknowledged or refused?

Pure. The follower says what is applied, puts the parts of a batch together, refuses what it must
not take, and answers each batch once: with an acknowledgement after the spool made it durable, or
with a refusal and the last good set in force. A core that is gone changes nothing.

Order is made by epoch and revision alone; the time only tells how old our knowledge is.

Theory of operation. Between two batches the follower has nothing but what is ``applied``. A batch
comes in parts with one nonce, and is

- *collected* (``_assembly``): nothing was wrong with it so far;
- *passed over*: it was refused and answered, for its first part (another base, an earlier core,
  lost changes), for what a later one made of it (parts that disagree, too much:
  ``_assembly.is_refused``) or for one that cannot be read (``_unreadable``); the rest is dropped;
- *applied* (``_applying``): it was whole, and the spool has it until ``Applied`` or
  ``ApplyFailed``. A batch that brings nothing new is acknowledged instead.

A part with another nonce drops what was begun, and so does ``Disconnected``: on the next stream the
hello says what is applied, and the core begins from there. The shell performs the commands of one
event, ``Apply`` and what comes of it included, before it hands in the next: no part comes between.

After each step: ``applied`` and ``_digest`` are what the spool has in force, and change with
``Applied`` alone; a batch of which the last part came was answered once; ``refused`` is the last
refusal until a batch is applied; lag and age follow the last bookmark, but never an earlier core's.

Source: docs/design/link-guarantees.md, G2-G8, G10, G13, G16.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from common.identity import ShardIdentity
from common.link import Answer, Batch, Bookmark, LinkRefusal, PreferencesHello, Unreadable
from common.preferences import Document, Position
from common.reports import PreferenceProblem

ASSEMBLY_BYTES_MAX = 640 * 1024 * 1024  # a million list entries with long reasons, and the rest
ASSEMBLY_DOCUMENTS_MAX = 4_000_000
DOCUMENT_OVERHEAD_BYTES = 200  # what Python keeps beside key and body
BOOKMARK_STALE_S = 30.0  # several bookmarks missed: how far we are behind is unknown

# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connected:
    """A preference stream is open; nothing was said on it yet."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The stream ended."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The spool has a batch durably, and it is in force."""

    nonce: str
    position: Position
    digest: bytes


@dataclass(frozen=True, slots=True)
class ApplyFailed:
    """The spool could not apply a batch; the last good set is in force."""

    nonce: str
    refusal: LinkRefusal


Event = Connected | Disconnected | Batch | Bookmark | Unreadable | Applied | ApplyFailed

# --- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """Send this on the stream."""

    message: PreferencesHello | Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Let the spool apply a batch, then come back with ``Applied`` or ``ApplyFailed``."""

    nonce: str
    documents: tuple[Document, ...]
    position: Position
    digest: bytes
    snapshot: bool


@dataclass(frozen=True, slots=True)
class Announce:
    """Other preferences are in force: tell the rooms."""

    position: Position


@dataclass(frozen=True, slots=True)
class ComplainOfPreferences:
    """An operator should know."""

    problem: PreferenceProblem


Command = Say | Apply | Announce | ComplainOfPreferences


@dataclass(slots=True)
class _Assembly:
    """The parts of one batch so far."""

    first: Batch
    documents: list[Document] = field(default_factory=list)
    byte_count: int = 0
    is_refused: bool = False  # answered already; the rest is passed over

    def add(self, part: Batch) -> str:
        """Take one part; return what is wrong with it, or an empty text."""
        same = (part.base, part.target, part.digest, part.snapshot)
        if same != (self.first.base, self.first.target, self.first.digest, self.first.snapshot):
            return "the parts of a batch disagree"
        self.byte_count += sum(
            len(document.key) + len(document.body) + DOCUMENT_OVERHEAD_BYTES
            for document in part.documents
        )
        if self.byte_count > ASSEMBLY_BYTES_MAX:
            return f"a batch of more than {ASSEMBLY_BYTES_MAX >> 20} MiB"
        if len(self.documents) + len(part.documents) > ASSEMBLY_DOCUMENTS_MAX:
            return f"a batch of more than {ASSEMBLY_DOCUMENTS_MAX} documents"
        self.documents.extend(part.documents)
        return ""


class Follower:
    """The preferences of one shard, as the link sees them.

    Args:
        identity: who we are.
        applied: what the spool has in force.
        digest: of that set.
    """

    def __init__(self, *, identity: ShardIdentity, applied: Position, digest: bytes) -> None:
        self._identity = identity
        self.applied = applied
        self._digest = digest
        self.refused: PreferenceProblem | None = None  # until a later revision is applied
        self._assembly: _Assembly | None = None
        self._unreadable: str | None = None  # nonce of a batch of which a part could not be read
        self._applying: Batch | None = None
        self._bookmark: Bookmark | None = None
        self._bookmark_s = 0.0
        self._is_connected = False

    def handle(  # noqa: PLR0911 - one for each event
        self, event: Event, *, now_s: float
    ) -> list[Command]:
        """Return what to do about ``event``, in the order in which to do it.

        Args:
            event: what happened.
            now_s: the monotonic clock, in seconds.
        """
        match event:
            case Connected():
                self._is_connected = True
                return [Say(self._hello())]
            case Disconnected():
                self._is_connected = False
                self._assembly = self._applying = None  # parts alone are worth nothing
                self._unreadable = None
                return []
            case Batch(nonce=nonce) | Unreadable(nonce=nonce) if nonce == self._unreadable:
                return []  # the rest of it, answered already, would pass for a batch of its own
            case Batch():
                return self._take(event)
            case Bookmark():
                return self._note(event, now_s)
            case Unreadable(nonce="", reason=reason):
                return self._complain(LinkRefusal(reason=reason), self.applied.revision)
            case Unreadable(nonce=nonce, reason=reason):
                # A policy that we cannot express is refused, never applied in part (G15).
                self._assembly = None
                self._unreadable = nonce
                return self._refuse(nonce, LinkRefusal(reason=reason), self.applied.revision)
            case Applied(nonce=nonce, position=position, digest=digest):
                return self._applied(nonce, position, digest)
            case ApplyFailed(nonce=nonce, refusal=refusal):
                revision = self._applying.target.revision if self._applying else 0
                self._applying = None
                return self._refuse(nonce, refusal, revision)
            case _:
                assert_never(event)

    def lag(self, *, now_s: float) -> int | None:
        """Return how many revisions we are behind, or None when that is not known.

        Without a connection, a fresh bookmark and one epoch it is unknown, never 0 (G7).
        """
        bookmark = self._bookmark
        if bookmark is None or not self._is_connected:
            return None
        if now_s - self._bookmark_s > BOOKMARK_STALE_S:
            return None
        if bookmark.position.epoch != self.applied.epoch:
            return None
        return max(0, bookmark.position.revision - self.applied.revision)

    def age_s(self, *, now_s: float) -> float | None:
        """Return the seconds since the core last said where it is; None: not in this life."""
        return None if self._bookmark is None else max(0.0, now_s - self._bookmark_s)

    # ---- inside

    def _hello(self) -> PreferencesHello:
        return PreferencesHello(identity=self._identity, applied=self.applied, digest=self._digest)

    def _take(self, part: Batch) -> list[Command]:
        if self._assembly is not None and self._assembly.first.nonce == part.nonce:
            assembly = self._assembly
        else:
            assembly = self._assembly = _Assembly(part)  # what was begun before is dropped whole
            refusal = self._objection(part)
            if refusal is not None:
                return self._pass_over(assembly, part, refusal)
        if assembly.is_refused:
            return self._ended(part)
        wrong = assembly.add(part)
        if wrong:
            return self._pass_over(assembly, part, LinkRefusal(reason=wrong))
        if not part.last_part:
            return []
        self._assembly = None
        if self._has(part):
            return [Say(self._answer(part.nonce))]  # a repeat: our answer was lost
        self._applying = part
        return [
            Apply(
                nonce=part.nonce,
                documents=tuple(assembly.documents),
                position=part.target,
                digest=part.digest,
                snapshot=part.snapshot,
            )
        ]

    def _objection(self, batch: Batch) -> LinkRefusal | None:
        """Return why a batch must not be taken, whatever stands in it."""
        target, applied = batch.target, self.applied
        if target.epoch.generation < applied.epoch.generation:
            return LinkRefusal(
                reason=f"this core is an earlier one: its generation is {target.epoch.generation},"
                f" ours is {applied.epoch.generation}"
            )
        if target.epoch.generation == applied.epoch.generation:
            if target.epoch != applied.epoch:
                return LinkRefusal(
                    reason="this core is another one that claims the same generation"
                )
            if batch.snapshot and target.revision < applied.revision:
                return LinkRefusal(
                    reason=f"this core is at revision {target.revision} of the epoch in which we"
                    f" have {applied.revision}: it lost changes"
                )
        if not batch.snapshot and batch.base != applied and not self._has(batch):
            return LinkRefusal(reason="a batch from another base than ours", wants_snapshot=True)
        return None

    def _has(self, batch: Batch) -> bool:
        """Say whether a batch holds nothing that we have not applied."""
        if batch.snapshot:
            return batch.target == self.applied and batch.digest == self._digest
        return (
            batch.target.epoch == self.applied.epoch
            and batch.target.revision <= self.applied.revision
        )

    def _pass_over(self, assembly: _Assembly, part: Batch, refusal: LinkRefusal) -> list[Command]:
        assembly.is_refused = True
        assembly.documents.clear()
        self._ended(part)
        return self._refuse(part.nonce, refusal, part.target.revision)

    def _ended(self, part: Batch) -> list[Command]:
        if part.last_part:
            self._assembly = None
        return []

    def _applied(self, nonce: str, position: Position, digest: bytes) -> list[Command]:
        self._applying = None
        self.applied, self._digest = position, digest
        self.refused = None
        return [Announce(position), Say(self._answer(nonce))]

    def _refuse(self, nonce: str, refusal: LinkRefusal, revision: int) -> list[Command]:
        return [*self._complain(refusal, revision), Say(self._answer(nonce, refusal))]

    def _complain(self, refusal: LinkRefusal, revision: int) -> list[Command]:
        self.refused = PreferenceProblem(
            revision=revision, kind=refusal.kind, key=refusal.key, reason=refusal.reason
        )
        return [ComplainOfPreferences(self.refused)]

    def _answer(self, nonce: str, refusal: LinkRefusal | None = None) -> Answer:
        return Answer(nonce=nonce, applied=self.applied, digest=self._digest, refusal=refusal)

    def _note(self, bookmark: Bookmark, now_s: float) -> list[Command]:
        epoch = bookmark.position.epoch
        if epoch.generation < self.applied.epoch.generation:
            return []  # an earlier core's word says nothing of how old our knowledge is
        self._bookmark, self._bookmark_s = bookmark, now_s
        return []
