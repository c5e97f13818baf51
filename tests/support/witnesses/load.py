"""What happens when many senders hand over mail while things break?

Touches sockets and the ledger. Each letter is tried until it is answered for good or its attempts
are used up; a reset, a timeout or a refusal to talk is an answer too, and stands in the ledger as
one. The run ends by itself.

By itself:
``python -m tests.support.witnesses.load --target 127.0.0.1:2525 --ledger ledger.jsonl …``.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.clock import Clock, SystemClock
from tests.support.smtp import corpus
from tests.support.smtp.anatomy import GID_HEADER
from tests.support.smtp.smtp_client import Broken, Letter, SmtpClient, Transaction
from tests.support.witnesses.ledger import Ledger

Target = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a run goes."""

    concurrency: int = 8  # connections at a time
    letters_per_connection: int = 10  # then a new connection, perhaps to another target
    attempts_max: int = 1  # of one letter, while it is not answered for good
    retry_wait_s: float = 1.0
    reply_deadline_s: float = 60.0
    interval_s: float = 0.0  # between the starts of two letters of one connection


@dataclass(slots=True)
class Tally:
    """How a run went, by letter: accepted, refused for good, given up."""

    accepted: int = 0
    refused: int = 0
    given_up: int = 0
    attempts: int = 0
    replies: Counter[str] = field(default_factory=Counter)  # by code; "none" where there was none

    @property
    def letters(self) -> int:
        """All letters that were dealt with."""
        return self.accepted + self.refused + self.given_up


def marked(data: bytes, gid: str) -> bytes:
    """Return a message with its mark as the first line, ended as SMTP can carry it."""
    end = b"" if not data or data.endswith(b"\r\n") else b"\r\n"
    return f"{GID_HEADER}: {gid}\r\n".encode() + data + end


def letters(
    messages: Iterable[bytes],
    *,
    run: str,
    recipients: Sequence[str],
    recipients_each: int = 1,
    sender: str = "sender@load.example",
) -> Iterator[Letter]:
    """Return a letter for each message, to the recipients in turn.

    Args:
        run: begins each gid, so that two runs into one ledger do not meet.
        recipients_each: how many recipients each letter has.
    """
    turn = itertools.cycle(recipients)
    for number, data in enumerate(messages):
        gid = f"{run}-{number:06}"
        yield Letter(
            gid=gid,
            sender=sender,
            recipients=tuple(dict.fromkeys(itertools.islice(turn, recipients_each))),
            data=marked(data, gid),
        )


async def send_all(
    pile: Iterable[Letter],
    *,
    targets: Sequence[Target],
    ledger: Ledger,
    pace: Pace | None = None,
    clock: Clock | None = None,
    stop: asyncio.Event | None = None,
) -> Tally:
    """Send every letter of the pile and return how it went.

    Args:
        pile: taken letter by letter, as connections become free.
        targets: used in turn; a letter that is tried again goes to the next one, as a sender does
            that knows several MX hosts.
        stop: when set, no further letter is taken from the pile.
    """
    assert targets
    run = _Run(pile, targets, ledger, pace or Pace(), clock or SystemClock(), stop)
    async with asyncio.TaskGroup() as group:
        for number in range(run.pace.concurrency):
            group.create_task(run.connection(number), name=f"load {number}")
    return run.tally


