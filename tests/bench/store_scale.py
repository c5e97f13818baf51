"""How long does a look-up of the core take among millions of records, while more come in?

Touches a database and bodies in a temporary folder, which it fills; then it lets records and bodies
come in at the full rate, and asks what people and the link ask. ``--postgresql`` measures a server
of its own. The goal is ``python -m tests.bench.store_scale --records 10000000 --cases 100000``.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from common.clock import SystemClock
from common.identity import ShardIdentity
from common.ids import ulid
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody
from core.quarantine.cases import CaseState
from core.store.database import Database
from tests.bench.intake_cost import made_records
from tests.support.core import full_store, postgresql
from tests.support.core.full_store import EVENTS, Amounts
from tests.support.core.rooms import told_case

RECORDS = 1_000_000
CASES = 20_000
SECONDS = 20.0
RATE = 300.0  # messages a second that records come in of, as at the goal of a node's speed
BODIES = 5.0  # quarantined messages a second
BODY_BYTES = 64 * 1024
BATCH = 50  # messages whose records come in one batch
PEOPLE = 2  # who ask at once

WHO = ShardIdentity("paris9", 0, ulid(now_us=1, randomness=bytes(10)))
Ask = Callable[[], Awaitable[Any]]


async def fill(database: Database, amounts: Amounts) -> None:
    """Write so much, in transactions of a bearable size."""
    for rows in full_store.parts(amounts):
        await database.records._writer.run(lambda c, rows=rows: full_store.write(c, rows))  # type: ignore[misc]


class Load:
    """What comes in meanwhile."""

    def __init__(self, database: Database, arrivals: Arrivals) -> None:
        self._database = database
        self._arrivals = arrivals
        self.records = 0
        self.bodies = 0

    async def send_records(self) -> None:
        """Take records in at the full rate."""
        began, number, sequence = time.monotonic(), 0, 0
        while True:
            batch = []
            for _ in range(BATCH):
                batch += made_records(10_000_000 + number, sequence)
                sequence = batch[-1].sequence
                number += 1
            await self._database.records.take(WHO, batch)
            self.records = sequence
            await asyncio.sleep(began + number / RATE - time.monotonic())

    async def send_bodies(self) -> None:
        """Take quarantined mail in."""
        began = time.monotonic()
        while True:
            body = random.randbytes(BODY_BYTES)
            message = ulid(now_us=time.time_ns() // 1000, randomness=body[:10])
            case = told_case(message, body, sha256=hashlib.sha256(body).digest())
            await self._arrivals.open_case(WHO, case)
            await self._arrivals.append(WHO, message, 0, body)
            await self._arrivals.complete(WHO, message)
            self.bodies += 1
            await asyncio.sleep(began + self.bodies / BODIES - time.monotonic())


def asked(database: Database, custody: Custody, amounts: Amounts) -> dict[str, Ask]:
    """Return what is asked, by its name: each time of something else."""
    chance = random.Random(5)

    def track() -> Awaitable[Any]:
        number = chance.randrange(amounts.messages)
        return database.records.track(full_store.message_id(number))

    def page() -> Awaitable[Any]:
        number = chance.randrange(amounts.cases)
        by: dict[str, Any] = chance.choice(
            (
                {"customer": f"customer{number % 50}"},
                {"domain": full_store.domain(number)},
                {"state": CaseState.HELD},
                {"customer": f"customer{number % 50}", "state": CaseState.HELD},
                {},
            )
        )
        return custody.cases(**by)

    return {
        "track": track,
        "page": page,
        "search": lambda: database.records.track(
            f"u{chance.randrange(997)}@{full_store.domain(chance.randrange(500))}", limit=20
        ),
        "link": lambda: database.releases.release(ulid(now_us=1, randomness=chance.randbytes(10))),
    }


async def ask_for(seconds: float, ask: Ask) -> list[float]:
    """Return the seconds of each answer."""
    times: list[float] = []
    ends = time.monotonic() + seconds
    while (began := time.monotonic()) < ends:
        await ask()
        times.append(time.monotonic() - began)
    return times


async def measure(
    target: str | Path, folder: Path, amounts: Amounts, seconds: float
) -> dict[str, float]:
    """Return p95 in ms of each kind of look-up, and what came in meanwhile."""
    clock = SystemClock()
    async with await Database.open(target, clock=clock) as database:
        began = time.monotonic()
        await fill(database, amounts)
        filled_s = time.monotonic() - began
        _say(
            f"{amounts.messages * len(EVENTS)} records, {amounts.cases} cases written",
            filled_s,
            "s",
        )
        bodies = await BodyFolder.open(folder / "bodies")
        load = Load(database, Arrivals(database=database, bodies=bodies, clock=clock))
        custody = Custody(database=database, bodies=bodies, clock=clock)
        coming = [asyncio.create_task(one()) for one in (load.send_records, load.send_bodies)]
        found: dict[str, float] = {}
        began = time.monotonic()
        for name, ask in asked(database, custody, amounts).items():
            many = await asyncio.gather(*(ask_for(seconds / 4, ask) for _ in range(PEOPLE)))
            times = sorted(one for some in many for one in some)
            found[f"{name}_p95_ms"] = times[int(len(times) * 0.95)] * 1000
            _say(f"{name}: p95 of {len(times)}", found[f"{name}_p95_ms"], "ms")
        elapsed = time.monotonic() - began
        for task in coming:
            if task.done():
                task.result()  # it never ends by itself
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
        found["records_per_s"] = load.records / elapsed
        found["bodies_per_s"] = load.bodies / elapsed
        for name in ("records_per_s", "bodies_per_s"):
            _say(name, found[name], "")
    return found


def run(
    *, records: int, cases: int, seconds: float = SECONDS, is_postgresql: bool = False
) -> dict[str, float]:
    """Return the figures for so many records and cases."""
    amounts = Amounts(
        messages=records // len(EVENTS), cases=cases, refusals=1_000, revisions=1_000, audit=1_000
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _database(folder, is_postgresql=is_postgresql) as target:
            found: dict[str, float] = uvloop.run(measure(target, folder, amounts, seconds))
    return {"records": records, "cases": cases, **found}


@contextmanager
def _database(folder: Path, *, is_postgresql: bool) -> Iterator[str | Path]:
    if not is_postgresql:
        yield folder / "core.db"
        return
    programs = postgresql.programs()
    if programs is None:
        sys.exit("no PostgreSQL server: apt-get install postgresql")
    with postgresql.server(programs) as url:
        yield url


def _say(what: str, value: float, unit: str) -> None:
    print(f"{what:60}{value:10.1f} {unit}", flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--postgresql", action="store_true")
    args = parser.parse_args()
    run(records=args.records, cases=args.cases, seconds=args.seconds, is_postgresql=args.postgresql)


if __name__ == "__main__":
    main()
