"""How is the page of engines in trouble written?

``python -m tests.support.scanning.engine_faults``, where clamd and c-icap are installed. Touches
the page.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog

from tests.support.scanning.engine_faults import page
from tests.support.scanning.engine_faults.weighing import Cell, row


async def main() -> None:
    table: dict[page.Row, Sequence[Cell]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for bench in page.benches(folder):
            for fault in page.rows_of(bench):
                spool = folder / f"spool-{len(table)}"
                table[bench.engine, fault] = await row(
                    bench, fault, spool, page.cases_of(bench.engine)
                )
                print(bench.engine, page.line(fault, table[bench.engine, fault]))
    page.PAGE.write_text(page.text(table), encoding="utf-8")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(main())