class _Run:
    def __init__(
        self,
        pile: Iterable[Letter],
        targets: Sequence[Target],
        ledger: Ledger,
        pace: Pace,
        clock: Clock,
        stop: asyncio.Event | None,
    ) -> None:
        self.pace = pace
        self.tally = Tally()
        self._pile = iter(pile)
        self._targets = targets
        self._ledger = ledger
        self._clock = clock
        self._stop = stop

    async def connection(self, number: int) -> None:
        """Be one sender: take letters from the pile until it is empty."""
        client: SmtpClient | None = None
        place = number
        sent = 0
        try:
            while (letter := self._next()) is not None:
                for attempt in range(1, self.pace.attempts_max + 1):
                    if client is not None and sent >= self.pace.letters_per_connection:
                        await client.quit()
                        client = None
                    if client is None:
                        place, sent = place + 1, 0
                    target = self._targets[place % len(self._targets)]
                    client, is_final = await self._attempt(client, target, letter, attempt)
                    sent += 1
                    if is_final:
                        break
                    if attempt == self.pace.attempts_max:
                        self.tally.given_up += 1
                        break
                    await self._clock.sleep(self.pace.retry_wait_s)
                if self.pace.interval_s:
                    await self._clock.sleep(self.pace.interval_s)
        finally:
            if client is not None:
                await client.quit()

    def _next(self) -> Letter | None:
        if self._stop is not None and self._stop.is_set():
            return None
        return next(self._pile, None)

    async def _attempt(
        self, client: SmtpClient | None, target: Target, letter: Letter, attempt: int
    ) -> tuple[SmtpClient | None, bool]:
        """Try once; return the connection if it is still good, and whether the letter is done."""
        host, port = target
        state = Transaction()
        self.tally.attempts += 1
        self._ledger.send(
            gid=letter.gid,
            attempt=attempt,
            target=f"{host}:{port}",
            sender=letter.sender,
            recipients=letter.recipients,
            data=letter.data,
        )
        opened = client
        try:
            if client is None:
                opened = SmtpClient(host, port, deadline_s=self.pace.reply_deadline_s)
                await opened.open()
            assert opened is not None
            await opened.transact(letter, state)
        except Broken:
            assert opened is not None
            if not state.dot_sent and opened.banner[:1] in ("4", "5"):
                state.reply = opened.banner
            await opened.close()
            opened = None
        if opened is not None and (state.reply or "").startswith("421"):
            await opened.close()  # RFC 5321 section 3.8: the server is about to close
            opened = None
        is_final = self._count(state)
        self._ledger.answer(
            gid=letter.gid,
            attempt=attempt,
            reply=state.reply,
            dot_sent=state.dot_sent,
            recipients=state.recipients,
            refused=state.refused,
        )
        return opened, is_final

    def _count(self, state: Transaction) -> bool:
        code = state.reply[:3] if state.reply else "none"
        self.tally.replies[code] += 1
        if state.dot_sent and code.startswith("2"):
            self.tally.accepted += 1
            return True
        if code.startswith("5"):
            self.tally.refused += 1
            return True
        return False


def _main(arguments: argparse.Namespace) -> None:
    targets = [(host, int(port)) for host, _, port in (t.rpartition(":") for t in arguments.target)]
    names = arguments.name or corpus.everyday_names()
    messages = (corpus.message(name) for name in itertools.cycle(names))
    pile = letters(
        itertools.islice(messages, arguments.count), run=arguments.run, recipients=arguments.to
    )
    pace = Pace(concurrency=arguments.concurrency, attempts_max=arguments.attempts)
    with Ledger(arguments.ledger, clock=SystemClock()) as ledger:
        tally = asyncio.run(send_all(pile, targets=targets, ledger=ledger, pace=pace))
    print(
        f"load: {tally.letters} letters, {tally.accepted} accepted, {tally.refused} refused, "
        f"{tally.given_up} given up",
        flush=True,
    )


def main(argv: list[str]) -> None:
    """Send messages of the corpus and say how it went."""
    parser = argparse.ArgumentParser(prog="tests.support.witnesses.load")
    parser.add_argument("--target", action="append", required=True, help="HOST:PORT, repeatable")
    parser.add_argument("--to", action="append", required=True, help="a recipient, repeatable")
    parser.add_argument("--name", action="append", help="a message of the corpus, repeatable")
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--run", default="run")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--attempts", type=int, default=1)
    _main(parser.parse_args(argv))


if __name__ == "__main__":
    main(sys.argv[1:])
