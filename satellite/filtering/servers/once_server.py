"""How is a server asked that takes one question in each connection?

Touches a connection for each question: it is said, our direction is closed, and what comes until
the server closes is the answer.
"""

from __future__ import annotations

from satellite.filtering.servers.failures import HungUp
from satellite.filtering.servers.server_stream import connected


class OnceServer:
    """One server.

    Args:
        address: ``HOST:PORT`` or ``unix:PATH``.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    async def said(self, *pieces: bytes, reply_bytes_max: int) -> bytes:
        """Return all that it says to something, one octet at least.

        Args:
            pieces: the whole question.
            reply_bytes_max: octets of the longest answer.

        Raises:
            NoServer, HungUp, Nonsense: there is no answer.
        """
        stream = await connected(self.address)
        try:
            stream.say(*pieces, is_all=True)
            said = await stream.rest(bytes_max=reply_bytes_max)
        finally:
            stream.close()
        if not said:
            raise HungUp(f"{self.address} closed the connection without an answer")
        return said

    def close(self) -> None:
        """Nothing is kept."""
