"""Does an engine pass the conformance suite that every engine must?

Pure of any test framework: each check is a coroutine that raises ``Nonconformity``. Whoever writes
an engine writes a ``Bench`` for it, which puts the engine's peer into a condition, and runs
``CHECKS``; our own engines pass the same ones. docs/engines.md shows it with pytest.

What is checked: each outcome comes out as itself; no fault of the peer ever reads as clean; names
and details are printable and bounded; a deadline is kept; a cancelled scan leaves neither task nor
descriptor, and no answer for the next message; scans at once do not mix up their answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from common.verdict import DETAIL_LENGTH_MAX, THREAT_LENGTH_MAX, Outcome, Verdict, printable
from satellite.scanning.engine import Engine
from satellite.scanning.sample import Sample

DEADLINE_S = 30.0  # where an answer is expected; far more than any needs
SHORT_S = 0.5  # where none is expected
LATE_S = 10.0  # beyond its deadline; nothing that keeps it comes near
PAUSE_S = 0.01
PARALLEL = 24
TURNS = (0, 1, 2, 3, 5, 8, 13, 40)  # of the event loop, after which a scan is cancelled


class Condition(StrEnum):
    """What the peer of an engine does with the next message."""

    CLEAN = "says clean"
    INFECTED = "names a threat"
    ENCRYPTED = "says that a part needs a password"
    MACRO = "says that there are macros"
    LIMITS = "says that the scan is incomplete"
    TOO_LARGE = "refuses the message in its middle, since it is too large"
    ERROR = "says that it failed"
    REFUSED = "takes no connection"
    DIES = "ends in the middle of the message"
    SILENT = "takes the message and never answers"
    GARBAGE = "answers with nonsense"
    EMPTY = "answers with nothing, and ends in order"
    SPLIT = "names a threat, one octet at a time"
    NAME_EIGHT_BIT = "names a threat in octets above 127"
    NAME_LONG = "names a threat of ten thousand octets"
    NAME_CONTROL = "names a threat with a line break, an escape and a bell in it"
    BY_CONTENT = "names a threat in some messages and not in others"


_FAILED = frozenset({Outcome.ERROR, Outcome.UNAVAILABLE, Outcome.TIMEOUT})
_GIVEN_UP = _FAILED | {Outcome.LIMITS}  # an engine may find that the message is to blame
_BAD_NAME = frozenset({Outcome.INFECTED, Outcome.ERROR, Outcome.LIMITS})  # never clean

ALLOWED: Mapping[Condition, frozenset[Outcome]] = {
    Condition.CLEAN: frozenset({Outcome.CLEAN}),
    Condition.INFECTED: frozenset({Outcome.INFECTED}),
    Condition.ENCRYPTED: frozenset({Outcome.ENCRYPTED}),
    Condition.MACRO: frozenset({Outcome.MACRO}),
    Condition.LIMITS: frozenset({Outcome.LIMITS}),
    Condition.TOO_LARGE: frozenset({Outcome.LIMITS}),
    Condition.ERROR: frozenset({Outcome.ERROR}),
    Condition.REFUSED: frozenset({Outcome.UNAVAILABLE}),
    Condition.DIES: _GIVEN_UP,
    Condition.SILENT: _GIVEN_UP,
    Condition.GARBAGE: frozenset({Outcome.ERROR, Outcome.LIMITS}),
    Condition.EMPTY: _GIVEN_UP,
    Condition.SPLIT: frozenset({Outcome.INFECTED}),
    Condition.NAME_EIGHT_BIT: _BAD_NAME,
    Condition.NAME_LONG: _BAD_NAME,
    Condition.NAME_CONTROL: _BAD_NAME,
}

# A peer that cannot be put into these tells nothing.
INDISPENSABLE = frozenset(
    {
        Condition.CLEAN,
        Condition.INFECTED,
        Condition.REFUSED,
        Condition.DIES,
        Condition.SILENT,
        Condition.BY_CONTENT,
    }
)


class Nonconformity(AssertionError):
    """An engine did what no engine may do."""


class NotApplicable(Exception):
    """The bench says that its peer cannot be in this condition, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arranged:
    """An engine whose peer is in a condition.

    Args:
        engine: fresh; the suite closes it.
        sample: a message with which the condition shows.
        reached: returns once the peer has received something of a message.
    """

    engine: Engine
    sample: Sample
    reached: Callable[[], Awaitable[object]]


