"""How are workers started, restarted, asked and stopped?

Touches processes, sockets and signals. The parent binds the port, starts one worker for each shard,
starts it again when it ends, answers for all of them, and stops them within 20 seconds.

Theory of operation. Each shard has a ``Worker`` from the node's start to its end. It is

- *starting*: its process comes into being (``starts`` counts them);
- *running*: it has a process and a channel to it, and may be asked;
- *pausing*: there is no process, until the pause is over;
- *ended*: its shard has retired (``has_retired``), or it was told to stop and its process is gone.

starting -> running; or -> pausing, when the system has no process for it now. running -> pausing:
the process ended, by whatever cause; -> ended: it ended with RETIRED, or after ``stop``. pausing ->
starting: after a time that grows from one process to the next, and is short again after one that
ran for long; -> ended: ``stop``, which waits for no pause. A process that came into being while
``stop`` was called is told at once. What ``stop`` does not end in time, ``kill`` does.

After each step: a shard has one process at most, and the next is started only once it is gone; a
channel lives as long as its process, and whoever is not running has no answer; after ``stop``
nothing is started any more.

At SIGHUP it reads the settings anew and replaces the workers one after another: each hands over,
which is to end in order without turning anybody away, for whoever comes is served by the others or
waits in the kernel's queue. The next one is replaced only once its successor is at work; when that
fails, all of them go back to the settings before.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import structlog

from common.clock import Clock
from common.errors import SettingsError
from common.settings.satellite import SatelliteSettings
from common.tasks import keep_running
from satellite.node.channel import Channel, NoAnswer
from satellite.node.fork_server import Process
from satellite.node.health import ListeningAnswer, ListeningQuestion
from satellite.node.question import ErrorAnswer, Question, question_json, read_answer
from satellite.node.settings_in_force import change_of, lent

log = structlog.get_logger()

STOP_S = 17.0  # for workers to finish what is in flight; the service manager waits 20 s
ANSWER_S = 5.0
FIRST_PAUSE_S = 0.2  # before a worker is started again
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0  # a worker that ran this long is started again at once

START_S = 60.0  # for a replaced worker to be at work: a large spool takes its time
LOOK_S = 0.2  # between looks whether it is
TRIES_MAX = 3  # starts of a replaced worker, before its settings are to blame

HAND_OVER = signal.SIGUSR1  # to a worker: end in order, and leave newcomers to the others

RENEWED = 76  # exit status of a shard whose next process begins a new life of its spool
RETIRED = 75  # exit status of a shard that was one too many and is empty now

AnswerT = TypeVar("AnswerT")

# Starts a process with a worker's arguments and, after them, the numbers of these descriptors.
Start = Callable[[Sequence[str], Sequence[int]], Awaitable[Process]]


class Worker:
    """One shard's process, started again whenever it ends.

    Args:
        shard: its number.
        settings: what it works with.
        sockets: those that it inherits to listen on.
        retiring: it is one too many and does not listen.
        clock: the time.
        start: what makes its process.
    """

    def __init__(
        self,
        shard: int,
        *,
        settings: SatelliteSettings,
        sockets: Sequence[socket.socket],
        retiring: bool,
        clock: Clock,
        start: Start,
    ) -> None:
        self.shard = shard
        self.retiring = retiring
        self.starts = 0
        self.failures = 0  # ends that nobody asked for, and starts that the system refused
        self._settings = settings
        self.running_with: SatelliteSettings | None = None  # None while no process runs
        self._is_handing_over = False
        self._sockets = sockets
        self._clock = clock
        self._start_process = start
        self._channel: Channel | None = None
        self._process: Process | None = None
        self._told_to_stop = asyncio.Event()
        self.has_retired = False

    async def run(self) -> None:
        """Keep the worker running until ``stop``; return early when its shard has retired."""
        pause_s = FIRST_PAUSE_S
        while not self._told_to_stop.is_set():
            began_s = self._clock.monotonic_s()
            status = await self._run_once()
            self.has_retired = status == RETIRED
            if self._told_to_stop.is_set() or self.has_retired:
                break
            if self._is_handing_over or status == RENEWED:
                self._is_handing_over = False
                continue
            self.failures += 1
            log.warning("worker.ended", shard=self.shard, status=status)
            if self._clock.monotonic_s() - began_s > STEADY_S:
                pause_s = FIRST_PAUSE_S
            await self._pause(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def ask(self, question: Question[AnswerT]) -> AnswerT | ErrorAnswer | None:
        """Return the worker's answer, why it has none, or None while it does not answer."""
        if self._channel is None:
            return None
        try:
            body = await self._channel.ask(question_json(question), deadline_s=ANSWER_S)
        except NoAnswer:
            return None
        return read_answer(question, body)

    async def replace(self, settings: SatelliteSettings, *, stop_s: float) -> bool:
        """Let its process hand over to one that works with other settings.

        Args:
            settings: what it works with from now on, whenever it is started.
            stop_s: seconds to finish what is in flight; then it is killed.

        Returns:
            whether the new process is at work: it answers, and listens if the one before did.
        """
        must_listen = await self._listens() is True
        self._settings = settings
        began_s, starts = self._clock.monotonic_s(), self.starts
        self._hand_over()
        while not self.has_retired and not self._told_to_stop.is_set():
            if self.running_with is settings:
                is_listening = await self._listens()
                if is_listening or (is_listening is not None and not must_listen):
                    return True
            spent_s = self._clock.monotonic_s() - began_s
            if spent_s > stop_s + START_S or self.starts > starts + TRIES_MAX:
                return False
            if spent_s > stop_s and self.running_with is not settings:
                self.kill()  # deaf, or busy with what does not end
            await self._clock.sleep(LOOK_S)
        return True

    async def _listens(self) -> bool | None:
        """Say whether it takes connections; None while it does not answer."""
        answer = await self.ask(ListeningQuestion())
        return answer.listening if isinstance(answer, ListeningAnswer) else None

    def _hand_over(self) -> None:
        process = self._process
        if process is None or process.returncode is not None or self.running_with is None:
            return  # between two processes: the next one has the new settings
        self._is_handing_over = True
        process.send_signal(HAND_OVER)

    def stop(self, *, turns_away: bool = True) -> None:
        """Let it finish what is in flight, and not start again.

        Args:
            turns_away: whoever comes meanwhile is told to come back; else left to a next parent.
        """
        self._told_to_stop.set()
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM if turns_away else HAND_OVER)

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _pause(self, pause_s: float) -> None:
        """Let time pass, or be told to stop: the node's end does not wait for a next start."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(pause_s)),
            asyncio.ensure_future(self._told_to_stop.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    async def _run_once(self) -> int | None:
        """Return the exit status of one process; None when it could not even be started."""
        try:
            process = await self._start()
        except OSError as error:  # no memory or no descriptors now: the shard is not given up
            log.error("worker.not_started", shard=self.shard, reason=error.strerror)
            return None
        try:
            return await process.wait()
        finally:
            self.running_with = None
            self._close_channel()

    async def _start(self) -> Process:
        self.starts += 1
        ours, theirs = socket.socketpair()
        listening = [one.fileno() for one in self._sockets] if not self.retiring else []
        settings = self._settings
        try:
            with theirs, lent(settings) as given:
                process = await self._start_process(
                    (str(self.shard),), (given, theirs.fileno(), *listening)
                )
        except BaseException:  # cancelled too
            ours.close()
            raise
        self._process = process
        if self._told_to_stop.is_set():  # told to stop while the process came into being
            process.terminate()
        self._channel = await Channel.over(ours)
        self.running_with = settings
        if settings is not self._settings:  # replaced while the process came into being
            self._hand_over()
        log.info("worker.started", shard=self.shard, worker_pid=process.pid)
        return process

    def _close_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None


class Workers:
    """All shards of the node: those that the settings ask for, and older ones until empty.

    Args:
        settings: the node's.
        read_settings: returns them as they are in their file now, checked; raises SettingsError.
        sockets: those that the workers listen on.
        clock: the time.
        start: what makes a worker's process.
        stop_s: seconds that workers have to finish what is in flight.
        on_reloaded: called when all that the settings file says is in force.

    Attributes:
        settings: those in force.
        was_told_to_stop: whether SIGTERM or SIGINT came.
        ending: set once the workers are to end, for whatever reason.
    """

    def __init__(
        self,
        settings: SatelliteSettings,
        *,
        read_settings: Callable[[], SatelliteSettings],
        sockets: Sequence[socket.socket],
        clock: Clock,
        start: Start,
        stop_s: float = STOP_S,
        on_reloaded: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.was_told_to_stop = False
        self._on_reloaded = on_reloaded
        self.ending = asyncio.Event()
        self._read_settings = read_settings
        self._clock = clock
        self._stop_s = stop_s
        shards = set(range(settings.workers)) | shards_on_disk(Path(settings.state))
        self.all = [
            Worker(
                shard,
                settings=settings,
                sockets=sockets,
                retiring=shard >= settings.workers,
                clock=clock,
                start=start,
            )
            for shard in sorted(shards)
        ]

    async def run(self) -> None:
        """Keep all workers running until SIGTERM, SIGINT or ``hand_over``; SIGHUP is a reload."""
        loop = asyncio.get_running_loop()
        hung_up = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        before = signal.getsignal(signal.SIGHUP)
        loop.add_signal_handler(signal.SIGHUP, hung_up.set)
        runs = [
            asyncio.create_task(worker.run(), name=f"shard {worker.shard}") for worker in self.all
        ]
        reloading = asyncio.create_task(
            keep_running(lambda: self._reload_whenever(hung_up), name="reload", clock=self._clock),
            name="reload",
        )
        try:
            await self.ending.wait()
            reloading.cancel()
            for worker in self.all:
                worker.stop(turns_away=self.was_told_to_stop)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._stop_s):
                    await asyncio.gather(*(asyncio.shield(run) for run in runs))
            for worker in self.all:
                worker.kill()
            await asyncio.gather(*runs)
        finally:
            for task in (reloading, *runs):
                task.cancel()
            loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, before)

    def _stop(self) -> None:
        self.was_told_to_stop = True
        self.ending.set()

    def hand_over(self) -> None:
        """Let all workers end in order, for the workers of a next parent on the same sockets."""
        self.ending.set()

    async def _reload_whenever(self, asked: asyncio.Event) -> None:
        while True:
            await asked.wait()
            asked.clear()
            await self.reload()

    async def reload(self) -> None:
        """Read the settings anew, and replace the workers one after another.

        Settings that are wrong change nothing.
        """
        try:
            fresh = await asyncio.to_thread(self._read_settings)
        except SettingsError as error:
            log.error(
                "node.settings_wrong",
                complaints=error.complaints,
                hint="nothing was changed; correct them and send SIGHUP again",
            )
            return
        change, running = change_of(self.settings, fresh), self.settings
        log.info("node.reloading")
        replaced = []
        for worker in self.all:
            replaced.append(worker)
            if not await worker.replace(change.settings, stop_s=self._stop_s):
                log.error(
                    "node.reload_failed",
                    shard=worker.shard,
                    hint="its log says why; all workers go back to the settings before",
                )
                for one in replaced:
                    await one.replace(running, stop_s=self._stop_s)
                return
        self.settings = change.settings
        if not change.restart_needed:
            self._on_reloaded()
        log.info(
            "node.reloaded",
            restart_needed=change.restart_needed,
            hint="restart the node to use what was changed" if change.restart_needed else "",
        )

    async def ask_each(
        self, question: Question[AnswerT]
    ) -> dict[int, AnswerT | ErrorAnswer | None]:
        """Return every worker's answer by shard; None from one that does not answer.

        A shard that has retired is empty, and nobody expects an answer of it.
        """
        asked = [worker for worker in self.all if not worker.has_retired]
        answers = await asyncio.gather(*(worker.ask(question) for worker in asked))
        return {worker.shard: answer for worker, answer in zip(asked, answers, strict=True)}


def shard_folder(state: Path, shard: int) -> Path:
    """Return the folder of a shard."""
    return state / f"shard-{shard}"


def shards_on_disk(state: Path) -> set[int]:
    """Return the shards that have a spool."""
    names = (path.parent.name.removeprefix("shard-") for path in state.glob("shard-*/spool.db"))
    return {int(name) for name in names if name.isdigit()}
