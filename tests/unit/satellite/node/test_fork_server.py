"""Workers are forked by a server that has nothing to lose, and die with it."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from satellite.node.fork_server import NAME, ForkServer
from tests.support.node.family import fork_server, is_alive
from tests.support.node.shard import DEADLINE_S, open_descriptors, until


def tell(arguments: list[str]) -> int:
    """Write what it was started with to the socket whose number comes last; wait for its end."""
    *words, number = arguments
    with socket.socket(fileno=int(number)) as end:
        facts = {
            "words": words,
            "pid": os.getpid(),
            "parent": os.getppid(),
            "descriptors": open_descriptors(),
            "inheritable": os.get_inheritable(int(number)),
            "stdin": str(Path("/proc/self/fd/0").readlink()),
        }
        end.sendall(json.dumps(facts).encode())
        end.recv(1)
    return 7


def deaf(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return tell(arguments)


def broken(arguments: list[str]) -> int:
    raise ValueError(arguments[0])


@asynccontextmanager
async def forking(run: Callable[[list[str]], int]) -> AsyncIterator[ForkServer]:
    server = ForkServer.begin(run)
    server.attend()
    try:
        yield server
    finally:
        await server.close()
        gc.unfreeze()  # what this process made is still of interest to the tests after this one


class Told:
    """The other end of a process's only socket."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)

    async def facts(self) -> dict[str, object]:
        self.theirs.close()
        async with asyncio.timeout(DEADLINE_S):
            said = await asyncio.get_running_loop().sock_recv(self.ours, 65536)
        facts: dict[str, object] = json.loads(said)
        return facts


async def test_a_process_has_its_words_its_descriptors_and_nothing_else() -> None:
    async with forking(tell) as server:
        told = [Told(), Told()]
        made = [
            await server.start((word, "x"), [one.theirs.fileno()])
            for word, one in zip("ab", told, strict=True)
        ]
        facts = [await one.facts() for one in told]

        for process, fact, word in zip(made, facts, "ab", strict=True):
            assert fact["words"] == [word, "x"]
            assert (fact["pid"], fact["parent"]) == (process.pid, server.pid)
            assert fact["stdin"] == os.devnull
            assert fact["inheritable"] is False, "what it starts would have it too"
        # The second one has no more open than the first: nothing of its sibling was left to it.
        assert facts[0]["descriptors"] == facts[1]["descriptors"]
        assert fork_server(os.getpid()) == server.pid
        for one in told:
            one.ours.close()  # they read the end of it
        async with asyncio.timeout(DEADLINE_S):
            assert [await process.wait() for process in made] == [7, 7]
    assert not is_alive(server.pid)


async def test_a_signal_reaches_the_process_and_is_its_exit_status() -> None:
    async with forking(deaf) as server:
        told = Told()
        process = await server.start((), [told.theirs.fileno()])
        await told.facts()

        process.terminate()
        assert process.returncode is None
        process.kill()

        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == process.returncode == -signal.SIGKILL
        process.kill()  # nobody: the number may be somebody else's by now
        told.ours.close()


async def test_what_a_process_raises_ends_it_and_not_the_server() -> None:
    async with forking(broken) as server:
        for _ in range(2):
            process = await server.start(("bad",), [])
            async with asyncio.timeout(DEADLINE_S):
                assert await process.wait() == 1


async def test_a_process_that_cannot_be_watched_does_not_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", none)
    async with forking(tell) as server:
        told = Told()

        with pytest.raises(OSError, match="Too many open files"):
            await server.start((), [told.theirs.fileno()])

        told.theirs.close()
        async with asyncio.timeout(DEADLINE_S):
            while await asyncio.get_running_loop().sock_recv(told.ours, 65536):
                pass  # what it said before its end
        told.ours.close()


async def test_a_process_whose_asker_was_cancelled_does_not_stay() -> None:
    async with forking(tell) as server:
        told, next_one = Told(), Told()
        asking = asyncio.create_task(server.start((), [told.theirs.fileno()]))
        await asyncio.sleep(0)  # it has asked
        asking.cancel()

        second = await server.start(("next",), [next_one.theirs.fileno()])

        assert (await next_one.facts())["pid"] == second.pid, "the answer to its own question"
        told.theirs.close()
        await until(lambda: server._running.keys() == {second.pid}, "the first is gone")
        second.kill()
        await second.wait()
        told.ours.close()
        next_one.ours.close()


async def test_the_servers_death_is_the_death_of_all_and_is_told() -> None:
    async with forking(tell) as server:
        told = Told()
        process = await server.start((), [told.theirs.fileno()])
        await told.facts()

        os.kill(server.pid, signal.SIGKILL)

        async with asyncio.timeout(DEADLINE_S):
            await server.died.wait()
            assert await process.wait() == -signal.SIGKILL
        await until(lambda: not is_alive(process.pid), "the kernel has ended it")
        before = open_descriptors()
        for _ in range(2):
            try:
                await server.start((), [])
            except OSError:
                continue
            raise AssertionError("there is nobody to start it")
        assert open_descriptors() == before
        told.ours.close()


async def test_a_server_hears_signals_only_from_its_parent() -> None:
    async with forking(tell) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(server.pid, number)  # as a terminal or a service manager does to all of us
        told = Told()
        process = await server.start((), [told.theirs.fileno()])

        await told.facts()

        process.terminate()  # but for a worker it counts from its first moment
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == -signal.SIGTERM
        told.ours.close()


def test_its_name_is_one_that_the_kernel_keeps() -> None:
    assert len(NAME) <= 15
