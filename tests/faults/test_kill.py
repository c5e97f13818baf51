"""Nothing is lost, doubled or unexplained when any part is killed at any instant.

Some hundred letters go in while parents, fork servers, workers and helpers of satellites and the
core are killed, at moments that are drawn by counting answers and arrivals. Afterwards the three
witnesses are held against each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cluster.cluster import CORE, Cluster, cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.node.killing import Killer, Victim
from tests.support.smtp import corpus
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Letter
from tests.support.waiting import until
from tests.support.witnesses.checker import check
from tests.support.witnesses.counting import CountingLedger
from tests.support.witnesses.ledger import read_lines
from tests.support.witnesses.load import Pace, letters, send_all

KILLS = 10
KILLS_THOROUGH = 100
RELEASES = 20
LETTERS = 250
LETTERS_THOROUGH = 900  # the core tells of a thousand in one answer
SEED_VARIABLE = "BORDERSCOUT_KILL_SEED"  # draws the same moments again
PATIENCE = Pace(concurrency=6, letters_per_connection=5, attempts_max=400, retry_wait_s=0.2)
DOMAINS = ("kill.example", "keep.example", "many.example")
RECIPIENTS = [
    *(f"box{number}@{domain}" for number in range(4) for domain in DOMAINS),
    "defer1-a@kill.example",
    "late-defer1-b@keep.example",
    "refuse-c@many.example",
]


def mail(chance: random.Random) -> Iterator[bytes]:
    """Yield messages as they come: plain ones most often, one in four is to be quarantined."""
    plain = ["plain-text", "html-only", "nested-multipart", "japanese", "pdf-attached"]
    bad = ["eicar-plain", "eicar-in-zip", "executable-in-zip"]
    large = corpus.message("line-of-900-kilobytes")
    for number in itertools.count():
        if number % 50 == 17:
            yield large  # its body is a file, not a row
        elif number % 4 == 3:
            yield corpus.message(chance.choice(bad))
        else:
            yield corpus.message(chance.choice(plain))


class Run:
    """One run: the letters, and who is killed meanwhile."""

    def __init__(
        self,
        running: Cluster,
        sink: Sink,
        ledger: CountingLedger,
        *,
        seed: int,
        kills: int,
        letters_max: int,
    ) -> None:
        self._cluster = running
        self._each = letters_max // kills
        self._sink = sink
        self._ledger = ledger
        self._chance = random.Random(seed)
        victims = list(Victim) * (kills // len(Victim))
        self._chance.shuffle(victims)
        self._victims = victims
        self._pile = letters(mail(self._chance), run="kill", recipients=RECIPIENTS)
        self.killer = Killer(running, self._chance)
        self.unanswered = 0

    async def play(self) -> None:
        """Send all letters; within each part of them, kill somebody."""
        for victim in self._victims:
            part = list(itertools.islice(self._pile, self._each))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(part))
                group.create_task(self._kill(victim))

    async def _send(self, part: list[Letter]) -> None:
        targets = [self._cluster.smtp(node) for node in self._cluster.nodes]
        self._chance.shuffle(targets)
        tally = await send_all(part, targets=targets, ledger=self._ledger, pace=PATIENCE)
        assert (tally.accepted, tally.given_up) == (len(part), 0), tally
        self.unanswered += tally.replies["none"]

    async def _kill(self, victim: Victim) -> None:
        await self._moment()
        await self.killer.kill(victim)

    async def _moment(self) -> None:
        """Return after a drawn number of answers or arrivals from now."""
        count = self._chance.randrange(1, max(2, self._each * 2 // 3))
        if self._chance.random() < 0.5:
            await self._ledger.reaches(self._ledger.answers + count)
        else:
            await self._sink.wait_for(len(self._sink.arrivals) + count // 3 + 1, deadline_s=60)


@contextlib.asynccontextmanager
async def two_sites(folder: Path, sink: Sink) -> AsyncIterator[Cluster]:
    """Run two sites and three customers, with waits that a test can sit out."""
    server = f"127.0.0.1:{sink.port}"
    tree = inventory(
        name="kill",
        sites=[site("east", "kil1", number=1, workers=2), site("west", "kil2", number=2)],
        customers=[customer(domain.partition(".")[0], [server], domain) for domain in DOMAINS],
        smarthost=server,  # our bounces go there too, whatever resolver this machine has
    )
    quick = {"delivery": {"first_wait_s": 0.5, "longest_wait_s": 2.0}, "waiting_retry_s": 0.5}
    async with cluster(folder, tree, settings={"*": quick, CORE: {"claim_wait_s": 3}}) as running:
        yield running


@pytest.fixture
def seed() -> int:
    """Draw a seed, or take the one that is asked for; it is printed with a failure."""
    found = int(os.environ.get(SEED_VARIABLE, "0")) or random.SystemRandom().randrange(1, 1 << 30)
    print(f"{SEED_VARIABLE}={found}")
    return found


@pytest.mark.scenario(
    row=6,
    checks="kill -9 of parents, fork servers, workers, helpers, the core at drawn moments, in load",
)
@pytest.mark.scenario(
    row=4, checks="a letter that got no answer is sent again; no copy unexplained"
)
@pytest.mark.timeout(1800)
async def test_every_message_ends_once_whoever_is_killed(
    tmp_path: Path, seed: int, thorough: bool
) -> None:
    kills, sent = (KILLS_THOROUGH, LETTERS_THOROUGH) if thorough else (KILLS, LETTERS)
    path = tmp_path / "ledger.jsonl"
    began_s = time.monotonic()
    async with Sink() as sink, two_sites(tmp_path, sink) as running:
        with CountingLedger(path) as ledger:
            run = Run(running, sink, ledger, seed=seed, kills=kills, letters_max=sent)
            await run.play()
        await running.at_rest()
        export = await running.export(*DOMAINS)
    print(f"{time.monotonic() - began_s:.0f} s: {_summary(run, export)}")

    found = check(ledger=read_lines(path), arrived=sink.lines, **export)
    assert found == [], "\n".join(map(str, found))
    assert len(run.killer.killed) == kills
    assert run.unanswered > 0, "nothing was interrupted: such a run proves nothing"
    assert len(export["messages"]) >= sent
    assert len(export["quarantine"]) >= sent // 5


async def test_a_release_is_delivered_once_whoever_is_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "ledger.jsonl"
    bad = map(corpus.message, itertools.repeat("eicar-in-zip", RELEASES))
    pile = letters(bad, run="release", recipients=["box@keep.example", "other@many.example"])
    victims = [victim for victim in Victim if victim is not Victim.HELPER]
    chance.shuffle(victims)
    async with Sink() as sink, two_sites(tmp_path, sink) as running:
        targets = [running.smtp(node) for node in running.nodes]
        with CountingLedger(path) as ledger:
            await send_all(pile, targets=targets, ledger=ledger)
        await running.at_rest()
        held = [case["message_id"] for case in await running.quarantine()]
        killer = Killer(running, chance)
        async with asyncio.TaskGroup() as group:
            for message_id in held * 2:
                group.create_task(_release(running, message_id))
            for number, victim in enumerate(victims):
                await sink.wait_for(chance.randrange(1, 5) + number * 4, deadline_s=60)
                await killer.kill(victim)

        async def look() -> bool:
            cases = (await running.ask("GET", "/quarantine", limit=1000))["cases"]
            return all(case["state"] == "released" for case in cases)

        await until(look, "everything is released")
        await running.at_rest()
        export = await running.export(*DOMAINS)

    found = check(ledger=read_lines(path), arrived=sink.lines, **export)
    assert found == [], "\n".join(map(str, found))
    released = Counter(one["released_from"] for one in export["messages"] if one["released_from"])
    assert released == Counter(held)
    assert len(held) == RELEASES


async def _release(running: Cluster, message_id: str) -> None:
    """Ask until the core has answered, as a person does who sees it fail."""

    async def look() -> bool:
        try:
            await running.ask("POST", f"/quarantine/{message_id}/release", body={})
        except httpx.HTTPError:
            return False
        return True

    await until(look, f"the core takes the release of {message_id}")


def _summary(run: Run, export: dict[str, list[dict[str, Any]]]) -> str:
    events = Counter(record["event"] for record in export["records"])
    return (
        f"{len(run.killer.killed)} kills, {run.unanswered} tries without an answer, "
        f"{len(export['messages'])} messages, "
        f"{events['possibly_delivered']} possibly delivered, {events['bounce_made']} bounces, "
        f"{len(export['quarantine'])} in the quarantine, {len(export['records'])} records"
    )
