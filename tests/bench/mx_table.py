"""What do MX plans of very many domains cost, as a table of ``docs/benchmarks.md``?

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.bench.document import made_by
from tests.bench.table import markdown

_ROWS: tuple[tuple[str, Callable[[Mapping[str, float]], str]], ...] = (
    ("processor time", lambda one: f"{one['cpu_s']:.1f} s"),
    ("the most memory", lambda one: f"{one['peak_mib']:.0f} MiB"),
    ("the plan's file", lambda one: f"{one['file_mib']:.0f} MiB"),
    ("domains of a site, off its part", lambda one: f"{one['share_off_pct']:.2f} %"),
    ("while another is off", lambda one: f"{one['share_off_when_one_is_off_pct']:.2f} %"),
    (
        "what a site takes of one that is off, off its part",
        lambda one: f"{one['took_off_pct']:.2f} %",
    ),
    ("in standard deviations of independent choices", lambda one: f"{one['took_sigmas']:.2f}"),
    ("root of the mean square of these", lambda one: f"{one['took_sigmas_mean']:.2f}"),
    ("domains of the smallest such part", lambda one: f"{one['took_fewest']:.0f}"),
)


def mx_text(plans: Mapping[str, Any]) -> str:
    """Return what plans cost, and how evenly they share.

    Args:
        plans: the record of ``tests.bench.mx_scale``.
    """
    sizes = plans["small"], plans["large"]
    titles = [f"{one['domains']:.0f} domains, {one['sites']:.0f} sites" for one in sizes]
    rows = [(what, *(figure(one) for one in sizes)) for what, figure in _ROWS]
    return f"{made_by(plans)}\n\n{markdown(('`mx plan --json`', *titles), rows)}"
