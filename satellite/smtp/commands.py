"""How is an SMTP command line found and parsed?

Pure. Blocks of any size go in, whole lines come out, the same however the octets are cut. CR LF
ends a line and nothing else does: a bare CR or LF, NUL or another control character is refused
before anything parses the line (such octets have ended up in headers and logs elsewhere:
CVE-2026-23829, CVE-2026-30227).

Source: RFC 5321 sections 2.3.8, 4.1.1 and 4.1.2; RFC 6531 section 3.3.
"""

from __future__ import annotations

import functools
import re

from common.frozen import dataclass
from satellite.smtp import replies
from satellite.smtp.replies import Reply

COMMAND_BYTES_MAX = 4096  # CR LF included; RFC 5321 asks for 512, SMTPUTF8 and SIZE for a bit more
PATH_BYTES_MAX = 1024  # far above the 256 of RFC 5321 section 4.5.3.1.3; keeps IDNA's work small

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_VERB = re.compile(rb"[A-Za-z][A-Za-z0-9]{0,31}")
_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^"<>\s])*)>')
_BARE_PATH = re.compile(r'[^"<>\s]+')
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=(\S*))?")
HARMLESS_BYTES_MAX = 64  # a handful of them; more is not what a device does that is in a hurry
_HARMLESS = frozenset({b"RSET", b"NOOP", b"QUIT"})
_UTF8_VERBS = frozenset({"MAIL", "RCPT"})


class CommandLines:
    """Octets on their way to become lines. Holds at most what was fed and not yet taken.

    Attributes:
        octets: what is here and nobody has taken; for whoever looks.
    """

    __slots__ = ("_overlong", "octets")

    def __init__(self) -> None:
        self.octets = bytearray()
        self._overlong = False

    @property
    def are_harmless(self) -> bool:
        """True when nothing but RSET, NOOP and QUIT is here, the last one in part perhaps."""
        return are_harmless(bytes(self.octets[:HARMLESS_BYTES_MAX]))

    def take(self) -> bytes:
        """Return all octets that are here, as they came; none are left."""
        octets = bytes(self.octets)
        self.octets.clear()
        return octets

    def feed(self, block: bytes) -> None:
        """Add octets as they came."""
        self.octets += block

    def next_line(self) -> bytes | Reply | None:
        """Return a line without its CR LF, the reply to a line that is none, or None so far."""
        octets = self.octets
        end = octets.find(b"\n")
        if end < 0:
            if len(octets) > COMMAND_BYTES_MAX:
                self._overlong = True
                octets.clear()
            return None
        line = bytes(octets[: end + 1])
        del octets[: end + 1]
        if self._overlong or len(line) > COMMAND_BYTES_MAX:
            self._overlong = False
            return replies.LINE_TOO_LONG
        if not line.endswith(b"\r\n") or _CONTROL.search(line, 0, len(line) - 2):
            return replies.CONTROL_CHARACTERS
        return line[:-2]

    def clear(self) -> None:
        """Forget all octets: RFC 3207 section 4.2, after STARTTLS."""
        self.octets.clear()
        self._overlong = False


def are_harmless(octets: bytes) -> bool:
    """Say whether octets are nothing but commands that neither begin, name nor end a message.

    Whoever sends them before it may has smuggled nothing in: many devices put QUIT behind the final
    dot without waiting for our answer.
    """
    if len(octets) >= HARMLESS_BYTES_MAX:
        return False
    *lines, rest = octets.upper().split(b"\r\n")
    return all(line in _HARMLESS for line in lines) and any(
        b"%b\r" % verb == rest or verb.startswith(rest) for verb in _HARMLESS
    )


@dataclass(frozen=True, slots=True)
class SmtpCommand:
    """A command: its verb in capitals, and the rest of the line without outer blanks."""

    verb: str
    argument: str


def read_command(line: bytes) -> SmtpCommand | Reply:
    """Return what a clean line says, or the reply to one that says nothing.

    Only MAIL and RCPT may hold octets above 0x7f, and then valid UTF-8.
    """
    word, _, rest = line.partition(b" ")
    verb = _verb_of(word)
    if verb is None:
        return replies.UNRECOGNISED
    if not line.isascii() and verb not in _UTF8_VERBS:
        return replies.NOT_ASCII
    try:
        return SmtpCommand(verb, rest.decode("utf-8").strip(" "))
    except UnicodeDecodeError:
        return replies.NOT_ASCII


@functools.lru_cache(maxsize=64)  # in all ways to write them; each has 32 octets at most
def _verb_of(word: bytes) -> str | None:
    return word.decode("ascii").upper() if _VERB.fullmatch(word) else None


@dataclass(frozen=True, slots=True)
class PathArgument:
    """The argument of MAIL or RCPT: what stood in the brackets, and the parameters."""

    path: str
    parameters: dict[str, str | None]  # keyword in capitals → its first value, or None without one
    repeated: frozenset[str] = frozenset()  # keywords that were given again


def path_as_given(argument: str, keyword: str) -> str:
    """Return the path in the argument of MAIL or RCPT as far as one can be seen, to tell of it."""
    given = read_path(argument, keyword)
    if given is not None:
        return given.path
    text = argument[len(keyword) :] if argument[: len(keyword)].upper() == keyword else argument
    return text.strip(" <").partition(">")[0]


def read_path(argument: str, keyword: str) -> PathArgument | None:
    """Return the path and parameters behind ``FROM:`` or ``TO:``; None if the syntax is wrong.

    Blanks after the colon and missing brackets are forgiven, since many clients write them.
    """
    if argument[: len(keyword)].upper() != keyword:
        return None
    text = argument[len(keyword) :].lstrip(" ")
    found = _PATH.match(text) if text.startswith("<") else _BARE_PATH.match(text)
    if found is None or found.end() > PATH_BYTES_MAX:
        return None
    rest = text[found.end() :]
    if rest and not rest.startswith(" "):
        return None
    parameters: dict[str, str | None] = {}
    repeated = set()
    for word in rest.split():
        parameter = _PARAMETER.fullmatch(word)
        if parameter is None:
            return None
        keyword = parameter.group(1).upper()
        if keyword in parameters:
            repeated.add(keyword)
        else:
            parameters[keyword] = parameter.group(2)
    path = found.group(1) if text.startswith("<") else found.group()
    return PathArgument(path, parameters, frozenset(repeated))
