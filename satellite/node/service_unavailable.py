"""When does the parent itself answer 421, because no worker listens?

Touches the listening sockets, which the parent shares with its workers. Connections wait in the
kernel's queue until somebody takes them. That is right for a moment, as between two workers; when
nobody comes, each sender would wait its five minutes for a greeting before it tried the next MX.
So then the parent says ``421``.

Source: RFC 5321 section 4.5.3.2.1 (five minutes for the greeting), section 4.2.2 (421).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import structlog

from common.clock import Clock
from satellite.node.health import ListeningAnswer, ListeningQuestion
from satellite.node.parent import Workers
from satellite.smtp import replies

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
WITHOUT_WORKER_S_MAX = (
    5.0  # without a worker that listens; a start takes one, with a full spool two
)
TURNED_AWAY_MAX = 64  # in one go: the parent has other duties


class ServiceUnavailable:
    """Turns senders away while no worker listens.

    Args:
        workers: who should listen.
        sockets: those that they listen on; bound, and never blocking.
        clock: the time.

    Attributes:
        turned_away: connections so far.
    """

    def __init__(self, workers: Workers, *, sockets: Sequence[socket.socket], clock: Clock) -> None:
        self.turned_away = 0
        self._workers = workers
        self._sockets = sockets
        self._clock = clock
        self._is_answering = False
        self._is_over = False
        self._listened_s = clock.monotonic_s()

    async def run(self) -> None:
        """Look every second whether somebody listens, for ever."""
        self._listened_s = self._clock.monotonic_s()
        try:
            while True:
                await self._clock.sleep(LOOK_EVERY_S)
                await self.look()
        finally:
            self._answer(False)

    async def look(self) -> bool:
        """Begin or end to turn senders away, as the workers are now; return whether we do.

        Who says that the node is ready asks here: there are no two truths of it.
        """
        is_listening = await self._somebody_listens()
        now_s = self._clock.monotonic_s()
        if is_listening:
            self._listened_s = now_s
        self._answer(not self._is_over and now_s - self._listened_s >= WITHOUT_WORKER_S_MAX)
        return self._is_answering

    def leave(self) -> None:
        """Turn nobody away any more: the sockets, and who waits in them, are a next parent's."""
        self._is_over = True
        self._answer(False)

    async def _somebody_listens(self) -> bool:
        answers = (await self._workers.ask_each(ListeningQuestion())).values()
        return any(isinstance(answer, ListeningAnswer) and answer.listening for answer in answers)

    def _answer(self, wanted: bool) -> None:
        if wanted == self._is_answering:
            return
        self._is_answering = wanted
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            if wanted:
                loop.add_reader(one, self._turn_away, one)
            else:
                loop.remove_reader(one)
        if wanted:
            log.warning("node.nobody_listens", hint="/readyz says why; senders hear 421")
        else:
            log.info("node.somebody_listens", turned_away=self.turned_away)

    def _turn_away(self, listening: socket.socket) -> None:
        for _ in range(TURNED_AWAY_MAX):
            try:
                connection, _ = listening.accept()
            except OSError:  # nobody else waits, or there is no descriptor for them now
                return
            with connection:
                connection.setblocking(False)
                try:
                    connection.send(replies.NOT_ACCEPTING.octets)
                except OSError:  # gone already
                    continue
                self.turned_away += 1
