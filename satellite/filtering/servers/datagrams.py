"""How is a server asked by datagrams, any of which may be lost?

Touches a socket for each question, whose port nobody can guess. What was lost is asked again, if
that does no harm; what belongs to no question of this socket is not heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from common.settings.values import split_endpoint
from satellite.filtering.servers.failures import NoServer
from satellite.filtering.servers.server_stream import reason_of
from satellite.names.names import system_names

AGAIN_S = 1.0  # after which a question is taken for lost
HEARD_MAX = 32  # datagrams that may wait


async def heard(
    address: str, question: bytes, *, is_answer: Callable[[bytes], bool], may_repeat: bool
) -> bytes:
    """Return the answer to a question, once there is one.

    Args:
        address: ``HOST:PORT``.
        question: one datagram.
        is_answer: whether a datagram is the answer; others are passed over.
        may_repeat: the question may be asked again.

    Raises:
        NoServer: nobody listens there.
    """
    host, port = split_endpoint(address)
    found = await system_names().addresses(host)
    if not found.records:
        raise NoServer(f"no way to {address}: its name has no address")
    loop = asyncio.get_running_loop()
    try:
        transport, ears = await loop.create_datagram_endpoint(
            _Ears, remote_addr=(found.records[0], port)
        )
    except OSError as error:
        raise NoServer(f"no way to {address}: {reason_of(error)}") from None
    try:
        while True:
            transport.sendto(question)
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S if may_repeat else None):
                    return await _answer(ears, address, is_answer)
    finally:
        transport.abort()


async def _answer(ears: _Ears, address: str, is_answer: Callable[[bytes], bool]) -> bytes:
    while True:
        said = await ears.heard.get()
        if isinstance(said, OSError):
            raise NoServer(f"nobody listens at {address}: {reason_of(said)}")
        if is_answer(said):
            return said


class _Ears(asyncio.DatagramProtocol):
    """What comes back."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes | OSError] = asyncio.Queue(HEARD_MAX)

    def datagram_received(self, data: bytes, _address: object) -> None:
        with suppress(asyncio.QueueFull):
            self.heard.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            with suppress(asyncio.QueueFull):
                self.heard.put_nowait(exc)
