"""Which goals are there, and which are reached?

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.bench.figures import Figures, Key, ratio

PEER = "clamilter-unix"
QUICK = "postfix"
FULL_LOADS = ("i", "ii", "iii", "i200")


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """What the measurements beside the loads found; None: not measured.

    Args:
        drain_ratio: held messages that arrive a second, to those that were accepted a second.
        ready_s: from the start of a node with a full spool until it takes mail.
        goodput_ratio: what arrives at twice the load that is kept up, to the peak.
        recovery_ratio: the peak after such a load, to the one before.
        growth: memory in the last tenth of a long run, to that in the second tenth.
        unaccounted: messages of a long run whose end is not known.
        engines_ratio: the time of a message with three engines, to that with the slowest alone.
        engines_away_ratio: the same where the engines have machines of their own.
        scanning_ms: processor time of ours for a message of 4 KiB that three engines scan.
        cache_ratio: what a message costs, to what it costs when it comes again.
        filters_ms: processor time of all local filters for a message of 4 KiB, a page or plain.
        default_filters_ms: the same of those that are on by default.
        filter_round_ms: how long all filters take when DNS answers from memory.
        policy_us: to look up the policy of one of a million recipients.
        list_us: to look a message up in a million list entries.
        list_mib: the memory of these.
        track_ms: p95 of what happened to one message, while records and bodies come in at the core.
        page_ms: p95 of a page of the quarantine, likewise.
        small_plan_s, large_plan_s: processor time of MX plans of a hundred thousand and a million
            domains.
        small_plan_mib, large_plan_mib: the most memory of them.
        plan_share_pct: how far a site's domains are off its part by capacity.
        small_took_pct, large_took_pct: how far what a site takes while another is off differs from
            its part of what that one had.
    """

    drain_ratio: float | None = None
    ready_s: float | None = None
    goodput_ratio: float | None = None
    recovery_ratio: float | None = None
    growth: float | None = None
    unaccounted: int | None = None
    engines_ratio: float | None = None
    engines_away_ratio: float | None = None
    scanning_ms: float | None = None
    cache_ratio: float | None = None
    filters_ms: float | None = None
    default_filters_ms: float | None = None
    filter_round_ms: float | None = None
    policy_us: float | None = None
    list_us: float | None = None
    list_mib: float | None = None
    track_ms: float | None = None
    page_ms: float | None = None
    small_plan_s: float | None = None
    small_plan_mib: float | None = None
    large_plan_s: float | None = None
    large_plan_mib: float | None = None
    plan_share_pct: float | None = None
    small_took_pct: float | None = None
    large_took_pct: float | None = None


Measure = Callable[[Mapping[Key, Figures], Others, str], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One figure that must be at most, or at least, something.

    Args:
        what: in words.
        bound: the limit itself reaches the goal.
        is_floor: whether more is better.
        unit: after the figure; ``×`` is a ratio.
        measure: finds the figure for one of our ways to run; None: not measured.
    """

    what: str
    bound: float
    is_floor: bool
    unit: str
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A goal, and what was measured."""

    goal: Goal
    value: float | None

    @property
    def is_reached(self) -> bool | None:
        """Whether it is reached; None: not measured."""
        if self.value is None:
            return None
        if self.goal.is_floor:
            return self.value >= self.goal.bound
        return self.value <= self.goal.bound


def verdicts(figures: Mapping[Key, Figures], others: Others, *, ours: str) -> list[Verdict]:
    """Return every goal with its figure.

    Args:
        figures: of all gateways.
        others: beside the loads.
        ours: which of our ways to run is judged.
    """
    return [Verdict(goal=goal, value=goal.measure(figures, others, ours)) for goal in GOALS]


def _against(peer: str, load: str, field: Callable[[Figures], float | None]) -> Measure:
    def measure(figures: Mapping[Key, Figures], _others: Others, ours: str) -> float | None:
        our, their = figures.get((ours, load)), figures.get((peer, load))
        if our is None or their is None:
            return None
        return ratio(field(our), field(their))

    return measure


def _rate(peer: str, load: str, bound: float) -> Goal:
    name = "Postfix + clamav-milter" if peer == PEER else "Postfix that scans nothing"
    return Goal(
        what=f"rate on `{load}`, to {name}",
        bound=bound,
        is_floor=True,
        unit="×",
        measure=_against(peer, load, lambda one: one.rate),
    )


def _at_most(what: str, load: str, bound: float, field: Callable[[Figures], float | None]) -> Goal:
    return Goal(
        what=f"{what} on `{load}`, to Postfix + clamav-milter",
        bound=bound,
        is_floor=False,
        unit="×",
        measure=_against(PEER, load, field),
    )


def _memory(figures: Mapping[Key, Figures], _others: Others, ours: str) -> float | None:
    return max(
        (f.pss_mib_max for (peer, _load), f in figures.items() if peer == ours), default=None
    )


def _floor(what: str, bound: float, field: Callable[[Others], float | None]) -> Goal:
    return Goal(what=what, bound=bound, is_floor=True, unit="×", measure=_beside(field))


def _ceiling(what: str, bound: float, unit: str, field: Callable[[Others], float | None]) -> Goal:
    return Goal(what=what, bound=bound, is_floor=False, unit=unit, measure=_beside(field))


def _beside(field: Callable[[Others], float | None]) -> Measure:
    return lambda _figures, others, _ours: field(others)


GOALS = (
    _rate(PEER, "i", 2.0),
    _rate(PEER, "ii", 2.0),
    _rate(PEER, "i200", 2.0),
    _rate(PEER, "iii", 1.5),
    _rate(QUICK, "i", 0.9),
    _at_most("processor time per message", "i", 0.5, lambda one: one.cpu_s_per_1000),
    _at_most("processor time per message", "iii", 0.7, lambda one: one.cpu_s_per_1000),
    _at_most("accept p50", "calm", 1.0, lambda one: one.accept_p50_ms),
    _at_most("accept p99", "calm", 1.0, lambda one: one.accept_p99_ms),
    _at_most("end to end p50", "calm", 1.0, lambda one: one.end_p50_ms),
    *(_at_most("accept p99", load, 0.6, lambda one: one.accept_p99_ms) for load in FULL_LOADS),
    Goal(
        what="memory of a node with two workers, the most under any load",
        bound=200.0,
        is_floor=False,
        unit="MiB",
        measure=_memory,
    ),
    _floor(
        "held messages drain, to the rate at which they were accepted",
        0.8,
        lambda one: one.drain_ratio,
    ),
    _ceiling(
        "a node with a full spool takes mail after its start", 3.0, "s", lambda one: one.ready_s
    ),
    _floor(
        "goodput at twice the rate that is kept up, to the peak", 0.9, lambda one: one.goodput_ratio
    ),
    _floor("peak after that, to the peak before", 0.9, lambda one: one.recovery_ratio),
    _ceiling(
        "memory in the last tenth of a long run, to that in the second tenth",
        1.1,
        "×",
        lambda one: one.growth,
    ),
    _ceiling(
        "messages of a long run whose end is not known",
        0.0,
        "messages",
        lambda one: one.unaccounted,
    ),
    _ceiling(
        "a scan of `iii` with three engines that have machines of their own, to the slowest alone",
        1.15,
        "×",
        lambda one: one.engines_away_ratio,
    ),
    _ceiling(
        "the same with three engines that share these processors",
        1.15,
        "×",
        lambda one: one.engines_ratio,
    ),
    _ceiling(
        "our own part of a scan of 4 KiB by three engines",
        1.0,
        "ms",
        lambda one: one.scanning_ms,
    ),
    _floor(
        "a scan of 60 KiB, to that of a message that comes again",
        20.0,
        lambda one: one.cache_ratio,
    ),
    _ceiling("all local filters on 4 KiB", 2.0, "ms", lambda one: one.filters_ms),
    _ceiling("filters that are on by default", 0.3, "ms", lambda one: one.default_filters_ms),
    _ceiling(
        "what all filters add to a message, DNS from memory",
        5.0,
        "ms",
        lambda one: one.filter_round_ms,
    ),
    _ceiling("policy of one of a million recipients", 50.0, "µs", lambda one: one.policy_us),
    _ceiling("look-up in a million list entries", 20.0, "µs", lambda one: one.list_us),
    _ceiling("memory of a million list entries", 150.0, "MiB", lambda one: one.list_mib),
    _ceiling("track of one message at a busy core, p95", 300.0, "ms", lambda one: one.track_ms),
    _ceiling("a page of the quarantine there, p95", 300.0, "ms", lambda one: one.page_ms),
    _ceiling(
        "CPU time of the MX plan of 100 000 domains, 3 sites",
        10.0,
        "s",
        lambda one: one.small_plan_s,
    ),
    _ceiling(
        "memory of the MX plan of 100 000 domains", 300.0, "MiB", lambda one: one.small_plan_mib
    ),
    _ceiling(
        "CPU time of the MX plan of 1 000 000 domains, 20 sites",
        120.0,
        "s",
        lambda one: one.large_plan_s,
    ),
    _ceiling(
        "memory of the MX plan of 1 000 000 domains", 4096.0, "MiB", lambda one: one.large_plan_mib
    ),
    _ceiling(
        "domains of equally good sites, off their part by capacity",
        3.0,
        "%",
        lambda one: one.plan_share_pct,
    ),
    _ceiling(
        "what each of 2 takes of one that is off, off its part",
        5.0,
        "%",
        lambda one: one.small_took_pct,
    ),
    _ceiling(
        "what each of 19 takes of one that is off, off its part",
        5.0,
        "%",
        lambda one: one.large_took_pct,
    ),
)
