"""SIGHUP ends no process of a node: settings are read anew, and mail does not notice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.cluster.cluster import Cluster, cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.node import family
from tests.support.smtp import corpus
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import SmtpClient
from tests.support.waiting import until
from tests.support.witnesses.checker import check
from tests.support.witnesses.counting import CountingLedger
from tests.support.witnesses.ledger import read_lines
from tests.support.witnesses.load import Pace, letters, send_all

pytestmark = [pytest.mark.faults, pytest.mark.integration]

NODE = "one1"
DOMAIN = "fjord.example"
LETTERS = 240
SIZE_BEFORE, SIZE_AFTER = 40_000_000, 30_000_000
PACE = Pace(concurrency=10, letters_per_connection=3, attempts_max=400, retry_wait_s=0.1)
NAMES = ("plain-text", "html-only", "eicar-in-zip")


@contextlib.asynccontextmanager
async def a_node(folder: Path, sink: Sink, *, workers: int) -> AsyncIterator[Cluster]:
    tree = inventory(
        name="hangup",
        sites=[site("one", NODE, number=1, workers=workers)],
        customers=[customer("fjord", [f"127.0.0.1:{sink.port}"], DOMAIN)],
    )
    quick = {
        "delivery": {"first_wait_s": 0.5},
        "waiting_retry_s": 0.5,
        "smtp": {"message_bytes_max": SIZE_BEFORE},
    }
    async with cluster(folder, tree, settings={NODE: quick}) as running:
        yield running


async def size_offered(running: Cluster) -> int:
    """Return what a new session is offered as SIZE."""
    client = SmtpClient(*running.smtp(NODE), deadline_s=30.0)
    await client.open()
    answer = await client.ask("EHLO client.example")
    await client.close()
    found = re.search(r"SIZE (\d+)", answer)
    assert found is not None, answer
    return int(found[1])


async def so(holds: Callable[[], object], what: str) -> None:
    """Return once something holds."""

    async def look() -> object:
        return holds()

    await until(look, what)


async def hang_up(running: Cluster, event: str) -> None:
    """Send SIGHUP to the node, and return once it has said this event once more."""
    process = running.processes[NODE]
    before = _count(running, event)
    process.send(signal.SIGHUP)
    await so(lambda: _count(running, event) > before, f"the node says {event}")


def _count(running: Cluster, event: str) -> int:
    return sum(f'"{event}"' in line for line in running.processes[NODE].lines)


async def greeted(running: Cluster, until_set: asyncio.Event) -> set[str]:
    """Come again and again as a new client, and return the codes of the greetings."""
    codes = set()
    while not until_set.is_set():
        client = SmtpClient(*running.smtp(NODE), deadline_s=30.0)
        await client.open()
        codes.add(client.banner[:4])
        await client.close()
    return codes


@pytest.mark.parametrize("workers", [1, 2])
async def test_settings_are_read_anew_under_mail_and_nothing_is_lost(
    tmp_path: Path, workers: int
) -> None:
    messages = (corpus.message(NAMES[number % len(NAMES)]) for number in range(LETTERS))
    pile = letters(messages, run="flow", recipients=[f"a@{DOMAIN}", f"b@{DOMAIN}"])
    path = tmp_path / "ledger.jsonl"
    enough = asyncio.Event()
    async with Sink() as sink, a_node(tmp_path, sink, workers=workers) as running:
        with CountingLedger(path) as ledger:
            flow = asyncio.create_task(
                send_all(pile, targets=[running.smtp(NODE)], ledger=ledger, pace=PACE)
            )
            newcomers = asyncio.create_task(greeted(running, enough))
            await ledger.reaches(LETTERS // 4)
            pids = running.shards(NODE)
            before = await size_offered(running)

            running.change_settings(NODE, {"smtp": {"message_bytes_max": SIZE_AFTER}})
            await hang_up(running, "node.reloaded")

            after = {await size_offered(running) for _ in range(8)}
            enough.set()
            greetings = await newcomers
            tally = await flow
        await running.at_rest()
        export = await running.export(DOMAIN)
        assert not set(pids.values()) & set(running.shards(NODE).values())

    assert (before, after) == (SIZE_BEFORE, {SIZE_AFTER})
    assert greetings == {"220 "}, "somebody was turned away"
    assert tally.accepted == LETTERS
    found = check(ledger=read_lines(path), arrived=sink.lines, **export)
    assert found == [], "\n".join(map(str, found))


async def test_a_wrong_file_changes_nothing_even_for_a_worker_that_dies(tmp_path: Path) -> None:
    async with Sink() as sink, a_node(tmp_path, sink, workers=2) as running:
        pids = running.shards(NODE)
        running.change_settings(NODE, {"engines": [{"name": "x", "kind": "magic"}]})
        await hang_up(running, "node.settings_wrong")
        assert "magic" in running.story(NODE)
        running.change_settings(NODE, {"smtp": {"message_bytes_max": 1}, "colour": "red"})

        await hang_up(running, "node.settings_wrong")

        assert running.shards(NODE) == pids
        said = running.story(NODE)
        assert "unknown key 'colour'" in said
        assert "smtp.message_bytes_max" in said
        os.kill(pids[0], signal.SIGKILL)
        await so(lambda: running.shards(NODE).keys() == {0, 1}, "it is started again")
        await running.ready(NODE)
        assert {await size_offered(running) for _ in range(8)} == {SIZE_BEFORE}


async def test_a_half_renewed_certificate_is_refused_and_a_whole_one_is_taken(
    tmp_path: Path,
) -> None:
    async with Sink() as sink, a_node(tmp_path, sink, workers=1) as running:
        key = running.config(NODE).parent / "tls" / "smtp.key"
        whole = key.read_bytes()
        key.write_bytes(whole[: len(whole) // 2])

        await hang_up(running, "node.settings_wrong")
        assert f"smtp.key: {key}: the key is no PEM key" in running.story(NODE)
        key.write_bytes(whole)
        await hang_up(running, "node.reloaded")

        assert await size_offered(running) == SIZE_BEFORE


async def test_a_hang_up_of_the_whole_group_ends_no_process_below_the_parent(
    tmp_path: Path,
) -> None:
    async with Sink() as sink, a_node(tmp_path, sink, workers=2) as running:
        await so(lambda: running.helper(NODE), "there is a helper")
        below = family.descendants(running.processes[NODE].pid)
        assert {one.name for one in below} >= {"fork-server", "worker-0", "worker-1"}

        for one in below:
            os.kill(one.pid, signal.SIGHUP)
        running.processes[NODE].send(signal.SIGHUP)
        await so(lambda: _count(running, "node.reloaded") == 1, "the parent has read")

        assert running.processes[NODE].returncode is None
        fork_server = [one.pid for one in below if one.name == "fork-server"]
        assert [running.fork_server(NODE)] == fork_server
        assert _count(running, "worker.ended") == 0
        assert await size_offered(running) == SIZE_BEFORE
