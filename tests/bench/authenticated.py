"""Is a node as fast as Postfix with rspamd, when both find out who answers for each message?

Touches gateways, through ``speed``, and standard output. Both get the same signed mail by turns,
and ask a name server of their own for SPF, DKIM and DMARC; both have clamd.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench.document import made_by
from tests.bench.figures import Figures, figures_of
from tests.bench.loads import SIGNED
from tests.bench.peers.rspamd import AuthenticatingRspamd
from tests.bench.peers.scout import AuthenticatingScout
from tests.bench.table import markdown, number, pair

OURS, THEIRS = AuthenticatingScout, AuthenticatingRspamd
RATE_MIN = 1.0  # the goal: to Postfix + rspamd, on the mix, both with SPF, DKIM and DMARC


@dataclass(frozen=True, slots=True)
class Ratios:
    """Ours to theirs, the median of the rounds that both were measured in.

    Args:
        rate: of messages a second, each round's and the median.
        cpu: of processor time for a message.
    """

    rates: tuple[float, ...]
    rate: float
    cpu: float


def ratios_of(records: Sequence[Mapping[str, Any]]) -> Ratios | None:
    """Return the ratios, round by round, or None when there is no round of both.

    Args:
        records: as ``measure`` makes them.
    """
    rounds: dict[int, dict[str, Figures]] = {}
    for record in records:
        if record["load"] == SIGNED.name:
            (one,) = figures_of([record]).values()
            rounds.setdefault(record["round"], {})[record["peer"]] = one
    both = [
        (round_[OURS.name], round_[THEIRS.name])
        for _, round_ in sorted(rounds.items())
        if {OURS.name, THEIRS.name} <= round_.keys()
    ]
    if not both:
        return None
    rates = tuple(ours.rate / theirs.rate for ours, theirs in both)
    cpu = median(ours.cpu_s_per_1000 / theirs.cpu_s_per_1000 for ours, theirs in both)
    return Ratios(rates=rates, rate=median(rates), cpu=cpu)


def authenticated_text(kept: Mapping[str, Any]) -> str:
    """Return the table of both, and the ratios.

    Args:
        kept: header and ``records``.
    """
    figures = figures_of(kept["records"])
    titles = ("gateway", "msg/s [min–max]", "accept p50 / p99 ms", "CPU s / 1000", "PSS MiB")
    rows = [
        _row(kind.title, figures[kind.name, SIGNED.name])
        for kind in (OURS, THEIRS)
        if (kind.name, SIGNED.name) in figures
    ]
    table = markdown((*titles, "lost, errors, twice", "foreign CPUs"), rows)
    return "\n\n".join([made_by(kept), table, said_of(kept["records"])])


def said_of(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the ratios in a sentence."""
    found = ratios_of(records)
    if found is None:
        return "No round of both."
    rounds = ", ".join(number(one, 2) for one in found.rates)
    goal = "reached" if found.rate >= RATE_MIN else "**not reached**"
    return (
        f"Rate to Postfix + rspamd {found.rate:.2f} (goal {RATE_MIN:g}, {goal}; rounds {rounds});"
        f" processor time of a message {found.cpu:.2f} of theirs."
    )


def _row(title: str, one: Figures) -> tuple[str, ...]:
    return (
        title,
        f"{one.rate:.0f} [{one.rate_min:.0f}–{one.rate_max:.0f}]",
        pair(one.accept_p50_ms, one.accept_p99_ms),
        number(one.cpu_s_per_1000, 2),
        number(one.pss_mib_max, 0),
        f"{one.missing_max}, {one.errors_max}, {one.duplicates_max}",
        number(one.foreign_cpus_max, 2),
    )
