"""Which verdict did an engine give a moment ago, of exactly these octets?

Pure: the time arrives as ``now_s``. A mass mailing is scanned once, and a message that waits for
one engine is not shown to the others again. What is remembered holds for the SHA-256 of the whole
sample and nothing less: an engine may condemn a message for any octet of it, a header field
included, and whoever knew of a field that does not count would put his program there. It holds for
one version of engine and definitions, and is gone as soon as the engine, in an answer or a probe,
tells another one, or somebody who has brought it new ones says so; a verdict that was asked for
before that is not taken up. An engine that tells no version of its definitions has no cache, and so
has one whose verdict depends on more than the octets; of such a one
only a waiting message itself has its verdict back.

An engine of several servers may tell several versions in turn, while their definitions differ. Each
is its own then, as long as it goes on to be told; only one that is new empties the cache.

For other messages only ``clean`` and ``infected`` are remembered, and only where no archive was
left unopened.
"""

from __future__ import annotations

from dataclasses import replace

from common.frozen import dataclass
from common.ids import MessageId
from common.verdict import DETAIL_LENGTH_MAX, Outcome, Verdict
from satellite.scanning.engine import EngineHealth
from satellite.scanning.sample import Sample

AGE_S_MAX = 600.0  # of a verdict; no shorter than the longest wait before a message is tried again
DIGEST_BYTES = 32  # of SHA-256; a sample with anything else is remembered by nobody
TOLD_S = 30.0  # after which a version is gone that is told no more, while another one is
TOLD_MAX = 8  # versions in turn; no engine has more servers
ENTRIES_MAX = 4_096  # each some 200 octets; the oldest go

Told = tuple[str, str, int]  # the versions of engine and definitions, and the time of these

_SHARED = frozenset({Outcome.CLEAN, Outcome.INFECTED})
_KEPT = _SHARED | {Outcome.ENCRYPTED, Outcome.MACRO, Outcome.LIMITS, Outcome.UNREADABLE}


@dataclass(frozen=True, slots=True)
class RememberedVerdict:
    """A verdict, the sample that it is of, and when that was shown to the engine."""

    sha256: bytes
    asked_s: float
    verdict: Verdict


def told_by(said: Verdict | EngineHealth) -> Told:
    """Return what an engine tells of itself, in an answer or in a probe."""
    return said.version, said.definitions, said.definitions_us


