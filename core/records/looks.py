"""What does one look of the engines at a message add to what is counted of them?

Pure. Counted are looks, and so tries: a message that waited for an engine has been looked at twice.
Who found what is counted once for each message, at its first scan that led to a judgement. Days are
those of the looks, UTC, as the satellite says; one that cannot be is the day on which it was told.

What a satellite says here becomes a row that is kept: an outcome that is none is ``other``, and the
store bounds how many names there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.records import AnyVerdict
from common.verdict import REMEMBERED, THREAT_LENGTH_MAX, Outcome
from core.records.reports import DAY_US

LATE_DAYS_MAX = 60  # a node was never cut off for longer, and its outbox holds no more
AHEAD_DAYS_MAX = 1  # of a clock that is wrong
MS_MAX = 3_600_000  # an hour; no engine has as long
COMPARED_MAX = 16  # engines of one look: what each says of the others' finds grows by the square

OTHERS = ""  # the names beyond those that are counted by themselves
UNNAMED = ""  # an engine that found something and did not say what

SILENT = frozenset({"timeout", "unavailable", "error"})  # asked, and nothing was heard
OF_MEMORY = "remembered"  # what it had said of the same octets stood for it
UNASKED = frozenset({"skipped", OF_MEMORY})
OF_A_FILTER = str(Outcome.SCORED)
_NO_TIME = UNASKED | {"unavailable"}  # nobody worked
_SAW_NOTHING = SILENT | {"skipped"}  # where no other engine has looked, nobody is alone
_FOUND = str(Outcome.INFECTED)
_OUTCOMES = frozenset(str(outcome) for outcome in Outcome)

# What an engine said of a message in which another one found something.
FOUND, CLEAN, UNSURE, UNHEARD, ALONE = "found", "clean", "unsure", "silent", "alone"


@dataclass(slots=True)
class LookCounts:
    """What some looks add up to; every key begins with the day, in days since the epoch."""

    answers: Counter[tuple[int, str, str]] = field(default_factory=Counter)  # engine, outcome
    times: Counter[tuple[int, str, int]] = field(default_factory=Counter)  # engine, bucket
    # Who found something, another, and what that one said; of itself: that it found, or alone.
    pairs: Counter[tuple[int, str, str, str]] = field(default_factory=Counter)
    alone: Counter[tuple[int, str, str]] = field(default_factory=Counter)  # engine, threat

    def add(self, verdicts: Sequence[AnyVerdict], *, day: int, counts_finds: bool) -> None:
        """Add one look.

        Args:
            verdicts: of the engines, and behind them of the filters.
            day: of the look, in days since the epoch.
            counts_finds: whether this look says who found what in its message.
        """
        outcomes: dict[str, str] = {}
        threats: dict[str, tuple[str, ...]] = {}
        filters_began = False
        for verdict in verdicts:
            outcome = str(verdict.outcome)
            filters_began = filters_began or outcome == OF_A_FILTER
            if filters_began:  # a filter that failed looks like an engine that did
                self.answers[day, verdict.by, OF_A_FILTER] += 1
            elif verdict.by not in outcomes:
                outcome = outcome if outcome in _OUTCOMES else "other"
                outcomes[verdict.by] = outcome
                told = OF_MEMORY if verdict.detail.startswith(REMEMBERED) else outcome
                self.answers[day, verdict.by, told] += 1
                if told not in _NO_TIME:
                    self.times[day, verdict.by, bucket_of(verdict.ms)] += 1
                if outcome == _FOUND:
                    threats[verdict.by] = verdict.threats
        if threats and counts_finds:
            self._add_finds(day, outcomes, threats)

    def _add_finds(
        self, day: int, outcomes: dict[str, str], threats: dict[str, tuple[str, ...]]
    ) -> None:
        compared = list(outcomes.items())[:COMPARED_MAX]
        for finder in list(threats)[:COMPARED_MAX]:
            for other, outcome in compared:
                self.pairs[day, finder, other, _said(outcome)] += 1
        others = [outcome for engine, outcome in outcomes.items() if engine not in threats]
        if len(threats) == 1 and not _SAW_NOTHING.issuperset(others):
            ((finder, names),) = threats.items()
            self.pairs[day, finder, finder, ALONE] += 1
            name = names[0][:THREAT_LENGTH_MAX] if names else UNNAMED
            self.alone[day, finder, name] += 1


def _said(outcome: str) -> str:
    if outcome == _FOUND:
        return FOUND
    if outcome == Outcome.CLEAN:
        return CLEAN
    return UNHEARD if outcome in SILENT else UNSURE


def day_of(time_us: int, *, now_us: int) -> int:
    """Return the day on which a look counts, in days since the epoch."""
    day, today = time_us // DAY_US, now_us // DAY_US
    return day if today - LATE_DAYS_MAX <= day <= today + AHEAD_DAYS_MAX else today


def bucket_of(ms: int) -> int:
    """Return the bucket of a time: each below 8 ms by itself, then four to each doubling."""
    ms = min(max(ms, 0), MS_MAX)
    if ms < 8:
        return ms
    shift = ms.bit_length() - 3
    return 4 + 4 * shift + (ms >> shift) - 4


def highest_ms(bucket: int) -> int:
    """Return the longest time of a bucket: at most a quarter above any other in it."""
    if bucket < 8:
        return bucket
    shift, place = divmod(bucket - 4, 4)
    return ((place + 5) << shift) - 1
