"""Which engine finds what the others do not, how fast is each, and how often does none answer?

Pure. Figures are of whole days, UTC. Times come from buckets: what is told is the longest time of a
bucket, at most a quarter too long and never too short. Filters are left out: a name that scored is
one, unless it also said what engines alone say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from core.records.looks import (
    ALONE,
    CLEAN,
    FOUND,
    OF_A_FILTER,
    OTHERS,
    SILENT,
    UNASKED,
    UNHEARD,
    UNSURE,
    highest_ms,
)
from core.records.reports import DAY_US, EVER_US
from core.records.search import iso_time

SAID = (FOUND, CLEAN, UNSURE, UNHEARD)  # of a message in which another engine found something
OTHERS_SHOWN = "others"  # engines beyond those that a node's day counts by name


class LookGroup(StrEnum):
    """What the groups of figures about engines are."""

    DAY = "day"  # UTC
    SITE = "site"


Key = str | int  # a group as it is stored: a node, or a day since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedLooks:
    """What was read, as rows whose last value is the count."""

    answers: Sequence[tuple[Key, str, str, int]]  # group, engine, outcome
    times: Sequence[tuple[Key, str, int, int]]  # group, engine, bucket
    pairs: Sequence[tuple[Key, str, str, str, int]]  # group, finder, another, what that one said
    alone: Sequence[tuple[str, str, int]]  # engine, threat; those with most messages
    first_day: int | None  # of all that is counted, whatever was asked for; None: nothing is


@dataclass(slots=True)
class LookTally:
    """The figures of one engine in one group."""

    answers: Counter[str] = field(default_factory=Counter)  # by outcome
    times: Counter[int] = field(default_factory=Counter)  # by bucket
    found: int = 0
    alone: int = 0

    @property
    def asked(self) -> int:
        """How often it was asked."""
        return self.answers.total() - sum(self.answers[outcome] for outcome in UNASKED)

    def as_json(self) -> dict[str, Any]:
        """Return the figures by name; times are None when there is none."""
        asked = self.asked
        silent = sum(self.answers[outcome] for outcome in SILENT)
        return {
            "asked": asked,
            "silent": silent,
            "silent_share": round(silent / asked, 6) if asked else 0.0,
            "outcomes": dict(sorted(self.answers.items())),
            "p50_ms": quantile_ms(self.times, 50),
            "p95_ms": quantile_ms(self.times, 95),
            "max_ms": quantile_ms(self.times, 100),
            "found": self.found,
            "alone": self.alone,
        }


@dataclass(slots=True)
class _Group:
    """The figures of all engines in one group."""

    tallies: dict[str, LookTally] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return sorted(self.tallies, key=lambda name: (name == OTHERS, name))

    @property
    def asked(self) -> int:
        return sum(tally.asked for tally in self.tallies.values())

    def tally(self, engine: str) -> LookTally:
        return self.tallies.setdefault(engine, LookTally())

    def as_json(self) -> list[dict[str, Any]]:
        return [{"name": _shown(name)} | self.tallies[name].as_json() for name in self.names]


def quantile_ms(times: Mapping[int, int], percent: int) -> int | None:
    """Return the time within which so many of a hundred ended; None when there is none.

    Args:
        times: how many by bucket.
        percent: 1 to 100.
    """
    wanted = -(-sum(times.values()) * percent // 100)  # rounded up
    seen = 0
    for bucket in sorted(times):
        seen += times[bucket]
        if seen >= wanted:
            return highest_ms(bucket)
    return None


def filters_of(answers: Iterable[tuple[Key, str, str, int]]) -> tuple[set[str], set[str]]:
    """Return the names that are filters, and those that only failed and so may be either."""
    engines: set[str] = set()
    filters: set[str] = set()
    names: set[str] = set()
    for _key, name, outcome, _count in answers:
        names.add(name)
        if outcome == OF_A_FILTER:
            filters.add(name)
        elif outcome not in SILENT:
            engines.add(name)
    return filters - engines, names - filters - engines


def report(
    counted: CountedLooks,
    by: LookGroup,
    *,
    since_us: int,
    until_us: int,
    filters: set[str],
    sites: Mapping[str, str],
    limit: int,
) -> dict[str, Any]:
    """Return the report as it travels.

    Args:
        counted: what was read of these days.
        by: what the groups are.
        since_us, until_us: the first moment of the days, and the first after them.
        filters: names that are none of engines.
        sites: the site of each node; one that is not there is its own.
        limit: at most so many groups: the newest days, otherwise the busiest.
    """
    totals, groups = _tallied(counted, by, filters, sites)
    return {
        "by": str(by),
        "since": iso_time(since_us),
        "until": iso_time(until_us) if until_us < EVER_US else None,
        "counted_since": None if counted.first_day is None else _day_name(counted.first_day),
        "engines": totals.as_json(),
        "agreement": _agreement(counted, totals),
        "alone": [
            {"name": threat, "by": _shown(engine), "messages": messages}
            for engine, threat, messages in counted.alone
        ],
        "groups": [
            {"name": name, "engines": groups[name].as_json()}
            for name in _ordered(groups, by)[:limit]
        ],
    }


def _tallied(
    counted: CountedLooks, by: LookGroup, filters: set[str], sites: Mapping[str, str]
) -> tuple[_Group, dict[str, _Group]]:
    totals, groups = _Group(), dict[str, _Group]()

    def tallies(key: Key, engine: str) -> Iterable[LookTally]:
        if engine in filters:
            return ()
        name = _day_name(int(key)) if by is LookGroup.DAY else sites.get(str(key), str(key))
        return totals.tally(engine), groups.setdefault(name, _Group()).tally(engine)

    for key, engine, outcome, count in counted.answers:
        for tally in tallies(key, engine):
            tally.answers[outcome] += count
    for key, engine, bucket, count in counted.times:
        for tally in tallies(key, engine):
            tally.times[bucket] += count
    for key, finder, other, said, count in counted.pairs:
        if finder == other and said in (FOUND, ALONE):
            for tally in tallies(key, finder):
                tally.found += count if said == FOUND else 0
                tally.alone += count if said == ALONE else 0
    return totals, groups


def _agreement(counted: CountedLooks, totals: _Group) -> list[dict[str, Any]]:
    """Return for each engine that found something what the others said of the same messages."""
    said_of: dict[str, dict[str, Counter[str]]] = {}
    for _key, finder, other, said, count in counted.pairs:
        if finder in totals.tallies and other in totals.tallies and finder != other:
            said_of.setdefault(finder, {}).setdefault(other, Counter())[said] += count
    return [
        {
            "engine": _shown(finder),
            "found": totals.tallies[finder].found,
            "alone": totals.tallies[finder].alone,
            "others": [
                {"name": _shown(other)} | {word: said[word] for word in SAID}
                for other, said in sorted(said_of.get(finder, {}).items())
            ],
        }
        for finder in totals.names
        if totals.tallies[finder].found
    ]


def _ordered(groups: Mapping[str, _Group], by: LookGroup) -> list[str]:
    if by is LookGroup.DAY:
        return sorted(groups, reverse=True)
    return sorted(groups, key=lambda name: (-groups[name].asked, name))


def _shown(engine: str) -> str:
    return engine or OTHERS_SHOWN


def _day_name(day: int) -> str:
    return iso_time(day * DAY_US)[:10]
