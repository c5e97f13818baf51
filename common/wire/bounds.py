"""Which values of a message pass, and what becomes of those that people only read?

Pure. Numbers fit 63 bits, texts have a length and no control characters, digests are whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from common.definitions import FAMILY
from common.errors import PeerError
from common.ids import is_ulid
from common.message_bounds import HEAD_BYTES_MAX, MESSAGE_RECIPIENTS_MAX
from common.preferences.digest import DIGEST_BYTES

NUMBER_MAX = (1 << 63) - 1  # what both databases hold
MOMENT_US_MAX = 253_402_300_799_000_000  # the end of the year 9999, which every screen can show
TEXT_LENGTH_MAX = 1024  # characters of what is only shown
NAME_LENGTH_MAX = 64  # characters of a version, a nonce, an event or an engine
ADDRESS_LENGTH_MAX = 512  # characters; an address has 254 octets, a stranger's sender may lie
ENGINES_MAX = 64
FILTERS_MAX = 64
HOLDS_MAX = 1000
PROBLEMS_MAX = 20
REACHED_MAX = 500
DESTINATION_LENGTH_MAX = 300  # characters of a domain, or of HOST:PORT of a smart host
STATES_MAX = 64
FAMILIES_MAX = 16  # of definitions
PORT_MAX = 65_535
_SETTINGS_DIGEST = re.compile("[0-9a-f]{64}", re.ASCII)


class WireError(PeerError):
    """A message breaks a rule of the link; its stream ends."""


def number(value: int) -> int:
    """Return a number that both databases hold.

    Raises:
        WireError: it is none.
    """
    if not 0 <= value <= NUMBER_MAX:
        raise WireError(f"{value} is larger than any number of ours")
    return value


def moment(value: int) -> int:
    """Return a time of day that only people read, moved to where a calendar ends."""
    return min(max(value, 0), MOMENT_US_MAX)


def protocol(version: int) -> int:
    """Return the protocol version of a hello.

    Raises:
        WireError: it is none.
    """
    if version < 1:
        raise WireError("a hello without a protocol version")
    return version


def at_most(count: int, limit: int, what: str) -> None:
    """Accept a count up to its limit.

    Raises:
        WireError: there are more.
    """
    if count > limit:
        raise WireError(f"{count} {what}; at most {limit}")


def text(value: str, *, length_max: int = TEXT_LENGTH_MAX) -> str:
    """Return text that fits its field, without control characters.

    Raises:
        WireError: it is none.
    """
    at_most(len(value), length_max, "characters")
    return plain(value)


def shown(value: str) -> str:
    """Text that only people read: what is too long is cut, and refuses nothing."""
    return plain(value[:TEXT_LENGTH_MAX])


def plain(value: str) -> str:
    """Return text with every control character replaced."""
    return value if value.isprintable() else "".join(c if c.isprintable() else "?" for c in value)


def destination(value: str) -> str:
    """Return the name of a destination.

    Raises:
        WireError: it is empty, which would mean all of them, or none of ours.
    """
    if not value:
        raise WireError("a destination without a name")
    return text(value, length_max=DESTINATION_LENGTH_MAX)


def family(value: str) -> str:
    """Return the name of a family of definitions, which may name a folder.

    Raises:
        WireError: it is none.
    """
    if FAMILY.fullmatch(value) is None:
        raise WireError(f"{value[:40]!r} is no family of definitions")
    return value


def port(value: int) -> int:
    """Return the number of a TCP port, or 0.

    Raises:
        WireError: it is none.
    """
    if not 0 <= value <= PORT_MAX:
        raise WireError(f"{value} is no port")
    return value


def address(value: str) -> str:
    """Return an address that may stand in an envelope.

    Raises:
        WireError: it is none.
    """
    at_most(len(value), ADDRESS_LENGTH_MAX, "characters in an address")
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in value):
        raise WireError("an address with control characters")
    return value


def addresses(values: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses of an envelope.

    Raises:
        WireError: it is none.
    """
    found = tuple(address(value) for value in values)
    at_most(len(found), MESSAGE_RECIPIENTS_MAX, "recipients")
    return found


def ulid(value: str) -> str:
    """Return an identifier that may name a file or a row.

    Raises:
        WireError: it is none.
    """
    if not is_ulid(value):
        raise WireError(f"{value[:40]!r} is no identifier of ours")
    return value


def digest(value: bytes) -> bytes:
    """Return a whole digest.

    Raises:
        WireError: it is none.
    """
    if len(value) != DIGEST_BYTES:
        raise WireError(f"a digest of {len(value)} octets")
    return value


def settings_digest(value: str) -> str:
    """Return the digest of a node's settings.

    Raises:
        WireError: it is none.
    """
    if _SETTINGS_DIGEST.fullmatch(value) is None:
        raise WireError("a digest of settings that is none")
    return value


def settings_digest_or_none(value: str) -> str:
    """Return the digest of a node's settings, or nothing.

    Raises:
        WireError: it is something else.
    """
    return settings_digest(value) if value else ""


def head(value: bytes) -> bytes:
    """Return what stands in front of a delivered copy.

    Raises:
        WireError: it is none.
    """
    at_most(len(value), HEAD_BYTES_MAX, "octets in front of a copy")
    return value
