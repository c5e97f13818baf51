"""How is the helper process that reads hostile mail kept, limited and replaced?

Touches one child process, spawned and never forked, over a socket pair. It works on one message at
a time; who comes second waits for its turn. A message that ends the helper, or holds it beyond
``try_s``, is tried once more on a fresh one; the second time it is ``Unscannable``.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog

from common.clock import Clock
from common.errors import EnvironmentFailure, PeerError
from common.verdict import printable
from satellite.scanning.frames import FrameError, head_of, read_answer
from satellite.scanning.sample import Sample

log = structlog.get_logger()

MEMORY_BYTES = 512 * 1024 * 1024  # above what it starts with: six copies of the largest usual mail
TRY_S = 10.0  # for one message; hostile ones that were met took under 1 s within the limits
START_S = 30.0  # it needs a tenth of a second; a loaded machine may need more
RESTART_PAUSE_S = 1.0  # after a start that failed: the reason will not go away faster
DEATHS_MAX = 2
REMEMBERED_MAX = 1024  # messages that ended a helper once
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")  # no secrets

Answer = Mapping[str, Any]


class HelperUnavailable(EnvironmentFailure):
    """The helper process cannot be started."""


class Unscannable(PeerError):
    """A message ended its helper twice, or held it for too long."""


class HelperDied(PeerError):
    """The helper ended, or answered with nonsense, while it worked on a message."""


class _Process:
    """One running helper."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.pid = process.pid
        self._process = process
        self._reader = reader
        self._writer = writer
        self._number = 0

    @property
    def is_alive(self) -> bool:
        return (
            self._process.returncode is None
            and not self._reader.at_eof()
            and not self._writer.is_closing()
        )

    async def start(self, fields: Mapping[str, Any]) -> None:
        """Wait until it is ready.

        Raises:
            HelperUnavailable: it does not want to.
        """
        try:
            self._writer.write(head_of(fields, 0))
            answer = await read_answer(self._reader)
        except (OSError, asyncio.IncompleteReadError, FrameError) as error:
            raise HelperUnavailable(f"the helper process ended at its start: {error}") from None
        if "ready" not in answer:
            raise HelperUnavailable(
                f"the helper process cannot start: {printable(str(answer.get('failed')))}"
            )

    async def ask(self, job: str, sample: Sample) -> Answer:
        """Return the answer to one message.

        Raises:
            HelperDied: it ended instead.
        """
        self._number += 1
        content = b"" if sample.path is not None else sample.data or b""
        path = None if sample.path is None else str(sample.path)
        head = head_of(
            {"id": self._number, "job": job, "path": path, "size": sample.size}, len(content)
        )
        try:
            self._writer.write(head)
            self._writer.write(content)
            await self._writer.drain()
            fields = await read_answer(self._reader)
        except (OSError, asyncio.IncompleteReadError):
            raise HelperDied("it ended its helper process") from None
        except FrameError:
            raise HelperDied("its helper process answered with nonsense") from None
        answer = fields.get("answer")
        if fields.get("id") != self._number or not isinstance(answer, dict):
            raise HelperDied("its helper process answered with nonsense")
        return answer

    def kill(self) -> None:
        """End it now; synchronous, and harmless when it has ended."""
        self._writer.transport.abort()
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def ended(self) -> None:
        """Return when it is gone."""
        await self._process.wait()