class VerdictCache:
    """What one engine said of late.

    Args:
        is_shared: other messages of the same octets have its verdict, too.
        age_s_max: seconds for which a verdict holds.
        entries_max: how many are remembered.
    """

    def __init__(
        self,
        *,
        is_shared: bool,
        age_s_max: float = AGE_S_MAX,
        entries_max: int = ENTRIES_MAX,
    ) -> None:
        self.is_shared = is_shared
        self._age_s_max = age_s_max
        self._entries_max = entries_max
        self._told: dict[Told, float] = {}  # when it was told last
        self._told_since_s = float("-inf")
        self._shared: dict[bytes, tuple[float, Verdict]] = {}
        self._kept: dict[MessageId, RememberedVerdict] = {}
        self._last: Verdict | None = None  # nearly all verdicts are alike: one object for them

    def __len__(self) -> int:
        """Return how many verdicts are remembered."""
        return len(self._shared) + len(self._kept)

    def found(self, sample: Sample, *, now_s: float) -> Verdict | None:
        """Return what the engine said of these octets, with a detail that tells so, or None."""
        entry = self._shared.get(sample.sha256)
        if entry is None or not self._holds(sample, entry[1], now_s - entry[0]):
            return None
        return _with_source(entry[1], f"from the cache, {now_s - entry[0]:.0f} s old")

    def kept(self, sample: Sample, *, now_s: float) -> Verdict | None:
        """Return what the engine said of this very message when it was tried before, or None."""
        entry = self._kept.get(sample.id)
        if entry is None or entry.sha256 != sample.sha256:
            return None
        if not self._holds(sample, entry.verdict, now_s - entry.asked_s):
            return None
        return _with_source(entry.verdict, f"kept from a try {now_s - entry.asked_s:.0f} s ago")

    def heard(self, sample: Sample, verdict: Verdict, *, asked_s: float, now_s: float) -> None:
        """Take note of an answer.

        Args:
            sample, verdict: what the engine said of what.
            asked_s: when it was shown the sample.
            now_s: the time.
        """
        if verdict.outcome not in _SHARED or len(sample.sha256) != DIGEST_BYTES:
            return
        self.learnt(told_by(verdict), now_s=now_s)
        if self.is_shared and self._is_certain(verdict, asked_s) and _is_plain(verdict):
            self._shared.pop(sample.sha256, None)  # the newest stand last
            self._shared[sample.sha256] = (asked_s, self._alike(verdict))
            if len(self._shared) > self._entries_max:
                del self._shared[next(iter(self._shared))]

    def keep(self, sample: Sample, verdict: Verdict, *, asked_s: float) -> None:
        """Remember a verdict for the message itself, which waits for another engine.

        Args:
            sample, verdict: what the engine said of what.
            asked_s: when it was shown the sample.
        """
        if verdict.outcome not in _KEPT or not self._is_certain(verdict, asked_s):
            return
        if len(sample.sha256) != DIGEST_BYTES:
            return
        self._kept.pop(sample.id, None)
        self._kept[sample.id] = RememberedVerdict(sample.sha256, asked_s, self._alike(verdict))
        if len(self._kept) > self._entries_max:
            del self._kept[next(iter(self._kept))]

    def learnt(self, told: Told, *, now_s: float, is_only: bool = False) -> bool:
        """Take note of the version that the engine tells; say whether it is another one.

        Then the cache is empty.

        Args:
            told: the version.
            now_s: the time.
            is_only: there is no other one beside it.
        """
        if told in self._told and len(self._told) == 1:  # nearly always
            self._told[told] = now_s
            return False
        kept_s = 0.0 if is_only else TOLD_S
        self._told = {
            one: last_s
            for one, last_s in self._told.items()
            if one == told or now_s - last_s < kept_s
        }
        is_other = told not in self._told
        if is_other:
            self._forget(now_s)
        self._told.pop(told, None)  # the newest stand last
        self._told[told] = now_s
        if len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]
        return is_other

    def empty(self, *, now_s: float) -> None:
        """Forget all, and take up nothing that was asked for before."""
        self._told.clear()
        self._forget(now_s)

    def _forget(self, now_s: float) -> None:
        self._told_since_s = now_s
        self._shared.clear()
        self._kept.clear()
        self._last = None

    def _holds(self, sample: Sample, verdict: Verdict, age_s: float) -> bool:
        is_fresh = age_s < min(self._age_s_max, sample.said_within_s)
        return is_fresh and told_by(verdict) in self._told

    def _is_certain(self, verdict: Verdict, asked_s: float) -> bool:
        """Say whether a verdict is surely of the version that is known.

        What was asked before that was told may be of the one before, whatever it says of itself.
        """
        is_current = bool(verdict.definitions) and told_by(verdict) in self._told
        return is_current and asked_s > self._told_since_s

    def _alike(self, verdict: Verdict) -> Verdict:
        """Return a verdict without what is of the moment, one object for all that are alike."""
        last = self._last
        if last is not None and _is_alike(last, verdict):
            return last
        self._last = replace(verdict, ms=0, attempt=1)
        return self._last


def _is_plain(verdict: Verdict) -> bool:
    """Say whether there is nothing in it beside what may be remembered for other messages."""
    return not verdict.unreadable and all(one.outcome in _SHARED for one in verdict.scoped)


def _is_alike(one: Verdict, other: Verdict) -> bool:
    return (
        one.outcome is other.outcome
        and told_by(one) == told_by(other)
        and one.threats == other.threats
        and one.detail == other.detail
        and one.unreadable == other.unreadable
        and one.scoped == other.scoped
    )


def _with_source(verdict: Verdict, what: str) -> Verdict:
    detail = f"{what}; {verdict.detail}"[:DETAIL_LENGTH_MAX] if verdict.detail else what
    return replace(verdict, detail=detail)
