"""A worker that dies the very instant its 250 is read has the message all the same (P1, P2).

Random moments seldom hit the few milliseconds in which a commit is on its way; here the client
kills the worker that it talks to before it does anything else with the reply.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from common.clock import SystemClock
from tests.support.cluster.cluster import Cluster, cluster, kill
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.smtp import corpus
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Letter, SmtpClient, Transaction
from tests.support.witnesses.checker import check
from tests.support.witnesses.ledger import Ledger, read_lines
from tests.support.witnesses.load import letters

NODE = "one1"
ROUNDS = 12
REPLY_S = 30.0


@pytest.mark.scenario(row=5, checks="a worker killed the instant its 250 is read, twelve times")
@pytest.mark.long
async def test_what_was_answered_250_is_there_after_the_worker_died_at_that_instant(
    tmp_path: Path,
) -> None:
    names = ["plain-text", "eicar-in-zip", "line-of-900-kilobytes"] * (ROUNDS // 3)
    pile = letters(map(corpus.message, names), run="instant", recipients=["x@fjord.example"])
    path = tmp_path / "ledger.jsonl"
    async with Sink() as sink:
        tree = inventory(
            name="instant",
            sites=[site("one", NODE, number=1)],
            customers=[customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")],
        )
        quick = {"delivery": {"first_wait_s": 0.5}, "waiting_retry_s": 0.5}
        async with cluster(tmp_path, tree, settings={NODE: quick}) as running:
            with Ledger(path, clock=SystemClock()) as ledger:
                for letter in pile:
                    await _hand_over_and_kill(running, letter, ledger)
            await running.at_rest()
            export = await running.export("fjord.example")

    found = check(ledger=read_lines(path), arrived=sink.lines, **export)
    assert found == [], "\n".join(map(str, found))
    assert len(export["messages"]) == ROUNDS


async def _hand_over_and_kill(running: Cluster, letter: Letter, ledger: Ledger) -> None:
    (worker,) = running.shards(NODE).values()
    client = SmtpClient(*running.smtp(NODE), deadline_s=REPLY_S)
    await client.open()
    ledger.send(
        gid=letter.gid,
        attempt=1,
        target=NODE,
        sender=letter.sender,
        recipients=letter.recipients,
        data=letter.data,
    )
    heard = Transaction()
    await client.transact(letter, heard)
    kill(worker)  # nothing comes between the reply and this
    ledger.answer(
        gid=letter.gid,
        attempt=1,
        reply=heard.reply,
        dot_sent=heard.dot_sent,
        recipients=heard.recipients,
    )
    await client.close()
    assert (heard.reply or "").startswith("250"), heard
    # All of the node is started anew: the parent would let a worker that dies so often wait.
    await running.kill(NODE)
    await running.restart(NODE)