class Helper:
    """The helper process of one worker, started when it is first needed.

    Args:
        clock: for the pause after a failed start.
        memory_bytes: address space that it may use above what it starts with.
        try_s: seconds after which a message that holds it counts as one that ended it.
        command: what to run; the socket's descriptor and our process id are appended.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        memory_bytes: int = MEMORY_BYTES,
        try_s: float = TRY_S,
        command: Sequence[str] = (sys.executable, "-m", "satellite.scanning.helper_process"),
    ) -> None:
        self.try_s = try_s
        self._clock = clock
        self._memory_bytes = memory_bytes
        self._command = tuple(command)
        self._jobs: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._process: _Process | None = None
        self._killed: list[_Process] = []  # until they are known to be gone
        self._turn = asyncio.Lock()
        self._deaths: OrderedDict[tuple[str, bytes], int] = OrderedDict()
        self._start_after_s = float("-inf")

    @property
    def pid(self) -> int | None:
        """Return the running helper's process id, None while there is none."""
        process = self._process
        return process.pid if process is not None and process.is_alive else None

    def add_job(self, name: str, target: str, options: Mapping[str, Any]) -> None:
        """Make ``MODULE:FUNCTION`` known as a job, before the first message.

        In the helper the function is called once with ``options`` (plain JSON) and returns what
        is called with each message and gives a JSON object. The names are ours or an engine's,
        never from mail.
        """
        assert self._process is None
        self._jobs[name] = (target, dict(options))

    async def ask(self, job: str, sample: Sample, *, deadline_s: float) -> Answer:
        """Return what a job makes of one message; the shape of it is for the caller to check.

        Raises:
            Unscannable: the message ended the helper twice.
            HelperUnavailable: there is no helper.
            TimeoutError: not done within ``deadline_s`` seconds, the wait for a turn included.
        """
        async with asyncio.timeout(deadline_s), self._turn:
            return await self._tries(job, sample)

    async def close(self) -> None:
        """End the process and wait until it is gone."""
        if self._process is not None:
            self._kill(self._process)
        await self._bury()

    def _kill(self, process: _Process) -> None:
        """End a helper now; synchronous. Its remains are for ``_bury``."""
        process.kill()
        self._killed.append(process)
        if self._process is process:
            self._process = None

    async def _bury(self) -> None:
        """Wait until every helper that was killed is gone."""
        for process in list(self._killed):
            await process.ended()
            if process in self._killed:  # another one may have waited for the same
                self._killed.remove(process)

    async def _tries(self, job: str, sample: Sample) -> Answer:
        key = (job, sample.sha256)
        while True:
            process = await self._running()
            try:
                answer = await self._one_try(process, job, sample)
            except HelperDied as death:
                deaths = self._deaths.pop(key, 0) + 1
                log.warning("helper.died", message=sample.id, reason=death.what, deaths=deaths)
                if deaths >= DEATHS_MAX:
                    raise Unscannable(f"unscannable: {death.what}, {deaths} times") from None
                self._remember(key, deaths)
            else:
                self._deaths.pop(key, None)
                return answer

    async def _one_try(self, process: _Process, job: str, sample: Sample) -> Answer:
        answered = False
        try:
            async with asyncio.timeout(self.try_s) as limit:
                answer = await process.ask(job, sample)
            answered = True
        except TimeoutError:
            assert limit.expired()
            raise HelperDied(f"it held its helper process for {self.try_s:g} s") from None
        finally:
            if not answered:
                self._kill(process)  # cancelled, dead or stuck: not for the next message
        return answer

    def _remember(self, key: tuple[str, bytes], deaths: int) -> None:
        self._deaths[key] = deaths
        while len(self._deaths) > REMEMBERED_MAX:
            self._deaths.popitem(last=False)

    async def _running(self) -> _Process:
        process = self._process
        if process is not None:
            if process.is_alive:
                return process
            self._kill(process)
        await self._bury()
        if self._clock.monotonic_s() < self._start_after_s:
            raise HelperUnavailable("the helper process did not start a moment ago")
        try:
            async with asyncio.timeout(START_S):
                self._process = await self._spawned()
        except (HelperUnavailable, OSError, TimeoutError) as error:
            self._start_after_s = self._clock.monotonic_s() + RESTART_PAUSE_S
            if isinstance(error, HelperUnavailable):
                raise
            raise HelperUnavailable(f"the helper process cannot be started: {error}") from None
        log.info("helper.started", pid=self._process.pid)
        return self._process

    async def _spawned(self) -> _Process:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                child = await asyncio.create_subprocess_exec(
                    *self._command,
                    str(theirs.fileno()),
                    str(os.getpid()),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,  # a traceback holds pieces of mail
                    env={k: os.environ[k] for k in KEPT_ENVIRONMENT if k in os.environ},
                )
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:  # cancelled too: what was begun is undone
            ours.close()
            raise
        process = _Process(child, reader, writer)
        started = False
        try:
            await process.start(
                {"path": sys.path, "jobs": self._jobs, "memory_bytes": self._memory_bytes}
            )
            started = True
        finally:
            if not started:
                self._kill(process)
        return process
