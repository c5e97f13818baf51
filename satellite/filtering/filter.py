"""What does a filter get, and what may it answer?

Pure: the port that every filter fulfils, ours and other people's. A filter is advisory: the points
of its tests count, and its failure is seen in its verdict, but no message waits for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.envelope import Envelope
from common.errors import LocalError
from common.frozen import dataclass
from common.lessons import Lesson, LessonOutcome
from common.preferences import Preferences
from common.records.bounds import TESTS_MAX
from common.settings.satellite import FilterSettings
from common.verdict import Outcome, Verdict
from satellite.filtering.inside import Inside
from satellite.filtering.resolver import Resolver
from satellite.filtering.tallies import Tallies
from satellite.headers import HeaderBlock

POINTS_MAX = 1_000.0  # of one test, up or down; thresholds are within ten times this

FILTER_OUTCOMES = frozenset(
    {Outcome.SCORED, Outcome.ERROR, Outcome.TIMEOUT, Outcome.UNAVAILABLE, Outcome.SKIPPED}
)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TEST_NAME = re.compile(r"[A-Z0-9_]{1,96}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message as a filter sees it.

    Args:
        envelope: client, HELO name, sender and recipients.
        headers: the header section as it came.
        size: octets of the body (RFC 5322: header section and all).
        preferences: of the one revision that judges this message.
        now_us: microseconds since the epoch, UTC: for entries that end.
        inside: what costs something to know of it; a filter asks for what it needs.
        id: of the message, the same whenever it is examined again; empty: of none that is on its
            way, which nobody counts.
    """

    envelope: Envelope
    headers: HeaderBlock
    size: int
    preferences: Preferences
    now_us: int
    inside: Inside
    id: str = ""


class Filter(Protocol):
    """One kind of spam test. An object serves all messages of its worker, many at a time."""

    @property
    def name(self) -> str:
        """The name in the settings; the kind for one that needs no settings."""
        ...

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return a verdict for each thing that was asked under a name of its own.

        None at all means that the preferences ask nothing of this filter. What goes wrong outside
        is a verdict (``unavailable``, ``timeout``, ``error``), not an exception.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; harmless when repeated."""
        ...


@runtime_checkable
class FilterAnswersAtOnce(Protocol):
    """What a filter has beside when it need not wait, for all mail or for some."""

    @property
    def name(self) -> str: ...

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Return what ``examine`` would, or None: it has to be asked.

        It runs in the event loop: within a tenth of a millisecond for usual mail.
        """
        ...


@runtime_checkable
class FilterAnswersForAll(Protocol):
    """What a filter has beside when some preferences have it say the same of all mail."""

    @property
    def name(self) -> str: ...

    def of_all(self, preferences: Preferences) -> tuple[Verdict, ...] | None:
        """Return what ``examine`` would of every message, or None: it has to see each.

        Args:
            preferences: asked about once, when they come into force.
        """
        ...


@runtime_checkable
class FilterTellsProblems(Protocol):
    """What a filter has beside that an operator should hear of when its points are missing."""

    @property
    def name(self) -> str: ...

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know now, a sentence each."""
        ...


@runtime_checkable
class FilterKeepsWatch(FilterTellsProblems, Protocol):
    """What a filter has beside when it looks after something by itself, and not for a message."""

    async def watch(self, preferences: Callable[[], Preferences]) -> None:
        """Look after it until cancelled.

        Args:
            preferences: gives those in force.
        """
        ...


@dataclass(frozen=True, slots=True)
class FilterHealth:
    """Whether a server that a filter asks would answer now.

    Args:
        address: where it is, as the settings have it.
        is_answering: it gave the answer that it must give.
        detail: what it says of itself, or what is wrong; printable.
    """

    address: str
    is_answering: bool
    detail: str = ""


@runtime_checkable
class AsksServers(Protocol):
    """What a filter has beside when it asks servers that the settings name."""

    async def probe(self) -> tuple[FilterHealth, ...]:
        """Return whether each would answer now; never raises for what they do."""
        ...


@dataclass(frozen=True, slots=True)
class Learned:
    """What a filter made of a lesson.

    Args:
        outcome: what became of it.
        reason: in a line, printable, where it was not learned.
    """

    outcome: LessonOutcome
    reason: str = ""


@runtime_checkable
class FilterLearns(Protocol):
    """What a filter has beside when it learns from what is said of mail."""

    @property
    def name(self) -> str: ...

    async def learn(self, lesson: Lesson) -> Learned:
        """Return what became of a lesson; never raises for what a server does.

        The same lesson may come again, and then is ``known``.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterContext:
    """What a filter may stand on."""

    clock: Clock
    resolver: Resolver
    metrics: CollectorRegistry
    tallies: Tallies


class Build(Protocol):
    """What an entry point of the group ``borderscout.filters`` names."""

    def __call__(self, settings: FilterSettings | None, context: FilterContext) -> Filter:
        """Return a filter; ``settings`` is None for a built-in one that nobody configured.

        Raises:
            LocalError: the options are wrong; says what would be right.
        """
        ...


class NotAVerdict(LocalError):
    """A filter answered what no filter may."""


def check_verdicts(answer: object) -> tuple[Verdict, ...]:
    """Return a filter's verdicts when they are such; a NaN must not decide over mail.

    Raises:
        NotAVerdict: says which rule is broken.
    """
    if not isinstance(answer, tuple) or not all(isinstance(v, Verdict) for v in answer):
        raise NotAVerdict(f"a filter answers with a tuple of verdicts, not {type(answer).__name__}")
    for verdict in answer:
        _check_verdict(verdict)
    return answer


def _check_verdict(verdict: Verdict) -> None:
    if not _NAME.fullmatch(verdict.by):
        raise NotAVerdict(f"{verdict.by[:80]!r} is no name of a filter")
    if verdict.outcome not in FILTER_OUTCOMES:
        raise NotAVerdict(f"{verdict.by} ended with {verdict.outcome.value}, as no filter can")
    if len(verdict.tests) > TESTS_MAX:
        raise NotAVerdict(f"{verdict.by} has more than {TESTS_MAX} tests")
    for test in verdict.tests:
        if not _TEST_NAME.fullmatch(test.name):
            raise NotAVerdict(f"{verdict.by}: {test.name[:80]!r} is no name of a test")
        if not math.isfinite(test.score) or abs(test.score) > POINTS_MAX:
            raise NotAVerdict(f"{verdict.by}: {test.name} has {test.score} points")


def name_of_test(*words: str) -> str:
    """Return the name of a test made of names from settings and preferences."""
    return re.sub(r"[^A-Z0-9]", "_", "_".join(words).upper())
