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

Which core may lead is judged before its first batch (``Named``), once for each of its processes and
epochs; ``verdict`` is what came of it. One that is refused is parted with. A core of the version
before names nothing: it is judged by where its first batch or bookmark stands, as far as that goes.

After each step: ``applied`` and ``_digest`` are what the spool has in force, and change with
``Applied`` alone; a batch of which the last part came was answered once; ``refused`` is the last
refusal until a batch is applied, or a core is accepted after one that was not; lag and age follow
the last bookmark, but never that of a core that is refused.

Source: docs/design/link-guarantees.md, G1-G8, G10, G13, G16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from common.identity import ShardIdentity
from common.link import (
    Answer,
    Batch,
    Bookmark,
    CoreStanding,
    LinkRefusal,
    PreferencesHello,
    PreferencesResponse,
    Unreadable,
)
from common.preferences import Document, Epoch, Position
from common.reports import PreferenceProblem
from satellite.link.assembly import Assembly
from satellite.link.core_verdict import (
    UNNAMED,
    CoreVerdict,
    objection,
    objection_to_batch,
    objection_to_position,
)

DAMAGED = "the documents here are not those that were applied: the core shall send everything"
BOOKMARK_STALE_S = 30.0  # several bookmarks missed: how far we are behind is unknown

# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connected:
    """A preference stream is open; nothing was said on it yet."""


@dataclass(frozen=True, slots=True)
class Named:
    """The core said which one it is, after our hello; None: it is of a version that does not."""

    core: CoreStanding | None


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
class Looked:
    """The documents in the spool were read again.

    Args:
        announced: digest of the set that was in force then, as its core announced it.
        found: digest of what was read.
    """

    announced: bytes
    found: bytes


@dataclass(frozen=True, slots=True)
class ApplyFailed:
    """The spool could not apply a batch; the last good set is in force."""

    nonce: str
    refusal: LinkRefusal


Event = Connected | Named | Disconnected | PreferencesResponse | Applied | ApplyFailed | Looked

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


@dataclass(frozen=True, slots=True)
class Leave:
    """End the stream: its core is not the one to follow, or is to hear another hello."""

    reason: str


Command = Say | Apply | Announce | ComplainOfPreferences | Leave


