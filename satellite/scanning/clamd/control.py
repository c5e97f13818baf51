"""Which version and definitions does clamd have, and how is it told to reload them?

Touches clamd through pyclamd, in a thread, since that blocks. pyclamd answers ``None`` or raises
almost anything when clamd misbehaves; here whatever is not the explicit answer is *unknown*. It is
never asked to scan: its ``None`` means clean, and it also means that clamd died.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyclamd

from common.settings.values import split_endpoint
from satellite.names.names import system_names
from satellite.scanning.clamd.replies import text
from satellite.scanning.sessions.connection import UNIX_PREFIX

CALL_S = 2.0  # pyclamd tries each read five times, so that a silent clamd costs ten seconds

ANSWER_BYTES_MAX = 65_536  # of STATS; one line for each running scan

# What pyclamd was seen to raise on broken answers, its own errors (of OSError) included.
_BROKEN = (OSError, ValueError, IndexError, TypeError, AttributeError, EOFError)

_THREADS = re.compile(r"THREADS: live (\d+)")
_QUEUE = re.compile(r"QUEUE: (\d+) items")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """How busy clamd is; None where its answer does not tell."""

    threads: int | None
    queued: int | None


class ClamdControl:
    """The control commands of one clamd.

    Args:
        address: ``unix:PATH`` or ``HOST:PORT``.
        call_s: seconds for each read.
    """

    def __init__(self, address: str, *, call_s: float = CALL_S) -> None:
        self._address = address
        self._call_s = call_s

    async def ping(self) -> bool:
        """Say whether clamd answered PONG."""
        return await self._asked("ping") is True

    async def version(self) -> str | None:
        """Return its line of version, engine and definitions; None when unknown."""
        said = await self._asked("version")
        return said if isinstance(said, str) and said.startswith("ClamAV ") else None

    async def stats(self) -> Stats | None:
        """Return how busy it is, None when unknown; the format is not a promise of clamd's."""
        said = await self._asked("stats")
        if not isinstance(said, str) or "POOLS:" not in said or "\nEND" not in said:
            return None
        threads = [int(number) for number in _THREADS.findall(said)]
        queued = [int(number) for number in _QUEUE.findall(said)]
        return Stats(
            threads=sum(threads) if threads else None, queued=sum(queued) if queued else None
        )

    async def reload(self) -> bool:
        """Say whether clamd began to load its definitions anew.

        It ends later; the version tells.
        """
        said = await self._asked("reload")
        return isinstance(said, str) and said == "RELOADING"

    async def _asked(self, command: str) -> Any:
        # Looked up before the thread is taken: a name that does not answer would hold it.
        return await asyncio.to_thread(self._ask, command, await self._addresses())

    async def _addresses(self) -> Sequence[str]:
        if self._address.startswith(UNIX_PREFIX):
            return ()
        host, _ = split_endpoint(self._address)
        return (await system_names().addresses(host)).records

    def _ask(self, command: str, addresses: Sequence[str]) -> Any:
        try:
            client = self._client(addresses)
            try:
                call: Callable[[], Any] = getattr(client, command)
                answer = call()
            finally:
                client.clamd_socket.close()  # it forgets to, on errors
        except _BROKEN:
            return None
        return text(answer, 4096) if isinstance(answer, bytes) else answer

    def _client(self, addresses: Sequence[str]) -> _Unix | _Network:
        if self._address.startswith(UNIX_PREFIX):
            return _Unix(self._address.removeprefix(UNIX_PREFIX), self._call_s)
        _, port = split_endpoint(self._address)
        failure = OSError("its name has no address")
        for address in addresses:
            try:
                return _Network(address, port, self._call_s)
            except OSError as error:
                failure = error
        raise failure


class _WholeAnswer:
    """Reads an answer of several lines to its end.

    The original ends at a packet that is blank once stripped, and puts a line break wherever one
    packet ended: what clamd says in several packets was taken for half an answer.
    """

    clamd_socket: socket.socket

    def _recv_response_multiline(self) -> str:
        said = bytearray()
        while len(said) < ANSWER_BYTES_MAX and (part := self.clamd_socket.recv(4096)):
            said += part
        return said.decode("ascii", "replace")


class _Unix(_WholeAnswer, pyclamd.ClamdUnixSocket):  # type: ignore[misc]  # it has no types
    """Closes the socket when it cannot connect, which the original leaves open."""

    def _init_socket(self) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(self.timeout)
        try:
            connection.connect(self.unix_socket)
        except OSError:
            connection.close()
            raise
        self.clamd_socket = connection


class _Network(_WholeAnswer, pyclamd.ClamdNetworkSocket):  # type: ignore[misc]  # it has no types
    """Speaks IPv6 too, and closes the socket when it cannot connect."""

    def _init_socket(self) -> None:
        self.clamd_socket = socket.create_connection((self.host, self.port), self.timeout)
