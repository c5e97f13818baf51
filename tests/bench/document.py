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
) -> str:
    """Return which goals are reached.

    Args:
        records: as ``measure`` makes them.
        others: the measurements beside the loads, for each of our ways to run.
        titles: of our ways to run, by name.
    """
    figures = figures_of(records)
    return goal_table(
        {
            title: verdicts(figures, others.get(name, Others()), ours=name)
            for name, title in titles.items()
        }
    )


def others_of(
    *,
    drain: Mapping[str, Any] | None = None,
    overload: Mapping[str, Any] | None = None,
    soak: Mapping[str, Any] | None = None,
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
    return found


def _drain_ratio(drain: Mapping[str, Any]) -> float:
    ratio: float = drain["drain_rate"] / drain["accept_rate"]
    return ratio


def _ready_s(drain: Mapping[str, Any]) -> float:
    starts = (drain["after_stop"], drain["after_kill"])
    slowest: float = max(seconds for start in starts for seconds in start.values())
    return slowest


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
