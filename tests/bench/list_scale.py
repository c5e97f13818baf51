"""What do a million list entries cost: memory, a look-up, a revision?

Touches a database in a temporary folder, where the entries stand as in a spool, and its own memory.
``python -m tests.bench.list_scale [ENTRIES]`` prints the figures of docs/filters.md, *lists*.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import sqlite3
import string
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

from common.preferences import Document, Kind, Preferences
from common.preferences.documents import canonical_json
from tests.support.core.preferences import at, document, preferences, route

ENTRIES = 1_000_000
DOMAINS = 1_000
LOOKS = 20_000
ROUNDS = 9


def _words(chance: random.Random, count: int) -> list[str]:
    letters = string.ascii_lowercase
    return ["".join(chance.choices(letters, k=chance.randint(4, 10))) for _ in range(count)]


def _entries(chance: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """Return keys and bodies: half of the cluster's, half of recipients', as people type them."""
    words = _words(chance, 50_000)
    reasons = ("a partner", "a newsletter that I want", "asked for in ticket {}", "a supplier", "")
    for number in range(count):
        scope = "cluster"
        if number % 2:
            who = f"{chance.choice(words)}.{chance.choice(words)}"
            scope = f"recipient/{who}@customer{number % DOMAINS}.example"
        domain = f"{chance.choice(words)}-{chance.choice(words)}.example"
        network = f"10.{number >> 8 & 255}.{number & 255}.0/24"
        shapes = (domain, f"{chance.choice(words)}@{domain}", f".{domain}", network)
        pattern = chance.choices(shapes, weights=(40, 40, 15, 5))[0]
        body = {
            "added_us": 1_790_000_000_000_000 + number * 1_234_567,
            "by": f"admin{number % 20}",
            "reason": chance.choice(reasons).format(number),
            "until_us": 0,
        }
        yield f"{'white' if number % 3 else 'black'}/{scope}/{pattern}", canonical_json(body)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _stored(folder: Path, count: int) -> sqlite3.Connection:
    database = sqlite3.connect(folder / "entries")
    database.execute("CREATE TABLE document (key TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
    rows = _entries(random.Random(1), count)
    database.executemany("REPLACE INTO document VALUES (?,?)", rows)
    database.commit()
    return database


def _documents(database: sqlite3.Connection) -> Iterator[Document]:
    for key, body in database.execute("SELECT key, body FROM document ORDER BY key"):
        yield Document(Kind.LIST, key, 1, body)


def _say(what: str, figure: float, unit: str) -> None:
    print(f"{what:58} {figure:10.2f} {unit}", flush=True)


def _look(found: Preferences, what: str, cases: list[tuple[str, str, str]]) -> float:
    hits = 0
    rounds_us = []
    for _ in range(ROUNDS):
        began_s, hits = time.process_time(), 0
        for recipient, sender, client in cases:
            search = found.list_search(sender=sender, client_address=client, now_us=1)
            hits += search.hit(recipient) is not None
        rounds_us.append((time.process_time() - began_s) / len(cases) * 1e6)
    taken_us = median(rounds_us)
    _say(f"{what} ({hits / len(cases):.0%} hits)", taken_us, "us a message and recipient")
    return taken_us


async def _revisions(found: Preferences, count: int) -> None:
    """Apply revisions of one entry each, as a spool does, while the loop counts its pauses."""
    longest_s = 0.0
    taken_s = 0.0
    in_thread_s = 0.0
    for number in range(count):
        entry = document(Kind.LIST, f"black/cluster/new{number}.example", reason="one more")
        began_s = time.perf_counter()
        if found.is_quick(1):
            found = found.applied([entry], position=at(number + 2))
            spent_s = time.perf_counter() - began_s
            longest_s = max(longest_s, spent_s)
            taken_s += spent_s
        else:
            work = asyncio.create_task(
                asyncio.to_thread(found.applied, [entry], position=at(number + 2))
            )
            while not work.done():
                tick_s = time.perf_counter()
                await asyncio.sleep(0.001)
                in_thread_s = max(in_thread_s, time.perf_counter() - tick_s - 0.001)
            found = work.result()
    _say("a revision of one entry", taken_s / count * 1e3, "ms on average")
    _say("the longest one in the loop", longest_s * 1e3, "ms")
    _say("the loop's longest pause while one is packed in a thread", in_thread_s * 1e3, "ms")


async def _import(found: Preferences) -> Preferences:
    chance = random.Random(2)
    batch = [
        Document(Kind.LIST, k, 0, b) for k, b in sorted(dict(_entries(chance, 10_000)).items())
    ]
    began_s = time.perf_counter()
    longest_s = 0.0
    work = asyncio.create_task(asyncio.to_thread(found.applied, batch, position=at(2)))
    while not work.done():
        tick_s = time.perf_counter()
        await asyncio.sleep(0.001)
        longest_s = max(longest_s, time.perf_counter() - tick_s - 0.001)
    _say("a revision of 10 000 entries, in a thread", time.perf_counter() - began_s, "s")
    _say("the loop's longest pause meanwhile", longest_s * 1e3, "ms")
    return work.result()


def _policies() -> float:
    documents = [route(f"customer{n}.example", f"c{n % 100}") for n in range(DOMAINS)]
    for number in range(DOMAINS):
        documents.append(
            document(Kind.POLICY, f"domain/customer{number}.example", **{"score.mark": 4})
        )
    for number in range(20_000):
        who = f"recipient/user{number}@customer{number % DOMAINS}.example"
        documents.append(document(Kind.POLICY, who, **{"score.drop": 9}))
    found = preferences(*documents)
    chance = random.Random(3)
    numbers = [chance.randrange(1_000_000) for _ in range(LOOKS)]
    recipients = [f"user{n}@customer{n % DOMAINS}.example" for n in numbers]
    rounds_us = []
    for _ in range(ROUNDS):
        began_s = time.process_time()
        for recipient in recipients:
            found.policy(recipient)
        rounds_us.append((time.process_time() - began_s) / LOOKS * 1e6)
    taken_us = median(rounds_us)
    _say("the policy of one of a million recipients, each another", taken_us, "us")
    return taken_us


def run(*, entries: int) -> dict[str, float]:
    """Return the figures for so many entries, of a process that holds nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(figures, entries).result()


