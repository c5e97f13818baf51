"""Whom does a revision of a hundred thousand routes hold up?

A benchmark, run by hand: ``python -m tests.bench.publish_scale``. First in one process: a core's
database takes records in at the full rate, and somebody writes a line of the audit again and again,
while it publishes. Then with processes: a core and a node of one worker, whose greetings somebody
waits for every ``GREETING_EVERY_S`` while the revision is published over the API and applied.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import structlog
import uvloop

from common.clock import SystemClock
from common.identity import ShardIdentity
from common.ids import ulid
from common.pacing import settle_memory
from common.preferences import Document
from core.store.database import Database
from core.store.revision_rows import is_settled
from tests.bench.intake_cost import made_records
from tests.support.core.rooms import route
from tests.support.node.one_node import NODE, one_node

ROUTES = 100_000
RATE = 200.0  # messages a second whose records come in
BATCH = 40  # messages whose records come in one batch
GREETING_EVERY_S = 0.01
LONGEST = "borderscout_loop_lag_max_seconds"
JSON = {"Content-Type": "application/json"}
WHO = ShardIdentity("paris9", 0, ulid(now_us=1, randomness=bytes(10)))


class Waits:
    """How long somebody waited for what he asked for, again and again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.all_s: list[float] = []

    async def ask(self, what: Callable[[], Awaitable[object]], *, every_s: float) -> None:
        """Ask until cancelled."""
        while True:
            began_s = time.monotonic()
            await what()
            self.all_s.append(time.monotonic() - began_s)
            await asyncio.sleep(max(0.0, every_s - self.all_s[-1]))

    def __str__(self) -> str:
        found = sorted(self.all_s)
        if not found:
            return f"{self.name:44} none"
        places = (len(found) // 2, len(found) * 99 // 100, len(found) - 1)
        median, most, longest = (found[place] * 1000 for place in places)
        return (
            f"{self.name:44} {len(found):6} median {median:7.1f}  99 % {most:7.1f}"
            f"  longest {longest:7.1f} ms"
        )


@contextlib.asynccontextmanager
async def meanwhile(*asking: Awaitable[None]) -> AsyncIterator[None]:
    """Let some ask for the length of a block."""
    tasks = [asyncio.ensure_future(one) for one in asking]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def routes(count: int, *, customer: str) -> list[Document]:
    """Return so many routes."""
    return [route(f"d{number:06}.example", customer=customer) for number in range(count)]


class Store:
    """A core's database that others write to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sequence = 0
        self._number = 0

    async def take_records(self) -> None:
        """Take a batch of records in."""
        batch = []
        for _ in range(BATCH):
            batch += made_records(self._number, self._sequence)
            self._sequence = batch[-1].sequence
            self._number += 1
        await self._database.records.take(WHO, batch)

    async def note(self) -> None:
        """Write a line of the audit."""
        await self._database.audit.note(who="bench", what="bench", subject="")

    async def turn(self) -> None:
        """Wait for a step of the event loop."""
        await asyncio.sleep(0.005)


async def at_the_store(folder: Path, count: int) -> None:
    """Print whom a publication holds up that writes to the same database."""
    async with await Database.open(folder / "core.db", clock=SystemClock()) as database:
        store = Store(database)
        settle_memory()
        for title, customer in (("first", "a"), ("each changed", "b")):
            documents = routes(count, customer=customer)
            records, notes = Waits("records, a batch of 200"), Waits("a line of the audit")
            edits, turns = Waits("another publication"), Waits("a timer of 5 ms")
            numbers = iter(range(1_000_000))

            async def edit(numbers=numbers) -> None:  # type: ignore[no-untyped-def]
                name = f"e{next(numbers)}.example"
                await database.preferences.publish([route(name)], who="bench")

            async with meanwhile(
                records.ask(store.take_records, every_s=BATCH / RATE),
                notes.ask(store.note, every_s=0.01),
                edits.ask(edit, every_s=0.2),
                turns.ask(store.turn, every_s=0.0),
            ):
                await asyncio.sleep(2.0)
                began_s = time.monotonic()
                before = [str(one) for one in (records, notes, edits, turns)]
                for one in (records, notes, edits, turns):
                    one.all_s.clear()
                await database.preferences.publish(documents, who="bench")
                took_s = time.monotonic() - began_s
                while not await database.preferences._writer.run(is_settled):
                    await asyncio.sleep(0.5)
                settled_s = time.monotonic() - began_s
            print(
                f"{count} routes, {title}: published in {took_s:.1f} s,"
                f" settled in {settled_s:.1f} s; before it:"
            )
            print("\n".join(before), "\nmeanwhile:", sep="")
            print("\n".join(map(str, (records, notes, edits, turns))))


async def at_a_node(folder: Path, count: int) -> None:
    """Print whom a publication holds up at a node, and at its core's API."""
    async with one_node(folder) as node:
        host, port = node.cluster.smtp(NODE)
        http = node.cluster._http
        assert http is not None
        http.timeout = httpx.Timeout(120)

        async def greeting() -> None:
            reader, writer = await asyncio.open_connection(host, port)
            assert (await reader.readline()).startswith(b"220")
            writer.close()

        async def flush() -> None:
            await node.cluster.ask("POST", "/flush", body={"destination": "nowhere.example"})

        for title, customer in (("first", "a"), ("each changed", "b")):
            documents = [
                {"kind": one.kind, "key": one.key, "body": json.loads(one.body)}
                for one in routes(count, customer=customer)
            ]
            body = json.dumps({"documents": documents}).encode()
            greetings, flushes = Waits("a greeting"), Waits("POST flush, with its commit")
            async with meanwhile(
                greetings.ask(greeting, every_s=GREETING_EVERY_S),
                flushes.ask(flush, every_s=0.1),
            ):
                await asyncio.sleep(2.0)
                before = [str(greetings), str(flushes)]
                greetings.all_s.clear()
                flushes.all_s.clear()
                began_s = time.monotonic()
                answer = await http.post("/api/v1/documents", content=body, headers=JSON)
                took_s = time.monotonic() - began_s
                await node.cluster.applied(answer.json()["revision"])
                applied_s = time.monotonic() - began_s
                await asyncio.sleep(5.0)
            print(
                f"{count} routes, {title}: answered after {took_s:.1f} s, in force after"
                f" {applied_s:.1f} s; before it:"
            )
            print("\n".join(before), "\nmeanwhile:", sep="")
            print(greetings, flushes, sep="\n")
            for name in (NODE, "core"):
                _, page = await node.cluster.get(name, "/metrics")
                lines = page.splitlines()
                print(name, *(line for line in lines if line.startswith(LONGEST)))


def main() -> None:
    """Print whom a large revision holds up."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=ROUTES)
    parser.add_argument("--only", choices=("store", "node"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if args.only != "node":
            uvloop.run(at_the_store(Path(name), args.routes))
        if args.only != "store":
            (Path(name) / "node").mkdir()
            asyncio.run(at_a_node(Path(name) / "node", args.routes))


if __name__ == "__main__":
    main()
