"""How is one helper process begun, asked, measured and ended?

Touches a child process and the socket pair to it. The child is spawned and never forked, with no
descriptor but its end of the pair, and /dev/null: the event loop's own way of starting a program
lets through whatever was inheritable, such as the socket of port 25. Source: prctl(2),
clock_getcpuclockid(3) and the kernel's posix-timers.h, pidfd_open(2).
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import EnvironmentFailure, PeerError
from common.verdict import printable
from satellite.scanning.frames import FrameError, head_of, read_answer
from satellite.scanning.sample import Sample

KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")  # no secrets
COMMAND = (sys.executable, "-m", "satellite.scanning.helper_process")

_CPU_CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED; the number of the process stands above it, inverted

Answer = Mapping[str, Any]


class HelperUnavailable(EnvironmentFailure):
    """There is no helper process, or none that has time."""


class HelperDied(PeerError):
    """The helper ended, or answered with nonsense, while it worked on a message."""


class HelperProcess:
    """One running helper; ``spawned`` makes it.

    Attributes:
        not_isolated: why it could not give up network and files; empty: it has.
        start_cpu_s: the processor time that it took until it was ready.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.pid = process.pid
        self.not_isolated = ""
        self.start_cpu_s = 0.0
        self._process = process
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._loop = asyncio.get_running_loop()
        self._has_ended = asyncio.Event()
        self._watch = os.pidfd_open(self.pid)
        self._loop.add_reader(self._watch, self._reap)

    @property
    def is_alive(self) -> bool:
        return (
            not self._has_ended.is_set()
            and not self._reader.at_eof()
            and not self._writer.is_closing()
        )

    def cpu_s(self) -> float:
        """Return the processor time that it has taken, all its threads together; 0 when gone."""
        try:
            return time.clock_gettime((~self.pid << 3) | _CPU_CLOCK_OF_PROCESS)
        except OSError:
            return 0.0

    def waited_s(self) -> float:
        """Return how long its first thread was ready to run and there was no processor for it."""
        try:
            said = Path(f"/proc/{self.pid}/schedstat").read_text(encoding="ascii")
        except OSError:  # gone, or a kernel that does not count
            return 0.0
        return int(said.split()[1]) / 1e9

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
        self.start_cpu_s = self.cpu_s()
        self.not_isolated = printable(str(answer.get("not_isolated", "")))

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
            self._writer.writelines([head, content])  # it wakes once
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
        self._process.kill()  # does nothing once it was reaped

    async def ended(self) -> None:
        """Return when it is gone."""
        await self._has_ended.wait()

    def _reap(self) -> None:
        self._process.wait()
        self._loop.remove_reader(self._watch)
        os.close(self._watch)
        self._has_ended.set()


async def spawned(command: Sequence[str]) -> HelperProcess:
    """Return a new helper, which has to be started.

    Args:
        command: what to run; the socket's descriptor and our process id are appended.

    Raises:
        OSError: there is no such command, or no process for it.
    """
    ours, theirs = socket.socketpair()
    try:
        # In a thread, since it lasts until the child runs: on a busy machine a tenth of a second.
        starting = asyncio.ensure_future(asyncio.to_thread(_spawned, command, theirs))
        try:
            child = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_unwanted)
            raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
    except BaseException:  # cancelled too: the helper sees its socket end, and ends
        ours.close()
        raise
    return HelperProcess(child, reader, writer)


def _spawned(command: Sequence[str], theirs: socket.socket) -> subprocess.Popen[bytes]:
    """Start a program with one descriptor of ours and no other.

    In a thread of the event loop's executor, with which the child is to end: such threads live
    until the loop is closed. The descriptor is closed here and nowhere else, since whoever waits
    for this may go away meanwhile, and its number must not become another's.
    """
    with theirs:
        return subprocess.Popen(  # noqa: S603  the command is ours, and no shell
            [*command, str(theirs.fileno()), str(os.getpid())],
            close_fds=True,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # a traceback holds pieces of mail
            env={k: os.environ[k] for k in KEPT_ENVIRONMENT if k in os.environ},
        )


def _unwanted(starting: asyncio.Future[subprocess.Popen[bytes]]) -> None:
    """End a child for which nobody waits any more."""
    if starting.cancelled() or starting.exception() is not None:
        return
    child = starting.result()
    child.kill()
    child.wait()
