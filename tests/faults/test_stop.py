"""A node that is told to stop while two hundred sessions are open loses nothing, and ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.support.cluster.cluster import Cluster, cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.smtp import corpus
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Broken, Letter, SmtpClient, Transaction, stuffed
from tests.support.witnesses.checker import check
from tests.support.witnesses.counting import CountingLedger
from tests.support.witnesses.ledger import read_lines
from tests.support.witnesses.load import Pace, letters, send_all

NODE = "one1"
STOP_S = 20.0  # what a service manager gives
IDLE, HALFWAY, SENDING = 60, 60, 80  # sessions: two hundred in all
LETTERS, LETTERS_THOROUGH = 300, 800
REPLY_S = 30.0
NAMES = ("plain-text", "html-only", "line-of-900-kilobytes", "plain-text")


class Halfway:
    """A session that is in the middle of its message when the node is told to stop."""

    def __init__(self, client: SmtpClient, letter: Letter, ledger: CountingLedger) -> None:
        self._client = client
        self._letter = letter
        self._ledger = ledger
        self.reply = ""

    async def begin(self) -> None:
        await self._client.open()
        letter = self._letter
        for line in (f"MAIL FROM:<{letter.sender}>", f"RCPT TO:<{letter.recipients[0]}>", "DATA"):
            assert (await self._client.ask(line))[:1] in "23"
        self._ledger.send(
            gid=letter.gid,
            attempt=1,
            target=NODE,
            sender=letter.sender,
            recipients=letter.recipients,
            data=letter.data,
        )

    async def end(self) -> None:
        heard = Transaction(recipients=list(self._letter.recipients), dot_sent=True)
        try:
            # ``ask`` ends what it is given as a line: the final dot without its CR LF.
            self.reply = heard.reply = await self._client.ask(
                (stuffed(self._letter.data) + b".").decode("latin-1")
            )
        except Broken:
            heard.reply = None
        self._ledger.answer(
            gid=self._letter.gid,
            attempt=1,
            reply=heard.reply,
            dot_sent=True,
            recipients=heard.recipients,
        )
        await self._client.close()


def a_client(running: Cluster) -> SmtpClient:
    return SmtpClient(*running.smtp(NODE), deadline_s=REPLY_S)


@pytest.mark.scenario(
    row=59, checks="new and idle sessions hear 421, what is in flight ends, nothing is lost, < 20 s"
)
async def test_two_hundred_sessions_end_in_order_and_nothing_is_lost(
    tmp_path: Path, thorough: bool
) -> None:
    count = LETTERS_THOROUGH if thorough else LETTERS
    messages = (corpus.message(NAMES[number % len(NAMES)]) for number in range(count))
    pile = letters(messages, run="flow", recipients=["a@fjord.example", "b@fjord.example"])
    half = letters(
        [corpus.message("plain-text")] * HALFWAY, run="half", recipients=["h@fjord.example"]
    )
    path = tmp_path / "ledger.jsonl"
    async with Sink() as sink:
        tree = inventory(
            name="stop",
            sites=[site("one", NODE, number=1, workers=2)],
            customers=[customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")],
        )
        quick = {"delivery": {"first_wait_s": 0.5}, "waiting_retry_s": 0.5}
        async with cluster(tmp_path, tree, settings={NODE: quick}) as running:
            with CountingLedger(path) as ledger:
                idle = [a_client(running) for _ in range(IDLE)]
                await asyncio.gather(*(client.open() for client in idle))
                halfway = [Halfway(a_client(running), letter, ledger) for letter in half]
                await asyncio.gather(*(one.begin() for one in halfway))
                pace = Pace(
                    concurrency=SENDING,
                    letters_per_connection=3,
                    attempts_max=400,
                    retry_wait_s=0.2,
                    reply_deadline_s=REPLY_S,
                )
                flow = asyncio.create_task(
                    send_all(pile, targets=[running.smtp(NODE)], ledger=ledger, pace=pace)
                )
                await ledger.reaches(count // 4)

                took_s, said, late = await _stop(running, idle, halfway)

                await running.restart(NODE)
                tally = await flow
            await running.at_rest()
            export = await running.export("fjord.example")

    assert took_s < STOP_S
    assert {line[:9] for line in said} == {"421 4.3.2"}, "an idle session was not told why it ends"
    assert late[:9] == "421 4.3.2", "who came while it stopped was not told to come back"
    assert [one.reply[:3] for one in halfway] == ["250"] * HALFWAY
    assert tally.accepted == count
    found = check(ledger=read_lines(path), arrived=sink.lines, **export)
    assert found == [], "\n".join(map(str, found))


async def _stop(
    running: Cluster, idle: list[SmtpClient], halfway: list[Halfway]
) -> tuple[float, list[str], str]:
    """Tell the node to stop; return how long it took, what idle sessions and a newcomer heard."""
    began_s = time.monotonic()
    stopping = asyncio.create_task(running.stop(NODE))
    said = await asyncio.gather(*(client.heard() for client in idle))
    late = a_client(running)
    with pytest.raises(Broken):
        await late.open()
    await asyncio.gather(*(one.end() for one in halfway))
    await stopping
    await asyncio.gather(*(client.close() for client in (late, *idle)))
    return time.monotonic() - began_s, said, late.banner
