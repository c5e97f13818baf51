"""What does a core do all day, until somebody kills it?

Touches a database and a folder of bodies. Publishes, takes records in and takes bodies, for ever;
after each durable step it prints one line that says what it has vouched for. Started by a test as
``python -m tests.support.core.crash_writer FOLDER``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from common.clock import SystemClock
from common.link import Wanted
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder
from core.store.database import Database
from tests.support.core.rooms import accepted, document, ended, identity, made_id, told_case

LON = identity()


def body_of(number: int) -> bytes:
    """Return the body of the case of this number."""
    return f"Subject: {number}\r\n\r\n".encode() + bytes([number % 256]) * 40_000


def entry_keys(revision: int) -> list[str]:
    """Return the keys of the list entries that one revision sets."""
    return [f"white/cluster/{part}{revision}.example" for part in "abc"]


def say(word: str, number: int) -> None:
    sys.stdout.write(f"{word} {number}\n")
    sys.stdout.flush()


async def work(folder: Path) -> None:
    clock = SystemClock()
    bodies = await BodyFolder.open(folder / "bodies")
    async with await Database.open(folder / "core.db", clock=clock) as store:
        arrivals = Arrivals(database=store, bodies=bodies, clock=clock)
        await asyncio.gather(publish(store), take(store), upload(arrivals))


async def publish(store: Database) -> None:
    while True:
        revision = store.preferences.position.revision + 1
        documents = [document("list", key, {}) for key in entry_keys(revision)]
        say("revision", (await store.preferences.publish(documents, who="t")).revision)


async def take(store: Database) -> None:
    while True:
        last = await store.records.last_sequence(LON)
        message = made_id(100_000 + last)
        batch = [accepted(last + 1, message), ended(last + 2, message, "delivered")]
        say("sequence", await store.records.take(LON, batch))


async def upload(arrivals: Arrivals) -> None:
    number = 0
    while True:
        body, message = body_of(number), made_id(number)
        wanted = await arrivals.open_case(LON, told_case(message, body))
        while isinstance(wanted, Wanted):
            chunk = body[wanted.offset : wanted.offset + 16_384]
            await arrivals.append(LON, message, wanted.offset, chunk)
            wanted = await arrivals.complete(LON, message)
        say("held", number)
        number += 1


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1])))
