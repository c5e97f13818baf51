"""How are workers forked, so that they share the memory of what they import?

Touches processes and one socket pair. The parent forks this server before it has a thread, an event
loop or a socket; the server never has one either, and so may fork a worker at any time: what Python
and the libraries loaded stands in memory once for all of them. Messages are JSON objects, one a
packet; the descriptors that a worker inherits travel with the request.

The kernel ends the server with the parent, and the workers with the server.

Theory of operation. A process is, as the parent knows it,

- *asked for* (``_asked``, in the order of the requests, which is that of the answers), until the
  server says ``started`` or ``failed``; one whose asker was cancelled meanwhile is killed then;
- *running* (``_running``, by its number), until the server says ``ended``;
- *ended*: it has its exit status, and ``wait`` returns.

The server forks and watches it (``_children``, by a descriptor of it), and reaps it before it says
``ended``. It carries out one request after another, and none of them waits for a worker.

The server itself is begun, attended, and in the end lost (``died``): closed, or dead with all its
children. Then what is asked for fails, what is running has ended by SIGKILL, and nothing can be
started any more: the node has to begin anew.

After each step: a number is signalled only while the server has not reaped it, so that it never
means somebody else's process; there is no process that the parent does not know of, since one that
cannot be watched is ended before it is said to have failed; and the server has no descriptor of a
request left.

Source: fork(2), unix(7) on SOCK_SEQPACKET and SCM_RIGHTS, pidfd_open(2).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, Protocol

from common.die_with_parent import die_with_parent
from common.hang_up import ignore_hang_up
from satellite.node.launch import be_named

PACKET_BYTES_MAX = 64 * 1024  # a request is a handful of short words
DESCRIPTORS_MAX = 253  # what the kernel lets travel in one packet
NAME = "fork-server"

# What a terminal or a service manager sends to all processes of a node. To the server it means
# nothing, for it ends with the parent; at a worker that is not yet itself it waits until it is.
_WAITING = {signal.SIGTERM, signal.SIGINT}

Run = Callable[[list[str]], int]


class Process(Protocol):
    """A worker's process, as its parent knows it; ``asyncio.subprocess.Process`` is one too."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    def send_signal(self, signal: int, /) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class Forked:
    """A process that the server forked. Signals go through the server: it alone knows whether the
    number still means this process.
    """

    def __init__(self, pid: int, server: ForkServer) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server
        self._has_ended = asyncio.Event()

    async def wait(self) -> int:
        """Return the exit status, negative for a signal, once it has ended."""
        await self._has_ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        self._server.signal(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def ended(self, status: int) -> None:
        self.returncode = status
        self._has_ended.set()


class ForkServer:
    """The parent's end. When ``died`` is set, the server is gone and its workers with it."""

    def __init__(self, end: socket.socket, pid: int) -> None:
        self.pid = pid
        self.died = asyncio.Event()
        self._end = end
        self._asked: deque[asyncio.Future[Forked]] = deque()  # answers come in order
        self._running: dict[int, Forked] = {}

    @classmethod
    def begin(cls, run: Run, *, closing: Sequence[socket.socket] = ()) -> ForkServer:
        """Fork the server; ``run`` is what a worker does with its arguments.

        Args:
            run: what a worker does.
            closing: sockets of this process that the server must not hold open.

        To be called while this process has one thread, and holds nothing that a worker must not
        have: locks, sockets, connections to a database.
        """
        # What lives by now lives for ever: a collection that touched it would copy its pages.
        gc.collect()
        gc.freeze()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAITING)
        pid = os.fork()
        if pid == 0:
            ours.close()
            for one in closing:
                one.close()
            _end_with(lambda: _Server(theirs, run).serve(parent))
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        ours.setblocking(False)
        return cls(ours, pid)

    def attend(self) -> None:
        """Hear what the server says, in the running event loop."""
        asyncio.get_running_loop().add_reader(self._end, self._hear)

    async def start(self, arguments: Sequence[str], descriptors: Sequence[int]) -> Forked:
        """Start a process that runs with these arguments, followed by its own numbers of these
        descriptors.

        Raises:
            OSError: the system has no process for it now, or the server is gone.
        """
        self._say({"start": list(arguments)}, descriptors)
        asked: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._asked.append(asked)
        return await asked

    def signal(self, pid: int, number: int) -> None:
        """Have a process sent a signal; nothing happens when it has ended."""
        if pid in self._running:
            self._say({"signal": int(number), "pid": pid}, ())

    async def close(self) -> None:
        """End the server, whose children have ended, and wait until it is gone."""
        self._lose()
        await asyncio.to_thread(os.waitpid, self.pid, 0)

    def _say(self, request: dict[str, Any], descriptors: Sequence[int]) -> None:
        socket.send_fds(self._end, [json.dumps(request).encode()], list(descriptors))

    def _hear(self) -> None:
        try:
            packet = self._end.recv(PACKET_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._lose()
            return
        told = json.loads(packet)
        if "ended" in told:
            self._running.pop(told["ended"]).ended(told["status"])
            return
        asked = self._asked.popleft()
        if "failed" in told:
            if not asked.done():
                asked.set_exception(OSError(told["failed"], os.strerror(told["failed"])))
            return
        process = self._running[told["started"]] = Forked(told["started"], self)
        if asked.done():  # whoever asked was cancelled: nobody would ever stop it
            process.kill()
        else:
            asked.set_result(process)

    def _lose(self) -> None:
        """Take note that the server is gone, and that it took its children along."""
        if self.died.is_set():
            return
        self.died.set()
        asyncio.get_running_loop().remove_reader(self._end)
        self._end.close()
        for asked in self._asked:
            if not asked.done():
                asked.set_exception(ConnectionResetError("the fork server is gone"))
        running, self._running = self._running, {}
        for process in running.values():
            process.ended(-signal.SIGKILL)


class _Server:
    """The server itself: one thread, no event loop."""

    def __init__(self, end: socket.socket, run: Run) -> None:
        self._end = end
        self._run = run
        self._children: dict[int, int] = {}  # process id by its descriptor
        self._selector = selectors.DefaultSelector()

    def serve(self, parent: int) -> int:
        """Do what the parent asks until it closes its end."""
        die_with_parent(parent)
        be_named(NAME)
        ignore_hang_up()
        self._selector.register(self._end, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._end:
                    self._reap(key.fd)
                elif not self._obey():
                    return 0

    def _obey(self) -> bool:
        """Carry out one request; say no when there will be none any more."""
        packet, descriptors, _, _ = socket.recv_fds(self._end, PACKET_BYTES_MAX, DESCRIPTORS_MAX)
        for descriptor in descriptors:
            # A worker is forked and keeps them; what it starts must not have them. The flag of
            # recvmsg(2) for it is dropped by ``recv_fds`` of Python 3.11.
            os.set_inheritable(descriptor, False)
        if not packet:
            return False
        request = json.loads(packet)
        if "signal" in request:
            if request["pid"] in self._children.values():
                os.kill(request["pid"], request["signal"])
            return True
        try:
            self._tell({"started": self._fork(request["start"], descriptors)})
        except OSError as error:
            self._tell({"failed": error.errno})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _fork(self, arguments: list[str], descriptors: list[int]) -> int:
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            _end_with(lambda: self._become_worker(server, arguments, descriptors))
        try:
            watch = os.pidfd_open(pid)
        except OSError:  # no descriptor for it: nobody would ever learn of its end
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._children[watch] = pid
        self._selector.register(watch, selectors.EVENT_READ)
        return pid

    def _become_worker(self, server: int, arguments: list[str], descriptors: list[int]) -> int:
        die_with_parent(server)
        self._selector.close()
        self._end.close()
        for watch in self._children:
            os.close(watch)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITING)
        return self._run([*arguments, *map(str, descriptors)])

    def _reap(self, watch: int) -> None:
        pid = self._children.pop(watch)
        self._selector.unregister(watch)
        os.close(watch)
        _, status = os.waitpid(pid, 0)
        self._tell({"ended": pid, "status": os.waitstatus_to_exitcode(status)})

    def _tell(self, said: dict[str, Any]) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone: so are we soon
            self._end.send(json.dumps(said).encode())


def _end_with(run: Callable[[], int]) -> NoReturn:
    """End this process with what ``run`` returns, and never go back to who forked it."""
    status = 1
    try:
        status = run()
    finally:  # whatever was raised: it must not unwind the stack of our parent's copy
        with suppress(OSError, ValueError):
            if sys.exc_info()[0] is not None:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
