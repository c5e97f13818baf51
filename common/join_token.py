"""What is in the token that a node joins with?

Pure. One line that a person carries over: where the core's join door is, which authority it must
belong to, the node's name, and a secret that works once. Its checksum finds what was cut off or
mistyped before anybody is asked.

The parts, each with its length in octets:

=================  ==  ==================================================
pin                32  SHA-256 of the authority's certificate, DER
secret             32
the node's name     1  and so many octets
number of doors     1  then for each 1, and so many octets of HOST:PORT
=================  ==  ==================================================
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field

from common.errors import LocalError

PREFIX = "borderscout-join-1."
FAMILY = "borderscout-join-"
SECRET_BYTES = 32  # 256 bits
PIN_BYTES = 32
CHECK_BYTES = 4
DOORS_MAX = 8
DOOR_LENGTH_MAX = 255  # characters; the length is one octet
TOKEN_LENGTH_MAX = 4_096  # characters


class TokenUnreadable(LocalError):
    """What should be a token is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinToken:
    """A token; its secret shows in no log.

    Args:
        node: whom it is for.
        doors: where the core's join door is, HOST:PORT, in the order in which to try them.
        pin: the SHA-256 of the authority's certificate, DER.
        secret: works once.
    """

    node: str
    doors: tuple[str, ...]
    pin: bytes
    secret: bytes = field(repr=False)

    def text(self) -> str:
        """Return the line that is carried over."""
        assert len(self.pin) == PIN_BYTES
        assert len(self.secret) == SECRET_BYTES
        assert 1 <= len(self.doors) <= DOORS_MAX
        parts = [self.pin, self.secret, _sized(self.node), bytes([len(self.doors)])]
        payload = b"".join([*parts, *(_sized(door) for door in self.doors)])
        return PREFIX + base64.urlsafe_b64encode(payload + _check(payload)).decode().rstrip("=")


def secret_digest(secret: bytes) -> str:
    """Return what is kept of a secret: nobody finds it from that."""
    return hashlib.sha256(b"borderscout join " + secret).hexdigest()


def read_token(text: str) -> JoinToken:
    """Return what a line says.

    Raises:
        TokenUnreadable: it is no token, or not all of it.
    """
    line = "".join(text.split())  # a terminal or a mail may have folded it
    if not line.startswith(FAMILY) or len(line) > TOKEN_LENGTH_MAX:
        raise TokenUnreadable(
            f"this is no token; one begins with {PREFIX}",
            hint="make one at the core: borderscout inventory join-token NODE",
        )
    if not line.startswith(PREFIX):
        raise TokenUnreadable("the token is of another version", hint="install the core's version")
    try:
        coded = line.removeprefix(PREFIX).encode("ascii")
        octets = base64.b64decode(coded + b"=" * (-len(coded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        raise _torn() from None
    payload, check = octets[:-CHECK_BYTES], octets[-CHECK_BYTES:]
    if check != _check(payload):
        raise _torn()
    try:
        return _parts(payload)
    except (IndexError, ValueError):
        raise _torn() from None


def _parts(payload: bytes) -> JoinToken:
    pin, secret = payload[:PIN_BYTES], payload[PIN_BYTES : PIN_BYTES + SECRET_BYTES]
    node, place = _text(payload, PIN_BYTES + SECRET_BYTES)
    count, place = payload[place], place + 1
    doors = []
    for _ in range(count):
        door, place = _text(payload, place)
        doors.append(door)
    if place != len(payload) or not 1 <= count <= DOORS_MAX or not node:
        raise ValueError("something is left over, or missing")
    return JoinToken(node=node, doors=tuple(doors), pin=pin, secret=secret)


def _torn() -> TokenUnreadable:
    return TokenUnreadable(
        "the token is not whole, or mistyped: its checksum is wrong", hint="copy all of the line"
    )


def _sized(text: str) -> bytes:
    octets = text.encode("ascii")
    return bytes([len(octets)]) + octets


def _text(payload: bytes, place: int) -> tuple[str, int]:
    length = payload[place]
    octets = payload[place + 1 : place + 1 + length]
    if len(octets) != length or not octets.isascii() or not octets.decode().isprintable():
        raise ValueError("no text")
    return octets.decode(), place + 1 + length


def _check(payload: bytes) -> bytes:
    return hashlib.sha256(PREFIX.encode() + payload).digest()[:CHECK_BYTES]
