"""Which mailboxes does an address field name, as readers would see them?

Pure, linear in its input, and never raises: what keeps no grammar still shows somebody something.
Comments, quotes, groups and routes are understood; of a field that is too long its beginning
counts.

Source: RFC 5322 sections 3.4 and 4.4, RFC 6532.
"""

from __future__ import annotations

import re

from common.frozen import dataclass
from satellite.headers.encoded_words import RAW_BYTES_MAX, decoded_text

MAILBOXES_MAX = 50  # of one field

# A quoted pair, a quoted string, a run of plain text, or one sign.
_PART = re.compile(rb'\\.|"(?:[^"\\]|\\.)*"|[^\\"(),:;<>]+|.', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ShownMailbox:
    """One mailbox of an address field.

    Args:
        display_name: decoded, as a reader sees it; empty: none.
        address: as it stands there, without blanks; empty: none.
    """

    display_name: str
    address: str

    @property
    def domain(self) -> str:
        """What stands behind the last ``@``; empty: nothing, or there is no such sign."""
        _, at, domain = self.address.rpartition("@")
        return domain if at else ""


def mailboxes(value: bytes) -> list[ShownMailbox]:
    """Return the mailboxes of a field's value, in their order.

    Args:
        value: what stands behind the colon, folds and all.
    """
    reading = _Reading()
    for match in _PART.finditer(value[:RAW_BYTES_MAX].replace(b"\r", b"").replace(b"\n", b"")):
        reading.take(match[0])
        if len(reading.found) >= MAILBOXES_MAX:
            break
    reading.end_mailbox()
    return reading.found[:MAILBOXES_MAX]


class _Reading:
    """What was read so far of one field."""

    def __init__(self) -> None:
        self.found: list[ShownMailbox] = []
        self._begin()
        self._comment_depth = 0

    def _begin(self) -> None:
        self._outside: list[bytes] = []
        self._inside: list[bytes] | None = None  # between < and >
        self._is_inside = False

    def take(self, part: bytes) -> None:
        if part == b"(":
            self._comment_depth += 1
        elif self._comment_depth:
            self._comment_depth -= part == b")"
        elif self._is_inside:
            self._take_inside(part)
        elif part == b"<":
            self._inside, self._is_inside = [], True
        elif part in (b",", b";"):
            self.end_mailbox()
        elif part == b":":  # what stands before is a group's name
            self._begin()
        else:
            self._outside.append(part)

    def _take_inside(self, part: bytes) -> None:
        assert self._inside is not None
        if part == b">":
            self._is_inside = False
        elif part == b":":  # what stands before is a route
            self._inside.clear()
        else:
            self._inside.append(part)

    def end_mailbox(self) -> None:
        """Take note of the mailbox that ends here, if there is any."""
        outside = b"".join(self._outside)
        inside = self._inside
        self._begin()
        if inside is None:
            address = _address(outside)
            if address:
                self.found.append(ShownMailbox("", address))
            return
        name = decoded_text(b" ".join(_unquoted(part) for part in _PART.findall(outside)))
        self.found.append(ShownMailbox(" ".join(name.split()), _address(b"".join(inside))))


def _unquoted(part: bytes) -> bytes:
    if not part.startswith((b'"', b"\\")):
        return part
    return re.sub(rb"\\(.)", rb"\1", part.removeprefix(b'"').removesuffix(b'"'))


def _address(octets: bytes) -> str:
    return "".join(octets.decode("utf-8", "replace").split())
