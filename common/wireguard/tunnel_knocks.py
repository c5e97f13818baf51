"""Who knocks at a tunnel's port, and does he mean us?

Touches the network through raw sockets, which takes CAP_NET_RAW. WireGuard answers nothing to whom
it does not know, so that from outside a wrong key looks like a closed door. Here the first packets
of handshakes are seen as they come in, behind the firewall of this machine; the code in them that
is made of the receiver's public key tells whether the sender has ours.

Source: the WireGuard paper, section 5.4.2 (message) and 5.4.4 (mac1); raw(7).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import selectors
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass

from common.errors import EnvironmentFailure

LISTEN_S = 6.0  # an initiation comes again after 5 s
KNOCKS_MAX = 1000
_INITIATION, _OCTETS = 1, 148


@dataclass(frozen=True, slots=True)
class Knock:
    """The first packet of a handshake."""

    source: str  # an address
    for_us: bool  # made for our public key


def is_for(public_key: str, message: bytes) -> bool:
    """Say whether an initiation was made for whom has this public key, base64."""
    key = hashlib.blake2s(b"mac1----" + base64.b64decode(public_key)).digest()
    mac = hashlib.blake2s(message[:116], key=key, digest_size=16).digest()
    return hmac.compare_digest(mac, message[116:132])


def knock_in(datagram: bytes, *, source: str, port: int, public_key: str) -> Knock | None:
    """Return the knock that a UDP datagram with its header is, at this port; else None."""
    message = datagram[8:]
    if int.from_bytes(datagram[2:4], "big") != port or len(message) != _OCTETS:
        return None
    if message[:4] != bytes([_INITIATION, 0, 0, 0]):
        return None
    return Knock(source, is_for(public_key, message))


def knocks(port: int, *, public_key: str, expected: Collection[str], for_s: float) -> list[Knock]:
    """Return who knocks within some seconds, each once.

    Args:
        port: ours.
        public_key: ours.
        expected: addresses; once all of them have knocked nobody else is waited for.
        for_s: how long at most.

    Raises:
        EnvironmentFailure: nobody but root may listen so.
    """
    found: dict[Knock, None] = {}
    missing = set(expected)
    deadline = time.monotonic() + for_s
    try:
        with (
            _raw(socket.AF_INET) as four,
            _raw(socket.AF_INET6) as six,
            selectors.DefaultSelector() as either,
        ):
            either.register(four, selectors.EVENT_READ)
            either.register(six, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0 and len(found) < KNOCKS_MAX:
                for ready, _ in either.select(left):
                    assert isinstance(ready.fileobj, socket.socket)
                    packet, peer = ready.fileobj.recvfrom(2048)
                    head = (packet[0] & 15) * 4 if ready.fileobj is four else 0
                    knock = knock_in(
                        packet[head:], source=str(peer[0]), port=port, public_key=public_key
                    )
                    if knock is not None:
                        found[knock] = None
                        if missing := missing - {knock.source}:
                            continue
                        return list(found)
    except PermissionError:
        raise EnvironmentFailure("nobody but root sees who knocks", hint="run it as root") from None
    return list(found)


def _raw(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_UDP)


def is_closed(host: str, port: int, *, wait_s: float = 1.0) -> bool:
    """Say whether the other machine tells that nothing listens at a UDP port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(wait_s)
        try:
            probe.connect((host, port))
            probe.send(b"\0")  # WireGuard drops it without a word
            probe.recv(1)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
