"""Whose definitions are older than they may be?

Pure. An engine that does not say when its definitions were made is never stale: nobody knows. Nor
is one whose definitions are from the future, which a clock is to blame for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from common.preferences import Preferences
from common.reports import EngineReport
from common.verdict import Verdict

_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US


def ages_max_us(preferences: Preferences, engines: Sequence[str]) -> Mapping[str, int]:
    """Return how old each engine's definitions may be, for those that have a limit."""
    hours = {name: preferences.definitions_age_max_h(name) for name in engines}
    return {name: round(limit_h * _HOUR_US) for name, limit_h in hours.items() if limit_h}


def is_stale(made_us: int, age_max_us: int | None, *, now_us: int) -> bool:
    """Say whether definitions are older than they may be.

    Args:
        made_us: when they were made, microseconds since the epoch; 0: unknown.
        age_max_us: None: there is no limit.
        now_us: the time.
    """
    return bool(made_us) and age_max_us is not None and now_us - made_us > age_max_us


def with_stale(
    verdicts: Sequence[Verdict], ages_max: Mapping[str, int], *, now_us: int
) -> tuple[Verdict, ...]:
    """Return the verdicts, those marked that were given with stale definitions."""
    if not ages_max:
        return tuple(verdicts)
    stale = {
        verdict.by
        for verdict in verdicts
        if verdict.definitions_us
        and is_stale(verdict.definitions_us, ages_max.get(verdict.by), now_us=now_us)
    }
    if not stale:  # nearly always
        return tuple(verdicts)
    return tuple(
        replace(verdict, is_stale=True) if verdict.by in stale else verdict for verdict in verdicts
    )


def described(verdict: Verdict) -> str:
    """Return which definitions a verdict was given with: their version and their day."""
    day = datetime.fromtimestamp(verdict.definitions_us / 1_000_000, UTC).date()
    return f"{verdict.definitions} of {day}".strip()


def stale_problems(
    engines: Iterable[EngineReport], preferences: Preferences, *, now_us: int
) -> tuple[str, ...]:
    """Return what an operator is told of engines with stale definitions, a sentence each."""
    found = list(engines)
    ages_max = ages_max_us(preferences, [engine.name for engine in found])
    return tuple(
        f"the definitions of {engine.name} are {_days(now_us - engine.definitions_us)} old;"
        f" at most {_days(ages_max[engine.name])} are allowed"
        for engine in found
        if is_stale(engine.definitions_us, ages_max.get(engine.name), now_us=now_us)
    )


def _days(duration_us: int) -> str:
    return f"{duration_us / _DAY_US:.1f} days"
