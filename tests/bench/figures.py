"""What do several runs of one load on one gateway say together?

Pure.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ENGINE = "clamd"  # the same for all who scan; its memory is no part of a gateway's

Key = tuple[str, str]  # peer, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One gateway under one load: medians over the runs, unless a name says otherwise.

    Args:
        runs: how many.
        rate: messages a second, from the first connection to the last arrival.
        rate_min: of the slowest run.
        rate_max: of the fastest run.
        accept_rate: messages a second that were answered 250.
        accept_p50_ms: from the connection (or MAIL, on a kept one) to the 250; None: no answer.
        accept_p99_ms: the same.
        end_p50_ms: from the connection to the arrival behind the gateway.
        end_p99_ms: the same.
        cpu_s_per_1000: processor time of gateway and scanner, for a thousand messages.
        core_cpu_s_per_1000: of the core, which is another machine in operation.
        pss_mib_max: the most memory of the gateway without its scanner.
        core_pss_mib_max: of the core.
        missing_max: accepted and never arrived.
        errors_max: broken sessions and 4xx answers.
        duplicates_max: arrived more than once.
        foreign_cpus_max: processors that others used.
        backlog: records that the core did not have when the load ended; None: it has no core.
        backlog_s: how long the core took for them.
    """

    runs: int
    rate: float
    rate_min: float
    rate_max: float
    accept_rate: float
    accept_p50_ms: float | None
    accept_p99_ms: float | None
    end_p50_ms: float | None
    end_p99_ms: float | None
    cpu_s_per_1000: float
    core_cpu_s_per_1000: float
    pss_mib_max: float
    core_pss_mib_max: float
    missing_max: int
    errors_max: int
    duplicates_max: int
    foreign_cpus_max: float
    backlog: float | None
    backlog_s: float | None


def figures_of(records: Iterable[Mapping[str, Any]]) -> dict[Key, Figures]:
    """Return the figures of each gateway under each load.

    Args:
        records: as ``measure`` makes them.
    """
    grouped: dict[Key, list[Mapping[str, Any]]] = {}
    for record in records:
        grouped.setdefault((record["peer"], record["load"]), []).append(record)
    return {key: _together(runs) for key, runs in grouped.items()}


def _together(runs: Sequence[Mapping[str, Any]]) -> Figures:
    rates = [run["rate"] for run in runs]
    return Figures(
        runs=len(runs),
        rate=statistics.median(rates),
        rate_min=min(rates),
        rate_max=max(rates),
        accept_rate=statistics.median(run["accept_rate"] for run in runs),
        accept_p50_ms=_quantile(runs, "accept_ms", "p50"),
        accept_p99_ms=_quantile(runs, "accept_ms", "p99"),
        end_p50_ms=_quantile(runs, "e2e_ms", "p50"),
        end_p99_ms=_quantile(runs, "e2e_ms", "p99"),
        cpu_s_per_1000=statistics.median(_per_1000(run, "cpu_s") for run in runs),
        core_cpu_s_per_1000=statistics.median(_per_1000(run, "apart_cpu_s") for run in runs),
        pss_mib_max=max(_gateway_mib(run) for run in runs),
        core_pss_mib_max=max(_core_mib(run) for run in runs),
        missing_max=max(run["missing"] for run in runs),
        errors_max=max(run["errors"] + run["tempfail_4xx"] for run in runs),
        duplicates_max=max(run["duplicates"] for run in runs),
        foreign_cpus_max=max(run["foreign_cpus"] for run in runs),
        backlog=_median(run.get("backlog") for run in runs),
        backlog_s=_median(run.get("backlog_s") for run in runs),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _quantile(runs: Iterable[Mapping[str, Any]], kind: str, quantile: str) -> float | None:
    return _median(run[kind][quantile] if run[kind] else None for run in runs)


def _per_1000(run: Mapping[str, Any], kind: str) -> float:
    handled: int = run["accepted"] + run["rejected_5xx"]
    used: float = sum(run[kind].values())
    return used / max(1, handled) * 1000


def _gateway_mib(run: Mapping[str, Any]) -> float:
    apart = {ENGINE, *run["apart_cpu_s"]}
    total: float = sum(mib for name, mib in run["pss_mib"].items() if name not in apart)
    return total


def _core_mib(run: Mapping[str, Any]) -> float:
    total: float = sum(run["pss_mib"].get(name, 0.0) for name in run["apart_cpu_s"])
    return total


def ratio(value: float | None, base: float | None) -> float | None:
    """Return a value as a multiple of another; None where one of them is not known."""
    if value is None or base is None or base == 0:
        return None
    return value / base
