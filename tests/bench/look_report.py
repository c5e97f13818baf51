"""How long does the report of engines take over 90 days of a million messages each?

A benchmark, run by hand: ``python -m tests.bench.look_report``. The counts of each day and node are
made up and written as intake writes them; then the report is asked for. ``--postgresql`` measures a
server of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from cli.look_report import print_look_report
from common.clock import SystemClock
from core.records.look_report import LookGroup
from core.records.looks import LookCounts, bucket_of
from core.records.reports import DAY_US
from core.store import look_rows
from core.store.database import Database
from tests.support.core import postgresql

TYPICAL_MS = {"clamav": 25, "nod32": 40, "trend": 60, "yara": 2}
MESSAGES = 1_000_000  # a day, of all nodes
THREATS = 150  # that one engine alone finds, of a node's day
SAMPLES = 2_000  # times that are drawn for a node's day; each stands for many


def made_up(rng: random.Random, day: int, messages: int) -> LookCounts:
    """Return what a node's day may come to."""
    counts = LookCounts()
    for engine, typical_ms in TYPICAL_MS.items():
        found, silent = messages // rng.randint(80, 120), messages // rng.randint(500, 20_000)
        counts.answers[day, engine, "infected"] = found
        counts.answers[day, engine, "timeout"] = silent
        counts.answers[day, engine, "clean"] = messages - found - silent
        for _ in range(SAMPLES):
            ms = int(rng.lognormvariate(0, 0.7) * typical_ms)
            counts.times[day, engine, bucket_of(ms)] += messages // SAMPLES
        counts.times[day, engine, bucket_of(30_000)] += silent
        alone = found // rng.randint(5, 50)
        counts.pairs[day, engine, engine, "found"] = found
        counts.pairs[day, engine, engine, "alone"] = alone
        for other in TYPICAL_MS.keys() - {engine}:
            counts.pairs[day, engine, other, "clean"] = alone
            counts.pairs[day, engine, other, "silent"] = found // 1000
            counts.pairs[day, engine, other, "found"] = found - alone - found // 1000
        for number in range(THREATS // len(TYPICAL_MS)):
            counts.alone[day, engine, f"Win.Made.Up-{rng.randint(0, 20_000)}-{number}"] += 1
    counts.answers[day, "rules", "scored"] = messages
    return counts


def fill(connection: Connection, *, days: int, nodes: int) -> None:
    """Write the counts of many days."""
    rng, today = random.Random(11), time.time_ns() // 1000 // DAY_US
    for day in range(today - days + 1, today + 1):
        for node in range(nodes):
            look_rows.add(connection, f"node{node}", made_up(rng, day, MESSAGES // nodes))


async def measure(target: str | Path, *, days: int, nodes: int) -> None:
    """Print how long each form of the report takes, and one of them."""
    sites = {f"node{number}": f"site{number % 3}" for number in range(nodes)}
    async with await Database.open(target, clock=SystemClock()) as database:
        await database.records._writer.run(lambda c: fill(c, days=days, nodes=nodes))
        for by, site in ((LookGroup.DAY, None), (LookGroup.SITE, None), (LookGroup.DAY, "site1")):
            best_s = float("inf")
            for _ in range(3):
                began_s = time.monotonic()
                found = await database.records.look_report(by, sites=sites, site=site)
                best_s = min(best_s, time.monotonic() - began_s)
            size = len(json.dumps(found))
            print(f"{days} days, {nodes} nodes, by {by}, of {site or 'all'}: "
                  f"{best_s * 1000:.0f} ms, {size} octets")  # fmt: skip
        print_look_report(await database.records.look_report(LookGroup.DAY, sites=sites), None)


@contextmanager
def database(*, is_postgresql: bool) -> Iterator[str | Path]:
    """Give an empty database."""
    if is_postgresql:
        programs = postgresql.programs()
        if programs is None:
            sys.exit("no PostgreSQL server: apt-get install postgresql")
        with postgresql.server(programs) as url:
            yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "core.db"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--postgresql", action="store_true")
    args = parser.parse_args()
    with database(is_postgresql=args.postgresql) as target:
        asyncio.run(measure(target, days=args.days, nodes=args.nodes))


if __name__ == "__main__":
    main()
