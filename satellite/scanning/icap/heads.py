"""What stands in the head of an ICAP answer, and of the HTTP answer inside it?

Pure. Everything is bounded; what is no head is ``Misunderstood`` and never read by halves.

Source: RFC 3507 sections 4.3.3 and 4.4.1; RFC 7230 section 3.2 for fields and folded lines.
"""

from __future__ import annotations

import re
from functools import lru_cache

from common.errors import PeerError
from common.frozen import dataclass
from common.verdict import printable

HEAD_BYTES_MAX = 65_536
LINE_BYTES_MAX = 16_384
LINES_MAX = 200
CHUNK_LINE_BYTES_MAX = 256
# A server answers the same to nearly all mail, and its words need not be read again.
REMEMBERED_BYTES_MAX = 1_024  # of one head
REMEMBERED_MAX = 64  # heads

_STATUS = re.compile(r"(ICAP|HTTP)/1\.[0-9] ([1-9][0-9]{2})(?: (.*))?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_PART = re.compile(r"([a-z-]{1,16})=([0-9]{1,7})")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")


class Malformed(PeerError):
    """It is no head of an answer, or one that nobody sends in earnest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHead:
    """The status and the fields of one answer.

    Args:
        status: three digits.
        reason: the words behind it; data from outside.
        fields: names in lower case, and values; a folded one has its lines apart by ``\\n``.
    """

    status: int
    reason: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    def all(self, name: str) -> tuple[str, ...]:
        """Return the values of a field, in their order.

        Args:
            name: in lower case.
        """
        return tuple(value for key, value in self.fields if key == name)

    def first(self, name: str) -> str:
        """Return the first value of a field, empty where there is none."""
        return next(iter(self.all(name)), "")

    def number(self, name: str) -> int | None:
        """Return a field's number, None where there is none that counts."""
        said = self.first(name)
        return int(said) if re.fullmatch(r"[0-9]{1,9}", said) else None

    @property
    def line(self) -> str:
        """Return status and reason as one may show them."""
        return printable(f"{self.status} {self.reason}".strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Encapsulated:
    """What lies inside an ICAP answer.

    Args:
        head_bytes: of the HTTP answer's head; 0: there is none.
        has_body: whether a body in chunks follows.
    """

    head_bytes: int = 0
    has_body: bool = False


def head(octets: bytes, *, protocol: str) -> AnswerHead:
    """Return the head that some octets are, their blank line included.

    Args:
        octets: what came, up to the blank line.
        protocol: ``ICAP`` or ``HTTP``.

    Raises:
        Malformed: they are none.
    """
    reads = _remembered if len(octets) <= REMEMBERED_BYTES_MAX else _read
    return reads(octets, protocol)


def encapsulated(icap: AnswerHead) -> Encapsulated:
    """Return what lies inside an answer to RESPMOD.

    Raises:
        Malformed: it says so in a way that nobody can follow.
    """
    said = icap.all("encapsulated")
    if not said:
        return Encapsulated()
    parts = [_PART.fullmatch(one.strip().lower()) for one in said[0].split(",")]
    match [(part[1], int(part[2])) for part in parts if part is not None]:
        case [("null-body", 0)] if len(parts) == len(said) == 1:
            return Encapsulated()
        case [("res-hdr", 0), ("res-body", length)] if len(parts) == 2 and len(said) == 1:
            return Encapsulated(head_bytes=_bounded(length), has_body=True)
        case [("res-hdr", 0), ("null-body", length)] if len(parts) == 2 and len(said) == 1:
            return Encapsulated(head_bytes=_bounded(length))
        case _:
            raise Malformed(f"no part of an answer: {printable(', '.join(said), length_max=100)!r}")


def chunk_bytes(line: bytes) -> int:
    """Return the length that the line before a chunk says; 0 before the end.

    Raises:
        Malformed: it says none.
    """
    found = _CHUNK.fullmatch(line)
    if found is None:
        raise Malformed(f"no chunk: {printable(_text(line), length_max=100)!r}")
    return int(found[1], 16)


def _read(octets: bytes, protocol: str) -> AnswerHead:
    lines = octets.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if len(lines) > LINES_MAX or max(map(len, lines)) > LINE_BYTES_MAX:
        raise Malformed(f"an {protocol} head beyond all bounds")
    status = _STATUS.fullmatch(_text(lines[0]))
    if status is None or status[1] != protocol:
        raise Malformed(f"no {protocol} answer: {printable(_text(lines[0]), length_max=100)!r}")
    return AnswerHead(status=int(status[2]), reason=status[3] or "", fields=_fields(lines[1:]))


_remembered = lru_cache(maxsize=REMEMBERED_MAX)(_read)


def _bounded(length: int) -> int:
    if not 0 < length <= HEAD_BYTES_MAX:
        raise Malformed(f"an HTTP head of {length} octets")
    return length


def _fields(lines: list[bytes]) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and found:
            name, value = found[-1]
            found[-1] = (name, f"{value}\n{_text(line.strip())}")
            continue
        name, colon, value = _text(line).partition(":")
        if not colon or not _NAME.fullmatch(name.rstrip()):
            raise Malformed(f"no field: {printable(_text(line), length_max=100)!r}")
        found.append((name.rstrip().lower(), value.strip()))
    return tuple(found)


def _text(octets: bytes) -> str:
    """Return octets as text: UTF-8 if they are, else each octet a character.

    Some products say in the operator's language, and in his code page, what they found.
    """
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")
