"""How is the way to an engine's server encrypted, and who is let be that server?

Touches one socket. The server's certificate must be valid, and made out to the host of the address
(``common.server_tls`` says by whose word). The octets go through OpenSSL in memory: like everything
here, they are read while others are written, which asyncio's own streams do not let us do.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress

from common.settings.values import split_endpoint
from satellite.scanning.sessions.connection import ServerConnection, ServerUnreachable

RECORD_BYTES = 65_536


class TlsEncryption:
    """TLS from the first octet, as icaps has it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    async def begun(
        self,
        connection: socket.socket,
        address: str,
        *,
        receive_bytes: int,
        received_bytes_max: int,
    ) -> ServerConnection:
        """Return the encrypted connection; see ``connection.Encryption``."""
        host, _ = split_endpoint(address)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(incoming, outgoing, server_hostname=host)
        try:
            await _shake_hands(connection, tls, incoming, outgoing)
        except ssl.SSLCertVerificationError as error:
            raise ServerUnreachable(
                f"the certificate of {address} is not valid: {error.verify_message}"
            ) from None
        except ssl.SSLError as error:
            raise ServerUnreachable(f"no TLS with {address}: {error.reason}") from None
        return TlsConnection(
            connection,
            _Octets(tls, incoming, outgoing),
            receive_bytes=receive_bytes,
            received_bytes_max=received_bytes_max,
        )


async def _shake_hands(
    connection: socket.socket, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        is_done = False
        with suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            is_done = True
        if outgoing.pending:
            await loop.sock_sendall(connection, outgoing.read())
        if is_done:
            return
        octets = await loop.sock_recv(connection, RECORD_BYTES)
        if not octets:
            raise OSError("it closed the connection while TLS began")
        incoming.write(octets)


class _Octets:
    """What is encrypted and decrypted, in memory."""

    def __init__(
        self, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        self._tls = tls
        self._incoming = incoming
        self._outgoing = outgoing

    def encrypted(self, octets: bytes) -> bytes:
        """Return what to send for some octets."""
        if octets:
            self._tls.write(octets)
        return self._outgoing.read()

    def decrypted_so_far(self) -> bytes:
        """Return what was received before it was asked for."""
        with suppress(ssl.SSLWantReadError):
            return self._tls.read(RECORD_BYTES)
        return b""

    def decrypted(self, octets: bytes) -> tuple[bytes, bool]:
        """Return what some received octets say, and whether that is the end; none are the end.

        Raises:
            ssl.SSLError: they are no TLS, or were tampered with.
        """
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()
        said = bytearray()
        while True:
            try:
                part = self._tls.read(RECORD_BYTES)
            except ssl.SSLWantReadError:
                return bytes(said), not octets
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return bytes(said), True
            if not part:
                return bytes(said), True
            said += part


class TlsConnection(ServerConnection):
    """A connection in TLS; what it says and hears is what is inside."""

    def __init__(
        self,
        connection: socket.socket,
        octets: _Octets,
        *,
        receive_bytes: int,
        received_bytes_max: int,
    ) -> None:
        self._octets = octets
        super().__init__(
            connection, receive_bytes=receive_bytes, received_bytes_max=received_bytes_max
        )
        # What came behind the handshake's end in the same packet: nobody is told of it again.
        with suppress(ssl.SSLError):
            self.received += octets.decrypted_so_far()

    def _heard(self) -> tuple[bytes, bool]:
        octets, _ = super()._heard()
        return self._octets.decrypted(octets)

    def _told_at_once(self, octets: bytes) -> int:
        return 0  # what OpenSSL has taken must go out whole, and in order

    async def _tell(self, octets: bytes) -> None:
        await super()._tell(self._octets.encrypted(octets))
