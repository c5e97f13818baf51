"""What stands in ``docs/benchmarks.md`` between its markers?

Pure. The page around them is written by hand; what is between them is made from the results.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.bench.figures import figures_of
from tests.bench.goals import Others, verdicts
from tests.bench.loads import LOADS, SOAK
from tests.bench.table import goal_table, load_table, markdown, number, pair

FOREIGN_CPUS_MAX = 0.3  # else times of engines that compute side by side tell nothing
ALL = "all three"  # engines together, among the times of each alone


class MarkerMissing(Exception):
    """The page has no place for a section."""


def put(page: str, section: str, text: str) -> str:
    """Return a page with the text of one section in place of what was there.

    Raises:
        MarkerMissing: the page has no such section.
    """
    begin, end = f"<!-- bench:{section} -->", f"<!-- bench:{section} end -->"
    pattern = re.compile(f"(?s){re.escape(begin)}.*?{re.escape(end)}")
    if pattern.search(page) is None:
        raise MarkerMissing(f"{begin} … {end}")
    return pattern.sub(lambda _found: f"{begin}\n\n{text}\n\n{end}", page, count=1)


def section_of(page: str, section: str) -> str:
    """Return what stands in a section of a page; empty when there is none."""
    begin, end = f"<!-- bench:{section} -->", f"<!-- bench:{section} end -->"
    return page.partition(begin)[2].partition(end)[0].strip()


def made_by(header: Mapping[str, Any]) -> str:
    """Return which command made something, when, and on what.

    Args:
        header: ``command``, ``when`` and ``machine``.
    """
    facts = [f"{title} {fact}" for title, fact in header["machine"].items()]
    return f"Made by `{header['command']}`, begun {header['when']}.\n\n{'; '.join(facts)}."


def speed_text(
    header: Mapping[str, Any], records: Sequence[Mapping[str, Any]], titles: Mapping[str, str]
) -> str:
    """Return the tables of all loads.

    Args:
        header: about the run.
        records: as ``measure`` makes them.
        titles: of the gateways by name.
    """
    figures = figures_of(records)
    parts = [made_by(header)]
    for load in LOADS.values():
        if table := load_table(figures, load.name, titles):
            parts += [f"### `{load.name}`: {load.meaning}", table]
    return "\n\n".join(parts)


def goals_text(
    records: Sequence[Mapping[str, Any]],
    others: Mapping[str, Others],
    titles: Mapping[str, str],
    *,
    processors: Sequence[str] = (),
    former: str = "",
) -> str:
    """Return which goals are reached.

    Args:
        records: as ``measure`` makes them.
        others: the measurements beside the loads, for each of our ways to run.
        titles: of our ways to run, by name.
        processors: on which the figures were made.
        former: the section as it was; a goal that nobody measured again stands as there.
    """
    figures = figures_of(records)
    table = goal_table(
        {
            title: verdicts(figures, others.get(name, Others()), ours=name)
            for name, title in titles.items()
        },
        former=former,
    )
    on = " and ".join(dict.fromkeys(processors))
    return f"Measured on {on}.\n\n{table}" if on else table


def others_of(
    *,
    drain: Mapping[str, Any] | None = None,
    overload: Mapping[str, Any] | None = None,
    soak: Mapping[str, Any] | None = None,
    engines: Mapping[str, Any] | None = None,
    filters: Mapping[str, Any] | None = None,
    lists: Mapping[str, Any] | None = None,
    store: Mapping[str, Any] | None = None,
    plans: Mapping[str, Any] | None = None,
) -> Others:
    """Return what the goals need of the measurements beside the loads; None: not made."""
    found = Others()
    if drain is not None:
        found = replace(found, drain_ratio=_drain_ratio(drain), ready_s=_ready_s(drain))
    if overload is not None:
        goodput = overload["goodput"] / overload["peak"]
        recovery = overload["peak_after"] / overload["peak"]
        found = replace(found, goodput_ratio=goodput, recovery_ratio=recovery)
    if soak is not None:
        found = replace(found, growth=soak["growth"], unaccounted=soak["unaccounted"])
    if engines is not None:
        is_quiet = engines["foreign_cpus"] <= FOREIGN_CPUS_MAX
        found = replace(
            found,
            engines_ratio=_to_the_slowest(engines["ms"]) if is_quiet else None,
            engines_away_ratio=_to_the_slowest(engines["away_ms"]),
            scanning_ms=engines["own_ms"],
            cache_ratio=engines["different_ms"] / engines["repeated_ms"],
        )
    if filters is not None:
        cpu_ms = filters["cpu_ms"]
        found = replace(
            found,
            filters_ms=max(cpu_ms["local"].values()),
            default_filters_ms=max(cpu_ms["default"].values()),
            filter_round_ms=max(filters["elapsed_ms"]["round"].values()),
        )
    if lists is not None:
        found = replace(
            found,
            policy_us=lists["policy_us"],
            list_us=max(lists["stranger_us"], lists["known_us"]),
            list_mib=lists["memory_mib"],
        )
    if store is not None:
        found = replace(found, track_ms=store["track_p95_ms"], page_ms=store["page_p95_ms"])
    if plans is not None:
        small, large = plans["small"], plans["large"]
        found = replace(
            found,
            small_plan_s=small["cpu_s"],
            small_plan_mib=small["peak_mib"],
            large_plan_s=large["cpu_s"],
            large_plan_mib=large["peak_mib"],
            plan_share_pct=max(small["share_off_pct"], large["share_off_pct"]),
            small_took_pct=small["took_off_pct"],
            large_took_pct=large["took_off_pct"],
        )
    return found


def _to_the_slowest(times: Mapping[str, float]) -> float:
    """Return the time with all engines, to that with the slowest alone."""
    return times[ALL] / max(ms for name, ms in times.items() if name != ALL)


def _one_at_best(engines: Mapping[str, Any]) -> float:
    """Return what the time of one message at a time could be at best, to the slowest alone.

    Each message takes as long as the slowest of its engines, and as its processor time when that is
    spread over all processors: what is left of them beside a small message helps no large one.
    """
    names = [name for name in engines["ms"] if name != ALL]
    alone_ms, best_ms = dict.fromkeys(names, 0.0), 0.0
    for kind in engines["kinds"].values():
        times: list[float] = [kind["ms"][name] for name in names]
        share: float = kind["share"]
        shared_ms: float = kind["cpu_ms"] / engines["processors"]
        best_ms += share * max(shared_ms, *times)
        for name, ms in zip(names, times, strict=True):
            alone_ms[name] += share * ms
    return best_ms / max(alone_ms.values())


def _busy_at_best(engines: Mapping[str, Any]) -> float:
    """Return the same of messages enough at a time that no processor has to wait for one."""
    slowest_ms: float = max(ms for name, ms in engines["busy_ms"].items() if name != ALL)
    shared_ms: float = engines["busy_cpu_ms"] / engines["processors"]
    return max(1.0, shared_ms / slowest_ms)


def engines_text(engines: Mapping[str, Any]) -> str:
    """Return what scanning costs with three engines, and from the cache."""
    rows = [
        (what, *_times(engines[kind]), number(_to_the_slowest(engines[kind]), 2), number(best, 2))
        for what, kind, best in (
            ("one message at a time", "ms", _one_at_best(engines)),
            ("four at a time, as a worker does", "busy_ms", _busy_at_best(engines)),
            ("engines elsewhere, that take 20, 15 and 10 ms", "away_ms", 1.0),
        )
    ]
    titles = ("ms for one message of `iii`", "each engine alone", ALL, "to the slowest", "at best")
    alone, together = _times(engines["cpu_ms"])
    facts = [
        f"Of processor time such a message takes {alone} ms alone, {together} ms with {ALL}, and "
        f"{engines['busy_cpu_ms']:.2f} ms with {ALL} when four come at a time. *At best* is what "
        f"{engines['processors']} processors would reach that did nothing else and never waited: a "
        "message takes at least what the slowest engine takes, and what its processor time comes "
        "to on all of them.",
        "Our own processor time for a message of 4 KiB that three engines scan: "
        f"{engines['own_ms']:.2f} ms. Different messages of 60 KiB use "
        f"{engines['different_ms']:.1f} ms of processor time each, engines included, and one that "
        f"comes again {engines['repeated_ms']:.3f} ms. "
        f"Foreign CPUs: {engines['foreign_cpus']:.2f}.",
    ]
    return "\n\n".join([made_by(engines), markdown(titles, rows), *facts])


def _times(times: Mapping[str, float]) -> tuple[str, str]:
    alone = ", ".join(f"{name} {ms:.2f}" for name, ms in times.items() if name != ALL)
    return alone, number(times[ALL], 2)


def _drain_ratio(drain: Mapping[str, Any]) -> float:
    ratio: float = drain["drain_rate"] / drain["accept_rate"]
    return ratio


def _ready_s(drain: Mapping[str, Any]) -> float:
    starts = (drain["after_stop"], drain["after_kill"])
    slowest: float = max(seconds for start in starts for seconds in start.values())
    return slowest


# Beside each stage that is measured, what it is; in the order of a message's way.
STAGES = {
    "front end": "SMTP with the sender",
    "spool": "statements and commits, and the disk's share of them",
    "judging": "who is asked, what they said, headers; plain mail's rules",
    "helper": "mail taken apart and matched",
    "engines": "clamd",
    "delivery": "SMTP with the next hop, routes, results",
    "records": "written, and sent to the core, gRPC included",
    "event loop": "sockets and turns that belong to no stage",
    "parent": "of the workers; metrics",
    "core": "records taken in; another machine in operation, and no part of the sum",
}


def stages_text(stages: Mapping[str, Any]) -> str:
    """Return what each stage of a node costs for one message, a column for each load."""
    loads: Mapping[str, Mapping[str, float]] = stages["loads"]
    rows = [
        (f"{stage}: {meaning}", *(number(used.get(stage), 2) for used in loads.values()))
        for stage, meaning in STAGES.items()
    ]
    sums = [sum(ms for stage, ms in used.items() if stage != "core") for used in loads.values()]
    rows.insert(-1, ("**together**", *(f"**{number(ms, 2)}**" for ms in sums)))
    titles = ("processor time in ms for one message", *(f"`{load}`" for load in loads))
    return f"{made_by(stages)}\n\n{markdown(titles, rows)}"


def drain_text(drain: Mapping[str, Any]) -> str:
    """Return what became of held mail."""
    stop, kill = drain["after_stop"], drain["after_kill"]
    rows = [
        ("messages held", f"{drain['accepted']}"),
        ("accepted, a second", number(drain["accept_rate"], 0)),
        ("judged and held, after the last was accepted", f"{number(drain['judged_s'])} s"),
        ("spools", f"{drain['spool_mib']} MiB"),
        ("node's memory while it holds them", f"{number(drain['pss_mib'], 0)} MiB"),
        ("records the core did not have then, caught up in", _behind(drain)),
        (
            "started anew after a stop: `/readyz`, SMTP banner",
            f"{stop['ready_s']} s, {stop['banner_s']} s",
        ),
        (
            "started anew after `kill -9`: `/readyz`, SMTP banner",
            f"{kill['ready_s']} s, {kill['banner_s']} s",
        ),
        (
            "first arrival, after the customer's server is back",
            f"{number(drain['first_arrival_s'])} s",
        ),
        ("arrivals, a second", number(drain["drain_rate"], 0)),
        ("to the accept rate", number(_drain_ratio(drain), 2)),
        ("node's memory meanwhile, at most", f"{number(drain['drain_pss_mib'], 0)} MiB"),
        ("lost, twice, bounced", f"{drain['missing']}, {drain['duplicates']}, {drain['bounces']}"),
    ]
    return f"{made_by(drain)}\n\n{markdown(('what', 'figure'), rows)}"


def overload_text(overload: Mapping[str, Any]) -> str:
    """Return what became of twice the load that is kept up."""
    answers = overload["accept_ms"] or {}
    rows = [
        ("peak, messages a second", number(overload["peak"], 0)),
        ("offered", number(overload["offered"], 0)),
        ("goodput, messages a second", number(overload["goodput"], 0)),
        ("goodput to the peak", number(overload["goodput"] / overload["peak"], 2)),
        ("accept p50 / p99 ms", pair(answers.get("p50"), answers.get("p99"))),
        ("accepted, put off with 4xx, broken", _answers(overload)),
        ("lost, twice", f"{overload['missing']}, {overload['duplicates']}"),
        ("peak afterwards", number(overload["peak_after"], 0)),
    ]
    return f"{made_by(overload)}\n\n{markdown(('what', 'figure'), rows)}"


def _answers(overload: Mapping[str, Any]) -> str:
    return f"{overload['accepted']}, {overload['tempfail_4xx']}, {overload['errors']}"


def _behind(record: Mapping[str, Any]) -> str:
    return f"{record['backlog']}, {number(record['backlog_s'])} s"


SOAK_TITLES = (
    "accepted",
    "arrived",
    "node PSS MiB",
    "core PSS MiB",
    "spools MiB",
    "their logs MiB",
    "outbox records",
    "core's database MiB",
)
SOAK_ROWS_MAX = 24


def soak_text(soak: Mapping[str, Any]) -> str:
    """Return how a long run went."""
    samples = soak["samples"]
    step = max(1, -(-len(samples) // SOAK_ROWS_MAX))
    shown = [*samples[:-1:step], samples[-1]]
    core = soak["core"]
    ends = ", ".join(f"{name} {count}" for name, count in core.items() if count)
    complaints = soak["complaints"] or ["none: the end of every message is known"]
    facts = [
        f"{soak['messages']} messages ({SOAK.meaning}) at {soak['rate_per_s']} a second, "
        f"{soak['total_s'] / 60:.0f} minutes.",
        f"- the senders had {soak['accepted']} times 250, {soak['tempfail_4xx']} times 4xx, and "
        f"{soak['errors']} broken sessions",
        f"- at the customer's server {soak['arrived']} different messages arrived, "
        f"{soak['duplicates']} of them twice; {soak['infected_sent']} carried EICAR",
        f"- at the core: {ends}",
        f"- complaints: {'; '.join(complaints)}",
        f"- memory in the last tenth, to the second tenth: {number(soak['growth'], 3)}",
    ]
    table = markdown(SOAK_TITLES, [_soak_row(sample) for sample in shown])
    return "\n\n".join([made_by(soak), facts[0], "\n".join(facts[1:]), table])


def _soak_row(sample: Mapping[str, Any]) -> list[str]:
    files = sample["files_bytes"]
    spools = [n for name, n in files.items() if name.endswith("spool.db")]
    logs = [n for name, n in files.items() if name.endswith("spool.db-wal")]
    core = [n for name, n in files.items() if "core.db" in name]
    return [
        str(sample.get("accepted", 0)),
        str(sample.get("arrived", 0)),
        number(sample["pss_mib"]["node"]),
        number(sample["pss_mib"]["core"]),
        _mib(spools),
        _mib(logs),
        str(sample["outbox_records"]),
        _mib([sum(core)]),
    ]


def _mib(sizes: Sequence[int]) -> str:
    return " + ".join(f"{size / 2**20:.1f}" for size in sizes)
