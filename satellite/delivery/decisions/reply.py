"""Which reply code and enhanced status code did the next hop give?

Pure: lines in, one reply out. A reply is bounded and printable before anybody else sees it; what is
no reply is an error of the peer and never an acceptance.

Source: RFC 5321 section 4.2; RFC 2034 and RFC 3463 for enhanced status codes.
"""

from __future__ import annotations

import re
from dataclasses import field
from functools import lru_cache

from common.errors import PeerError
from common.frozen import dataclass
from common.verdict import printable

LINE_BYTES_MAX = 2048  # RFC 5321 section 4.5.3.1.5 allows 512; servers say more
LINES_MAX = 100  # of one reply; the longest EHLO answers have about 20
TEXT_LENGTH_MAX = 500  # characters that go into records, states and DSNs

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")


class BadReply(PeerError):
    """The next hop said something that is no SMTP reply."""


@dataclass(frozen=True, slots=True)
class HopReply:
    """One reply.

    Args:
        code: 200 to 599.
        lines: the texts of its lines, printable ASCII.

    Attributes:
        severity: the first digit: 2 done, 3 go on, 4 try again, 5 do not.
    """

    code: int
    lines: tuple[str, ...]
    severity: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "severity", self.code // 100)

    @property
    def enhanced(self) -> str:
        """The enhanced status code of the first line, such as ``5.1.1``, or an empty string."""
        match = ENHANCED.match(self.lines[0])
        return match[0] if match else ""

    def __str__(self) -> str:
        text = self.lines[0] if len(self.lines) == 1 else " ".join(filter(None, self.lines))
        return f"{self.code} {text}".strip()[:TEXT_LENGTH_MAX]


@lru_cache(maxsize=512)
def reply_of(line: bytes) -> HopReply | None:
    """Return the reply that one line is, or None: more lines follow.

    Remembered, since servers say the same few lines all day.

    Args:
        line: without its line end; at most ``LINE_BYTES_MAX`` octets.

    Raises:
        BadReply: it is none.
    """
    return ReplyLines().add(line)


class ReplyLines:
    """The lines of one reply as they come."""

    def __init__(self) -> None:
        self._code = 0
        self._lines: list[str] = []

    def add(self, line: bytes) -> HopReply | None:
        """Take one line without its line end; return the reply once it is whole.

        Raises:
            BadReply: the line has no code, another code than the lines before, or is one too many.
        """
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadReply(f"the next hop said {_shown(line)!r}, which is no SMTP reply")
        code = int(match[1])
        if self._lines and code != self._code:
            raise BadReply(f"the lines of one reply begin with {self._code} and with {code}")
        if len(self._lines) >= LINES_MAX:
            raise BadReply(f"a reply of more than {LINES_MAX} lines")
        self._code = code
        self._lines.append(_shown(match[3] or b""))
        return None if match[2] == b"-" else HopReply(code, tuple(self._lines))


def _shown(text: bytes) -> str:
    return printable(text[:TEXT_LENGTH_MAX].decode("latin-1"), length_max=TEXT_LENGTH_MAX)