class Bench(Protocol):
    """What the writer of an engine brings to the suite."""

    @property
    def impossible(self) -> Mapping[Condition, str]:
        """Return the conditions that this peer cannot be in, each with the reason."""
        ...

    def arrange(self, condition: Condition) -> AbstractAsyncContextManager[Arranged]:
        """Return an engine whose peer is in ``condition``; leaving it ends the peer."""
        ...

    def sample(self, number: int, *, infected: bool) -> Sample:
        """Return a message for ``BY_CONTENT``, another one for each number."""
        ...


Work = Callable[[Bench], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class ConformanceCheck:
    """One check of the suite.

    Args:
        name: a claim.
        run: raises ``Nonconformity``, or ``NotApplicable``.
    """

    name: str
    run: Work

    def __str__(self) -> str:
        return self.name


@asynccontextmanager
async def _arranged(bench: Bench, condition: Condition) -> AsyncIterator[Arranged]:
    """Arrange, and close the engine at the end."""
    if condition in bench.impossible:
        _demand(condition not in INDISPENSABLE, f"a peer that never {condition} tells nothing")
        raise NotApplicable(bench.impossible[condition])
    async with bench.arrange(condition) as arranged:
        try:
            yield arranged
        finally:
            await arranged.engine.close()


def _outcome_check(condition: Condition) -> ConformanceCheck:
    async def run(bench: Bench) -> None:
        deadline_s = SHORT_S if condition is Condition.SILENT else DEADLINE_S
        async with _arranged(bench, condition) as arranged:
            try:
                async with asyncio.timeout(deadline_s + LATE_S):
                    verdict = await arranged.engine.scan(arranged.sample, deadline_s=deadline_s)
            except TimeoutError:
                raise Nonconformity(f"no verdict {LATE_S:g} s after the deadline") from None
            _demand_form(verdict, arranged.engine)
            allowed = ALLOWED[condition]
            _demand(
                verdict.outcome in allowed,
                f"a peer that {condition} must read as {' or '.join(sorted(allowed))},"
                f" not as {verdict.outcome}: {verdict}",
            )

    return ConformanceCheck(f"a peer that {condition} is understood", run)


async def _answers_do_not_mix(bench: Bench) -> None:
    async with _arranged(bench, Condition.BY_CONTENT) as arranged:
        verdicts = await asyncio.gather(
            *(
                arranged.engine.scan(
                    bench.sample(number, infected=number % 3 == 0), deadline_s=DEADLINE_S
                )
                for number in range(PARALLEL)
            )
        )
        for number, verdict in enumerate(verdicts):
            _demand_outcome(verdict, infected=number % 3 == 0)


async def _cancellation_leaves_no_answer(bench: Bench) -> None:
    async with _arranged(bench, Condition.BY_CONTENT) as arranged:
        engine = arranged.engine
        for number, turns in enumerate(TURNS):
            sample = bench.sample(3 * number, infected=number % 2 == 0)
            await _cancelled_scan(engine, sample, turns)
            for step in (1, 2):
                infected = (number + step) % 2 == 0
                sample = bench.sample(3 * number + step, infected=infected)
                verdict = await engine.scan(sample, deadline_s=DEADLINE_S)
                _demand_outcome(verdict, infected=infected)


async def _one_cancelled(bench: Bench) -> None:
    async with _arranged(bench, Condition.SILENT) as arranged:
        scan = asyncio.create_task(arranged.engine.scan(arranged.sample, deadline_s=DEADLINE_S))
        await _reached(arranged, scan)
        _demand(not scan.done(), "a scan ended although its peer is silent")
        scan.cancel()
        await asyncio.wait([scan], timeout=LATE_S)
        _demand(scan.done(), "a scan does not obey its cancellation")
        _demand(scan.cancelled(), "a scan swallowed its cancellation")


async def _reached(arranged: Arranged, scan: asyncio.Task[Verdict]) -> None:
    """Wait until the peer has received something, or for the end of a scan that shows it nothing.

    Such a scan would else be awaited for ever: what its peer receives never comes.
    """
    reached = asyncio.ensure_future(arranged.reached())
    both = {reached, scan}
    await asyncio.wait(both, timeout=DEADLINE_S + LATE_S, return_when=asyncio.FIRST_COMPLETED)
    if reached.done():
        await reached
    else:
        reached.cancel()
        await asyncio.wait([reached])
        _demand(scan.done(), "a peer receives nothing of a message, and the scan does not end")


async def _a_few(bench: Bench) -> None:
    async with _arranged(bench, Condition.BY_CONTENT) as arranged:
        for number in range(3):
            await arranged.engine.scan(bench.sample(number, infected=False), deadline_s=DEADLINE_S)


def _leaves_nothing(work: Work) -> Work:
    async def run(bench: Bench) -> None:
        await work(bench)  # what an event loop opens once, it opens now
        before = _held()
        await work(bench)
        await _demand_nothing_held(before)

    return run


async def _probe_tells_life(bench: Bench) -> None:
    async with _arranged(bench, Condition.BY_CONTENT) as arranged:
        health = await arranged.engine.probe()
        _demand(health.answering, f"it says that it does not answer: {health.detail}")
        _demand(printable(health.version) == health.version, "its version is not printable")


async def _probe_tells_death(bench: Bench) -> None:
    async with _arranged(bench, Condition.REFUSED) as arranged:
        health = await arranged.engine.probe()
        _demand(not health.answering, "it says that it answers, and nobody is there")
        _demand(health.detail != "", "it does not say why it does not answer")


CHECKS: tuple[ConformanceCheck, ...] = (
    *(_outcome_check(condition) for condition in ALLOWED),
    ConformanceCheck("scans at once do not mix up their answers", _answers_do_not_mix),
    ConformanceCheck(
        "a cancelled scan leaves no answer to the next one", _cancellation_leaves_no_answer
    ),
    ConformanceCheck("a cancelled scan leaves nothing behind", _leaves_nothing(_one_cancelled)),
    ConformanceCheck("scans leave nothing behind", _leaves_nothing(_a_few)),
    ConformanceCheck("a probe tells that the engine lives", _probe_tells_life),
    ConformanceCheck("a probe tells that the engine is dead", _probe_tells_death),
)


async def _cancelled_scan(engine: Engine, sample: Sample, turns: int) -> None:
    scan = asyncio.create_task(engine.scan(sample, deadline_s=DEADLINE_S))
    for _ in range(turns):
        await asyncio.sleep(0)
    scan.cancel()
    await asyncio.wait([scan], timeout=LATE_S)
    _demand(scan.done(), "a scan does not obey its cancellation")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Nonconformity(otherwise)


def _demand_outcome(verdict: Verdict, *, infected: bool) -> None:
    expected = Outcome.INFECTED if infected else Outcome.CLEAN
    _demand(verdict.outcome is expected, f"expected {expected} of this message: {verdict}")


def _demand_form(verdict: object, engine: Engine) -> None:
    if not isinstance(verdict, Verdict):
        raise Nonconformity(f"{verdict!r} is no verdict")
    _demand(verdict.by == engine.name, f"a verdict by {verdict.by}, of {engine.name}")
    _demand(verdict.ms >= 0, "a negative time")
    _demand(printable(verdict.version) == verdict.version, "a version that is not printable")
    for threat in verdict.threats:
        _demand(
            printable(threat, length_max=THREAT_LENGTH_MAX) == threat,
            "a threat's name that is not printable or too long",
        )
    _demand(
        printable(verdict.detail, length_max=DETAIL_LENGTH_MAX) == verdict.detail,
        "a detail that is not printable or too long",
    )
    if verdict.outcome is Outcome.INFECTED:
        _demand(len(verdict.threats) > 0, "infected, and by nothing")


def _held() -> tuple[int, int]:
    """Return how many tasks and descriptors there are."""
    return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))


async def _demand_nothing_held(before: tuple[int, int]) -> None:
    """Demand that no more is held than before; what is being closed gets time to be."""
    for _ in range(round(LATE_S / PAUSE_S)):
        if all(now <= then for now, then in zip(_held(), before, strict=True)):
            return
        await asyncio.sleep(PAUSE_S)
    raise Nonconformity(f"tasks and descriptors before {before}, after {_held()}")
