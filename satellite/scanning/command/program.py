"""How is one program run to its end, and ended before, with all that it began?

Touches a child process and its process group. ``run`` blocks, and is called in a thread that lives
as long as its engine; ``Stop`` ends it from the event loop. The child has no shell, no descriptor
of ours, a fixed environment, its own session, and bounds (see ``launcher``). What it prints is read
as it comes, up to a bound.

Source: pidfd_open(2), setsid(2), kill(2).
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import common
from common.errors import EnvironmentFailure
from common.verdict import printable
from satellite.scanning.command import launcher
from satellite.scanning.command.ended import Ended

OUTPUT_BYTES_MAX = 256 * 1024  # of each of its two outputs; a line for each of a thousand members
FILE_BYTES_MAX = 1024 * 1024 * 1024  # of one file that it unpacks; the disk is shared with others
FILES_MAX = 1024  # open at once

_LAUNCHER = (sys.executable, "-I", "-S", launcher.__file__)
_OUR_PACKAGES = str(Path(common.__file__).parent.parent)

# No language but the one that profiles are written in; nothing of ours, which holds secrets.
FIXED_ENVIRONMENT = {
    "LC_ALL": "C",
    "LANG": "C",
    "LANGUAGE": "C",
    "TZ": "UTC",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}


class NotBegun(EnvironmentFailure):
    """The program is not there, or the system gives no process for it."""


class Stopped(Exception):
    """Nobody waits for this any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A program to run.

    Args:
        command: its absolute path, and its arguments.
        folder: its working directory, where it may write.
        environment: beside ``FIXED_ENVIRONMENT``.
        memory_bytes: address space that each of its processes may use.
        cpu_s: processor time that each may use; for when nobody is left to end it.
    """

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    memory_bytes: int
    cpu_s: int


class Stop:
    """Ends a job in another thread, now and for whatever it would begin yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = False
        self._group: int | None = None

    def request(self) -> None:
        """End what runs, and let nothing more begin; harmless when repeated."""
        with self._lock:
            self._requested = True
            self._kill()

    def kill(self) -> None:
        """End what runs."""
        with self._lock:
            self._kill()

    def check(self) -> None:
        """Raise ``Stopped`` once it was requested."""
        if self._requested:
            raise Stopped

    def began(self, group: int) -> None:
        """Take note of a process group that runs."""
        with self._lock:
            self._group = group
            if self._requested:
                self._kill()

    def ends(self) -> None:
        """End what is left of the group, before its number can become another's."""
        with self._lock:
            self._kill()
            self._group = None

    def _kill(self) -> None:
        if self._group is not None:
            # Its leader is not reaped before ``ends``, so that the number is nobody else's. What
            # became another user's cannot be ended by us.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)


class _Output:
    """One pipe from the program, read up to a bound."""

    def __init__(self, descriptor: int, bytes_max: int = OUTPUT_BYTES_MAX) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.said = bytearray()
        self._bytes_max = bytes_max

    @property
    def is_beyond(self) -> bool:
        return len(self.said) > self._bytes_max

    def read(self) -> bool:
        """Take what is there; return whether more may come."""
        while not self.is_beyond:
            try:
                piece = os.read(self.descriptor, 65_536)
            except BlockingIOError:
                return True
            if not piece:
                return False
            self.said += piece
        return False

    def taken(self) -> bytes:
        return bytes(self.said[: self._bytes_max])


def run(order: Order, stop: Stop) -> Ended:
    """Run a program to its end; none of it is left then.

    Raises:
        NotBegun: it cannot be begun.
        Stopped: it was ended from outside.
    """
    with ExitStack() as held:
        status, theirs = os.pipe()
        held.callback(os.close, status)
        process = _begun(order, theirs)
        held.callback(_buried, process, stop)
        assert process.stdout is not None
        assert process.stderr is not None
        held.enter_context(process.stdout)
        held.enter_context(process.stderr)
        stop.began(process.pid)
        outputs = [_Output(pipe) for pipe in (process.stdout.fileno(), process.stderr.fileno())]
        state = _Output(status)
        _follow(process.pid, [*outputs, state], stop)
    stop.check()
    _demand_begun(order, state.taken())
    return Ended(
        code=process.returncode,
        output=outputs[0].taken(),
        complaints=outputs[1].taken(),
        is_cut=any(output.is_beyond for output in outputs),
    )


def _begun(order: Order, theirs: int) -> subprocess.Popen[bytes]:
    """Start the launcher, and close the end of the pipe that is its own."""
    asked = {
        "status": theirs,
        "parent": os.getpid(),
        "path": _OUR_PACKAGES,
        "command": order.command,
        "environment": FIXED_ENVIRONMENT
        | {"HOME": str(order.folder), "TMPDIR": str(order.folder)}
        | dict(order.environment),
        "limits": {
            "RLIMIT_AS": order.memory_bytes,
            "RLIMIT_CPU": order.cpu_s,
            "RLIMIT_CORE": 0,
            "RLIMIT_FSIZE": FILE_BYTES_MAX,
            "RLIMIT_NOFILE": FILES_MAX,
        },
    }
    try:
        return subprocess.Popen(  # noqa: S603  a profile's command, and no shell
            [*_LAUNCHER, json.dumps(asked)],
            cwd=order.folder,
            env=FIXED_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            close_fds=True,
            pass_fds=[theirs],
            start_new_session=True,
        )
    except OSError as error:
        raise NotBegun(f"no process for {order.command[0]}: {error.strerror}") from None
    finally:
        os.close(theirs)


def _follow(pid: int, outputs: list[_Output], stop: Stop) -> None:
    """Read what the program prints until it has ended; what it printed before is read then.

    Something that it left running may keep its pipes open: their end is not waited for.
    """
    ended = os.pidfd_open(pid)
    try:
        with selectors.PollSelector() as selector:
            selector.register(ended, selectors.EVENT_READ)
            for output in outputs:
                selector.register(output.descriptor, selectors.EVENT_READ, output)
            while True:
                ready = [key for key, _ in selector.select()]
                for key in ready:
                    if key.data is not None and not key.data.read():
                        selector.unregister(key.fd)
                        if key.data.is_beyond:
                            stop.kill()
                if any(key.fd == ended for key in ready):
                    break
    finally:
        os.close(ended)
    for output in outputs:
        output.read()


def _buried(process: subprocess.Popen[bytes], stop: Stop) -> None:
    """End the group, and only then give its number back to the kernel."""
    stop.began(process.pid)
    stop.ends()
    process.wait()


def _demand_begun(order: Order, said: bytes) -> None:
    if said == launcher.BEGUN:
        return
    why = said.removeprefix(launcher.BEGUN).decode("utf-8", "replace") or "its launcher failed"
    raise NotBegun(f"{order.command[0]} cannot be begun: {printable(why)}")
