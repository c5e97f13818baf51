"""How is a domain's MTA-STS policy fetched?

Touches the network: one HTTPS request to a fixed path, within bounds of time and octets. Anybody
may make us ask, so that only public addresses are given, and no redirect is followed.

Source: RFC 8461 section 3.3.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress

from common.errors import PeerError
from satellite.delivery.published.mta_sts import POLICY_BYTES_MAX

HTTPS_PORT = 443
FETCH_S = 30.0
ADDRESSES_MAX = 2  # tried
HEADER_BYTES_MAX = 16_384
# Each costs time in which no mail goes on. Of one octet each there could be twenty thousand.
CHUNKS_MAX = 1_000
PATH = "/.well-known/mta-sts.txt"

ContextOf = Callable[[], ssl.SSLContext]


class StsFetchFailed(PeerError):
    """There is no policy where one should be."""


async def fetch(host: str, addresses: Sequence[str], context: ssl.SSLContext) -> bytes:
    """Return the document that a policy host has.

    Args:
        host: ``mta-sts.`` and the domain.
        addresses: of that host, those that may be connected to.
        context: whose authorities are trusted; the certificate must be for the host.

    Raises:
        StsFetchFailed: it could not be had.
    """
    problem = "its host has no address on the public network"
    for address in addresses[:ADDRESSES_MAX]:
        try:
            async with asyncio.timeout(FETCH_S):
                return _body(await _response(host, address, context))
        except TimeoutError:
            problem = f"it did not come within {FETCH_S:g} s"
        except ssl.SSLError as error:
            problem = f"TLS with {host} failed: {error.reason or 'handshake'}".lower()
        except OSError as error:
            problem = f"no connection to {host}: {error.strerror or type(error).__name__}".lower()
    raise StsFetchFailed(problem)


async def _response(host: str, address: str, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection(
        address, HTTPS_PORT, ssl=context, server_hostname=host
    )
    try:
        lines = [f"GET {PATH} HTTP/1.1", f"Host: {host}", "User-Agent: Border-Scout"]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode("ascii"))
        data = bytearray()
        most = HEADER_BYTES_MAX + 2 * POLICY_BYTES_MAX
        while len(data) <= most and (part := await reader.read(16_384)):
            data += part
        return bytes(data)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _body(response: bytes) -> bytes:
    head, end, body = response.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    if not end or len(head) > HEADER_BYTES_MAX or not status.startswith("HTTP/1."):
        raise StsFetchFailed("its host gave no HTTP answer")
    if status.split(" ")[1:2] != ["200"]:  # a redirect too: RFC 8461 section 3.3
        raise StsFetchFailed(f"its host answered {status[9:12]}")
    pairs = (line.partition(":") for line in lines)
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if not fields.get("content-type", "").lower().startswith("text/plain"):
        raise StsFetchFailed("it is not text/plain")
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body = _unchunked(body)
    elif (length := fields.get("content-length", "")).isdecimal() and len(body) != int(length[:10]):
        raise StsFetchFailed("it was cut off")
    if len(body) > POLICY_BYTES_MAX:
        raise StsFetchFailed("it is too large")
    return body


def _unchunked(data: bytes) -> bytes:
    """Return the body of an answer in chunks, RFC 9112 section 7.1."""
    body = bytearray()
    at = 0
    for _ in range(CHUNKS_MAX):
        end = data.find(b"\r\n", at)
        try:
            size = int(data[at:end].partition(b";")[0], 16) if end >= 0 else -1
        except ValueError:
            size = -1
        at = end + 2
        if size < 0 or len(data) < at + size:
            raise StsFetchFailed("it was cut off")
        if size == 0:
            return bytes(body)
        body += data[at : at + size]
        at += size + 2
    raise StsFetchFailed("it comes in too many chunks")