class Follower:
    """The preferences of one shard, as the link sees them.

    Args:
        identity: who we are.
        applied: what the spool has in force.
        digest: of that set, as the core announced it.
        found: of the documents that are there; None: the same.
    """

    def __init__(
        self,
        *,
        identity: ShardIdentity,
        applied: Position,
        digest: bytes,
        found: bytes | None = None,
    ) -> None:
        self._identity = identity
        self.applied = applied
        self._digest = digest
        self._found = digest if found is None else found
        self.refused: PreferenceProblem | None = None  # until a later revision is applied
        self.verdict: CoreVerdict | None = None  # on the core that was met last; None: not yet
        self.latest = applied.epoch  # of the cores that were accepted
        self._judged: Epoch | None = None  # what the verdict rests on; None: nothing was said
        self._assembly: Assembly | None = None
        self._unreadable: str | None = None  # nonce of a batch of which a part could not be read
        self._applying: Batch | None = None
        self._bookmark: Bookmark | None = None
        self._bookmark_s = 0.0
        self._is_told = False  # whether a bookmark came on the stream that is open

    def handle(  # noqa: PLR0911, PLR0912 - one for each event
        self, event: Event, *, now_s: float
    ) -> list[Command]:
        """Return what to do about ``event``, in the order in which to do it.

        Args:
            event: what happened.
            now_s: the monotonic clock, in seconds.
        """
        match event:
            case Connected():
                return [Say(self._hello())]
            case Named(core=core):
                return self._meet(core)
            case Disconnected():
                self._is_told = False
                if self.verdict is not None and self.verdict.life == UNNAMED:
                    self.verdict = None  # whoever answers next may be another one
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
            case Looked(announced=announced, found=found):
                return self._look(announced, found)
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

        Without a core that is accepted, a fresh bookmark on the stream that is open, and one epoch
        it is unknown, never 0 (G7).
        """
        bookmark = self._bookmark
        if bookmark is None or not self._is_told or self.core_refused:
            return None
        if now_s - self._bookmark_s > BOOKMARK_STALE_S:
            return None
        if bookmark.position.epoch != self.applied.epoch:
            return None
        return max(0, bookmark.position.revision - self.applied.revision)

    @property
    def is_damaged(self) -> bool:
        """Whether the documents here are not what was applied: somebody or something changed one.

        Our word on what we have names what is there, so that the core sends everything anew.
        """
        return self._found != self._digest

    @property
    def core_refused(self) -> str:
        """Why the core that was met last is not the one to follow; empty: it is, or none was."""
        return "" if self.verdict is None else self.verdict.reason

    def age_s(self, *, now_s: float) -> float | None:
        """Return the seconds since the core last said where it is; None: not in this life."""
        return None if self._bookmark is None else max(0.0, now_s - self._bookmark_s)

    # ---- inside

    def _hello(self) -> PreferencesHello:
        return PreferencesHello(identity=self._identity, applied=self.applied, digest=self._found)

    def _look(self, announced: bytes, found: bytes) -> list[Command]:
        if announced != self._digest:
            return []  # of a set that is not in force any more
        was_damaged, self._found = self.is_damaged, found
        return [Leave(DAMAGED)] if self.is_damaged and not was_damaged else []

    def _meet(self, core: CoreStanding | None) -> list[Command]:
        if core is None:
            self.verdict = self._judged = None  # until its first batch or bookmark
            return []
        wrong = objection(core, applied=self.applied, digest=self._digest, latest=self.latest)
        complaint = self._judge(CoreVerdict(core.life, wrong), core.position)
        return [*complaint, Leave(wrong)] if wrong else []

    def _judge(self, verdict: CoreVerdict, position: Position) -> list[Command]:
        """Keep a verdict, and return the complaint that comes of it."""
        was_refused, self.verdict = self.core_refused, verdict
        self._judged = position.epoch
        if verdict.reason:
            return self._complain(LinkRefusal(reason=verdict.reason), position.revision)
        self.latest = max(self.latest, position.epoch)
        if was_refused and self.refused is not None and self.refused.reason == was_refused:
            self.refused = None  # it was about another core, and is over
        return []

    def _judge_by(self, position: Position, wrong: str) -> None:
        """Judge a core by what it does: one that names nothing, or that began a new epoch."""
        life = UNNAMED if self.verdict is None else self.verdict.life
        if life != UNNAMED and position.epoch == self._judged:
            return  # it named itself in this epoch already
        self._judge(CoreVerdict(life, wrong), position)

    def _take(self, part: Batch) -> list[Command]:
        if self._assembly is not None and self._assembly.first.nonce == part.nonce:
            assembly = self._assembly
        else:
            self._judge_by(part.target, self._wrong_with(part))
            assembly = self._assembly = Assembly(part)  # what was begun before is dropped whole
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
        wrong = self.core_refused or self._wrong_with(batch)
        if wrong:
            return LinkRefusal(reason=wrong)
        if not batch.snapshot and batch.base != self.applied and not self._has(batch):
            return LinkRefusal(reason="a batch from another base than ours", wants_snapshot=True)
        return None

    def _wrong_with(self, batch: Batch) -> str:
        return objection_to_batch(
            batch, applied=self.applied, digest=self._digest, latest=self.latest
        )

    def _has(self, batch: Batch) -> bool:
        """Say whether a batch holds nothing that we have not applied."""
        if batch.snapshot:
            return batch.target == self.applied and batch.digest == self._found
        return (
            batch.target.epoch == self.applied.epoch
            and batch.target.revision <= self.applied.revision
        )

    def _pass_over(self, assembly: Assembly, part: Batch, refusal: LinkRefusal) -> list[Command]:
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
        self.applied, self._digest, self._found = position, digest, digest
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
        position = bookmark.position
        wrong = objection_to_position(position, applied=self.applied, latest=self.latest)
        self._judge_by(position, wrong)
        if self.core_refused:
            return []  # such a core's word says nothing of how old our knowledge is
        self._bookmark, self._bookmark_s, self._is_told = bookmark, now_s, True
        return []
