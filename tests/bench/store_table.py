"""How long do look-ups take at a core that has very much, as a table of ``docs/benchmarks.md``?

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.bench.document import made_by
from tests.bench.table import markdown


def store_text(store: Mapping[str, Any]) -> str:
    """Return how long look-ups take.

    Args:
        store: the record of ``tests.bench.store_scale``.
    """
    rows = [
        ("what happened to one message", f"{store['track_p95_ms']:.1f} ms"),
        ("50 of the quarantine, by customer, domain or state", f"{store['page_p95_ms']:.1f} ms"),
        ("the 20 newest messages of one address", f"{store['search_p95_ms']:.1f} ms"),
        ("what the link asks for a release", f"{store['link_p95_ms']:.1f} ms"),
        ("records that came in meanwhile, a second", f"{store['records_per_s']:.0f}"),
        ("bodies of 64 KiB that came in, a second", f"{store['bodies_per_s']:.1f}"),
    ]
    title = f"{store['records']:.0f} records, {store['cases']:.0f} cases: p95"
    return f"{made_by(store)}\n\n{markdown((title, 'figure'), rows)}"
