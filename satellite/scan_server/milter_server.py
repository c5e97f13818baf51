"""How does a milter listen, and end?

Touches sockets. A connection that is one too many, or that comes from somebody who may not use us,
is closed at once: what its mail server does then stands in its own settings, and should be 451.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

import structlog

from common.address import canonical_ip
from common.errors import EnvironmentFailure
from common.settings.values import split_endpoint
from satellite.scan_server.milter_packets import PACKET_BYTES_MAX, MilterError
from satellite.scan_server.milter_session import Milter, MilterSession

log = structlog.get_logger()

UNIX = "unix:"
SOCKET_MODE = 0o660  # the group that the mail server runs as may be ours
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class MilterServer:
    """Listens for mail servers.

    Args:
        milter: what its sessions share.
        clients: who may use it by TCP.
        connections_max: at once.
    """

    def __init__(self, milter: Milter, *, clients: Sequence[Network], connections_max: int) -> None:
        self._milter = milter
        self._clients = tuple(clients)
        self._connections_max = connections_max
        self._servers: list[asyncio.Server] = []
        self._sessions: dict[asyncio.Task[None], MilterSession] = {}

    async def start(self, listen: Sequence[str]) -> None:
        """Listen at each of these places: HOST:PORT or unix:/PATH.

        Raises:
            EnvironmentFailure: one cannot be had.
        """
        for place in listen:
            try:
                self._servers.append(await self._listen(place))
            except OSError as error:
                raise EnvironmentFailure(
                    f"cannot listen on {place}: {error.strerror or error}",
                    hint="another program has it, or the folder is not ours",
                ) from error

    async def _listen(self, place: str) -> asyncio.Server:
        if not place.startswith(UNIX):
            host, port = split_endpoint(place)
            return await asyncio.start_server(self._serve, host, port, limit=PACKET_BYTES_MAX)
        path = Path(place.removeprefix(UNIX))
        before = os.umask(0o777 & ~SOCKET_MODE)  # never open to all, not even for a moment
        try:
            return await asyncio.start_unix_server(self._serve, path, limit=PACKET_BYTES_MAX)
        finally:
            os.umask(before)

    async def drain(self, deadline_s: float) -> None:
        """Take no connections, and end those that are there: at once, or after their message.

        Args:
            deadline_s: seconds; what is still open then is cut, and its mail server says 451.
        """
        for server in self._servers:
            server.close()
        for task, session in self._sessions.items():
            session.is_leaving = True
            if not session.is_answering:
                task.cancel()
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=deadline_s)
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._sessions) >= self._connections_max or not self._lets_in(writer):
            log.warning("scan.milter_turned_away", connections=len(self._sessions))
            writer.close()
            return
        session = MilterSession(self._milter, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._sessions[task] = session
        try:
            await session.run()
        except MilterError as error:
            log.warning("scan.milter_nonsense", reason=error.what)
        except asyncio.CancelledError:
            pass  # told to end; the streams of 3.11 report a cancelled handler as an error
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # it has left
        finally:
            self._sessions.pop(task, None)
            writer.close()

    def _lets_in(self, writer: asyncio.StreamWriter) -> bool:
        peer = writer.get_extra_info("peername")
        if not isinstance(peer, tuple):
            return True  # a socket file, whose rights say who may
        client = ipaddress.ip_address(canonical_ip(str(peer[0]).partition("%")[0]))
        return any(client in network for network in self._clients)