def figures(count: int) -> dict[str, float]:
    """Print what so many entries cost, and return what has a goal.

    It measures its own memory: a process of its own has to call it.
    """
    policy_us = _policies()
    with tempfile.TemporaryDirectory() as folder:
        database = _stored(Path(folder), count)
        gc.collect()
        before_mib = _resident_mib()
        began_s = time.process_time()
        found = Preferences.from_documents(_documents(database), position=at(1))
        _say(f"{count} entries read from a spool", time.process_time() - began_s, "s")
        memory_mib = _resident_mib() - before_mib
        _say("memory that they take", memory_mib, "MiB")
        return {
            "entries": count,
            "policy_us": policy_us,
            "memory_mib": memory_mib,
            **_looks(found),
            **asyncio.run(_changes(found)),
        }


def _looks(found: Preferences) -> dict[str, float]:
    """Return how long it takes to look for a message that no entry is about, and one that is."""
    chance = random.Random(4)
    keys = [key for key, _ in _entries(random.Random(1), 60_000)]
    known = [key.partition("cluster/")[2] for key in keys if "/cluster/" in key]
    known = [pattern for pattern in known if "@" in pattern]
    strangers = [
        (f"user{n}@customer{n % DOMAINS}.example", f"a{n}@mail.s{n}.example", "192.0.2.7")
        for n in (chance.randrange(1_000_000) for _ in range(LOOKS))
    ]
    hits = [
        (who, known[number % len(known)], client)
        for number, (who, _, client) in enumerate(strangers)
    ]
    return {
        "stranger_us": _look(found, "a message that no entry is about", strangers),
        "known_us": _look(found, "a message that an entry is about", hits),
    }


async def _changes(found: Preferences) -> dict[str, float]:
    await _revisions(found, 1_200)
    await _import(found)
    peak_mib = _peak_mib()
    _say("the most memory that the process had", peak_mib, "MiB")
    return {"peak_mib": peak_mib}


def _peak_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    figures(int(sys.argv[1]) if sys.argv[1:] else ENTRIES)
