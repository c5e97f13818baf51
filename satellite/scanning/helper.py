"""Which helper process reads which hostile message, for how long, and what when it ends of it?

Touches at most two child processes. Each works on one message at a time; who comes second waits for
its turn. A message begins at the helper for short ones, where the smaller ones go first. If it is
not done within ``SLICE_S`` it is a long one: it goes on where it is, and a new helper serves the
short ones; or, when there is a long one already, it begins anew behind that. So a message that is
expensive, however many there are, delays the others by a slice and no more. The second helper ends
when nobody needs it. In both lines a client's network that has used much processor time of late
stands behind the others.

Time is the processor time of the helper, since a busy machine makes no mail unscannable. A message
that ends its helper, or holds it beyond ``try_s``, is tried once more on a fresh one; the second
time it is ``Unscannable``.
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from common.clock import Clock
from common.errors import PeerError
from satellite.scanning.recent_use import RecentUse
from satellite.scanning.sample import Sample
from satellite.scanning.spawned import (
    COMMAND,
    Answer,
    HelperDied,
    HelperProcess,
    HelperUnavailable,
    spawned,
)
from satellite.scanning.waiting_line import NoTurn, WaitingLine

log = structlog.get_logger()

MEMORY_BYTES = 512 * 1024 * 1024  # above what it starts with: six copies of the largest usual mail
TRY_S = 7.0  # for one message; the readers end by themselves after ``UnfoldingLimits.cpu_s``
SLICE_S = 0.5  # nearly all mail is done in a tenth of it
IDLE_S = 10.0  # that a helper may neither work nor wait for the processor: it hangs
SHORTEST_LOOK_S = 0.02
# For a turn. Whoever has none by then is tried again behind fresh mail, and gives his place in the
# worker to others: to a thousand long messages at once that is what they cost everybody else.
SHORT_TURN_S = 20.0
LONG_TURN_S = 20.0
START_S = 30.0  # it needs a tenth of a second; a loaded machine may need more
RESTART_PAUSE_S = 1.0  # after a start that failed: the reason will not go away faster
DEATHS_MAX = 2
REMEMBERED_MAX = 1024  # messages that ended a helper once, or are long and had no turn yet

# A message of this size goes behind those that come within the next second; at most ten seconds, so
# that large ones have their turn on a node that is never idle.
BYTES_PER_S = 256 * 1024
BEHIND_S_MAX = 10.0

# A second of processor time that a client's network has used lately puts its mail behind what comes
# within the next so many: a hundred long messages do not keep one large honest message waiting.
BEHIND_PER_USED_S = 10.0


KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Unscannable(PeerError):
    """A message ended its helper twice, or held it for too long."""


class _Request:
    """A message on its way through the helpers."""

    def __init__(self, job: str, sample: Sample) -> None:
        self.job = job
        self.sample = sample
        self.key = (job, sample.sha256)
        self.is_long = False  # known to take more than a slice


class _Work:
    """A helper at work on a message."""

    def __init__(self, process: HelperProcess, request: _Request) -> None:
        self.process = process
        self.client = request.sample.client
        self.was_idle = False
        self._cpu_s = self._counted_s = process.cpu_s()
        self._busy_since: tuple[float, float] | None = None  # when it was first looked at
        self._asking = asyncio.create_task(process.ask(request.job, request.sample), name="helper")

    async def answer(self, *, cpu_s: float, idle_s: float) -> Answer | None:
        """Return the answer, or None when the helper has worked, or done nothing, for too long.

        Raises:
            HelperDied: it ended.
        """
        worked_s = 0.0
        while worked_s < cpu_s:
            look_s = max(min(cpu_s - worked_s, idle_s), SHORTEST_LOOK_S)
            await asyncio.wait([self._asking], timeout=look_s)
            if self._asking.done():
                return self._asking.result()
            worked_s = self.process.cpu_s() - self._cpu_s
            if self._idle_s() >= idle_s:
                self.was_idle = True
                return None
        return None

    def used_s(self) -> float:
        """Return the processor time since this was last asked; 0 when the helper is gone."""
        counted_s, self._counted_s = self._counted_s, self.process.cpu_s()
        return max(0.0, self._counted_s - counted_s)

    def stop(self) -> None:
        """Ask no more; the helper has to be ended, since it does not hear of that."""
        self._asking.cancel()
        self._asking.add_done_callback(_seen)

    def _idle_s(self) -> float:
        """Return how long it has neither worked nor waited for the processor, once it is slow."""
        now_s = asyncio.get_running_loop().time()
        busy_s = self.process.cpu_s() + self.process.waited_s()
        if self._busy_since is None:
            self._busy_since = now_s, busy_s
        began_s, busy_before_s = self._busy_since
        return now_s - began_s - (busy_s - busy_before_s)


class _Place:
    """A helper, or none yet, and those who wait for it."""

    def __init__(self, behind: Callable[[str], float]) -> None:
        self.process: HelperProcess | None = None
        self.line = WaitingLine(behind)


class Helper:
    """The helper processes of one worker, each started when it is first needed.

    Args:
        clock: for the pause after a failed start.
        memory_bytes: address space that one may use above what it starts with.
        try_s: processor time after which a message that holds it counts as one that ended it.
        slice_s: processor time after which a message is a long one.
        command: what to run; the socket's descriptor and our process id are appended.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        memory_bytes: int = MEMORY_BYTES,
        try_s: float = TRY_S,
        slice_s: float = SLICE_S,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.try_s = try_s
        self._slice_s = slice_s
        self._clock = clock
        self._memory_bytes = memory_bytes
        self._command = tuple(command)
        self._jobs: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._use = RecentUse(clock)
        self._short, self._long = _Place(self._behind_s), _Place(self._behind_s)
        self._current: set[HelperProcess] = set()  # that were started with the jobs of now
        self._killed: list[HelperProcess] = []  # until they are known to be gone
        self._deaths: OrderedDict[tuple[str, bytes], int] = OrderedDict()
        self._known_long: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._start_after_s = float("-inf")
        self.not_isolated = ""  # why the last one could not give up network and files

    @property
    def pid(self) -> int | None:
        """Return the process id of the helper for short messages, None while there is none."""
        process = self._short.process
        return process.pid if process is not None and process.is_alive else None

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the process ids of all running helpers."""
        processes = (self._short.process, self._long.process)
        return tuple(one.pid for one in processes if one is not None and one.is_alive)

    def add_job(self, name: str, target: str, options: Mapping[str, Any]) -> None:
        """Make ``MODULE:FUNCTION`` known as a job, before the first message.

        In the helper the function is called once with ``options`` (plain JSON) and returns what
        is called with each message and gives a JSON object. The names are ours or an engine's,
        never from mail.
        """
        assert not self.pids
        self._jobs[name] = (target, dict(options))

    def replace_job(self, name: str, target: str, options: Mapping[str, Any]) -> None:
        """Change a job; each helper process ends the message that it has, and no more.

        Args:
            name, target, options: as of ``add_job``.
        """
        self._jobs[name] = (target, dict(options))
        self._current.clear()

    async def ask(self, job: str, sample: Sample, *, deadline_s: float) -> Answer:
        """Return what a job makes of one message; the shape of it is for the caller to check.

        Raises:
            Unscannable: the message ended the helper twice.
            HelperUnavailable: there is no helper; or within ``deadline_s`` seconds it had no turn,
                or the machine too little processor time for it.
        """
        try:
            async with asyncio.timeout(deadline_s):
                request = _Request(job, sample)
                # Tried again since it had no turn: another slice would tell what we know.
                request.is_long = request.key in self._known_long
                return await self._tries(request)
        except NoTurn as error:
            raise HelperUnavailable(f"the helper process had {error} for it") from None
        except TimeoutError:
            raise HelperUnavailable(
                f"the helper process had no time for it within {deadline_s:g} s"
            ) from None

    async def close(self) -> None:
        """End the processes and wait until they are gone."""
        for place in (self._short, self._long):
            if place.process is not None:
                self._kill(place.process)
        await self._bury()

    def _kill(self, process: HelperProcess) -> None:
        """End a helper now; synchronous. Its remains are for ``_bury``."""
        process.kill()
        self._current.discard(process)
        self._killed.append(process)
        for place in (self._short, self._long):
            if place.process is process:
                place.process = None

    async def _bury(self) -> None:
        """Wait until every helper that was killed is gone."""
        for process in list(self._killed):
            await process.ended()
            if process in self._killed:  # another one may have waited for the same
                self._killed.remove(process)

    async def _tries(self, request: _Request) -> Answer:
        while True:
            try:
                answer = await self._one_try(request)
            except HelperDied as death:
                deaths = self._deaths.pop(request.key, 0) + 1
                message = request.sample.id
                log.warning("helper.died", message=message, reason=death.what, deaths=deaths)
                if deaths >= DEATHS_MAX:
                    raise Unscannable(f"unscannable: {death.what}, {deaths} times") from None
                _remember(self._deaths, request.key, deaths)
                request.is_long = True  # whatever it does, it does it no more to the short ones
            else:
                self._deaths.pop(request.key, None)
                self._known_long.pop(request.key, None)
                return answer

    async def _one_try(self, request: _Request) -> Answer:
        work: _Work | None = None
        if not request.is_long:
            rank = self._clock.monotonic_s() + min(request.sample.size / BYTES_PER_S, BEHIND_S_MAX)
            whose = request.sample.client
            async with self._short.line.turn(rank, patience_s=SHORT_TURN_S, whose=whose):
                work = await self._begun(self._short, request)
                answer = await self._answered(work, cpu_s=self._slice_s, idle_s=self._slice_s)
                if answer is not None:
                    return answer
                request.is_long = True
                _remember(self._known_long, request.key, None)
                work.was_idle = False
                work = self._made_long(work)
        if work is None:
            rank, whose = self._clock.monotonic_s(), request.sample.client
            await self._long.line.take(rank, patience_s=LONG_TURN_S, whose=whose)
        try:
            if work is None:
                work = await self._begun(self._long, request)
            answer = await self._answered(work, cpu_s=self.try_s, idle_s=IDLE_S)
            if answer is None:
                self._end(work)
                raise HelperDied(
                    f"its helper process did nothing for {IDLE_S:g} s"
                    if work.was_idle
                    else f"it held its helper process for {self.try_s:g} s"
                )
            return answer
        finally:
            self._settle()
            self._long.line.give_back()

    def _made_long(self, work: _Work) -> _Work | None:
        """Let a message go on as the long one, with its helper; None: there is one already."""
        if self._long.line.is_taken:
            self._end(work)
            return None
        self._long.line.is_taken = True
        if self._long.process is not None:  # whoever was to have it next no longer wants it
            self._kill(self._long.process)
        self._long.process, self._short.process = work.process, None
        return work

    def _settle(self) -> None:
        """Decide what becomes of the second helper when its message is done."""
        process = self._long.process
        if process is None or self._long.line.is_awaited:
            return
        if self._short.process is None and not self._short.line.is_taken and process.is_alive:
            self._short.process, self._long.process = process, None
        else:
            self._kill(process)

    def _behind_s(self, client: str) -> float:
        return BEHIND_PER_USED_S * self._use.of(client)

    async def _begun(self, place: _Place, request: _Request) -> _Work:
        return _Work(await self._running(place), request)

    async def _answered(self, work: _Work, *, cpu_s: float, idle_s: float) -> Answer | None:
        goes_on = False
        try:
            answer = await work.answer(cpu_s=cpu_s, idle_s=idle_s)
            goes_on = True
        finally:
            self._use.add(work.client, work.used_s())
            if not goes_on:  # cancelled, dead or stuck: not for the next message
                self._end(work)
        return answer

    def _end(self, work: _Work) -> None:
        work.stop()
        self._use.add(work.client, work.process.start_cpu_s)  # another one has to be started
        self._kill(work.process)

    async def _running(self, place: _Place) -> HelperProcess:
        process = place.process
        if process is not None:
            if process.is_alive and process in self._current:
                return process
            self._kill(process)
        await self._bury()
        if self._clock.monotonic_s() < self._start_after_s:
            raise HelperUnavailable("the helper process did not start a moment ago")
        try:
            async with asyncio.timeout(START_S):
                process = place.process = await self._started()
        except (HelperUnavailable, OSError, TimeoutError) as error:
            self._start_after_s = self._clock.monotonic_s() + RESTART_PAUSE_S
            if isinstance(error, HelperUnavailable):
                raise
            raise HelperUnavailable(f"the helper process cannot be started: {error}") from None
        log.info("helper.started", pid=process.pid)
        return process

    async def _started(self) -> HelperProcess:
        process = await spawned(self._command)
        self._current.add(process)  # before it is told them: they may change meanwhile
        started = False
        try:
            await process.start(
                {"path": sys.path, "jobs": self._jobs, "memory_bytes": self._memory_bytes}
            )
            started = True
        finally:
            if not started:
                self._kill(process)
        if process.not_isolated and not self.not_isolated:
            log.warning("helper.not_isolated", reason=process.not_isolated)
        self.not_isolated = process.not_isolated
        return process


def _remember(known: OrderedDict[KeyT, ValueT], key: KeyT, value: ValueT) -> None:
    known[key] = value
    while len(known) > REMEMBERED_MAX:
        known.popitem(last=False)


def _seen(task: asyncio.Task[Answer]) -> None:
    """Take note of how a task ended that nobody awaits any more."""
    if not task.cancelled():
        task.exception()
