"""What do a message's MIME fields say, written so that no reader can take them otherwise?

Pure, and linear in its input. RFC 5322 allows comments, quoted pairs, folds and blanks in places
where few programs expect them, and what a program does not expect it skips, decoding nothing. So
the two fields that decide how a body is read are read here as the standards say, wherever one may
stand, and written in the one form that everybody reads.

Source: RFC 5322 sections 3.2.1 to 3.2.4 and 4.5; RFC 2045 sections 5.1 and 6.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

FIELD_BYTES_MAX = 4_096  # longer ones are a limit of their own

_PLACE = b"content-t"  # both begin so
_FIELD = re.compile(
    rb"content-(type|transfer-encoding)([ \t]*):([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.I
)
# What nobody takes otherwise: as nearly all mail has it. What was taken is not given back: a field
# of blanks would cost its square.
_TOKEN = rb"[^\s\"();\\=/]++"
_USUAL_TYPE = re.compile(
    rb" ?"
    + _TOKEN
    + rb"/"
    + _TOKEN
    + rb"(?:[ \t]*+;(?:\r?\n)?[ \t]*+"
    + _TOKEN
    + rb"=(?:[^\s\"();\\\x00-\x20]++|\"[^\"\\\r\n]*+\"))*+[ \t]*+;?[ \t]*+",
)
_USUAL_ENCODING = re.compile(rb" ?(?:7bit|8bit|binary|base64|quoted-printable)", re.I)
_MAILBOX_LINE = re.compile(rb"(?:>*From (?![ \t]*:)[^\n]*\n)+")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"?', re.S)
_PLAIN = re.compile(rb'[^"(\\;=\s]+')
_BLANKS = re.compile(rb"\s+")


def usual(text: bytes) -> bytes:
    """Return a message, or its skeleton, with each of those fields in its usual form.

    A mailbox file's first lines go. Nearly always the very same octets come back.
    """
    first = _MAILBOX_LINE.match(text)
    start = first.end() if first else 0
    pieces: list[bytes] = []
    done = start
    for match in _fields(text, start):
        written = _usual_field(match)
        if written is not None:
            pieces += (text[done : match.start()], written)
            done = match.end()
    if not done:
        return text
    return b"".join([*pieces, text[done:]])


def token_of(value: bytes) -> bytes:
    """Return the first word of a field's value in lower case, comments and quotes aside."""
    words = "".join(_words(value[:FIELD_BYTES_MAX])).partition(";")[0].split()
    return words[0].lower().translate(_SHOWN).encode("latin-1") if words else b""


def _fields(text: bytes, start: int) -> Iterator[re.Match[bytes]]:
    """Yield the fields at the beginnings of lines."""
    lower = text.lower()
    place = lower.find(_PLACE, start)
    while place >= 0:
        match = None
        if place == start or text[place - 1] in b"\r\n":
            match = _FIELD.match(text, place)
        if match is not None:
            yield match
        place = lower.find(_PLACE, match.end() if match is not None else place + 1)


def _usual_field(match: re.Match[bytes]) -> bytes | None:
    """Return the field in its usual form, or None when it has it, or when it is too long."""
    name, blank, value = match.groups()
    if len(value) > FIELD_BYTES_MAX:
        return None
    if name.lower() == b"type":
        if not blank and _USUAL_TYPE.fullmatch(value):
            return None
        return b"Content-Type: " + _usual_type(value)
    if not blank and _USUAL_ENCODING.fullmatch(value):
        return None
    return b"Content-Transfer-Encoding: " + token_of(value)


def _usual_type(value: bytes) -> bytes:
    kind, *parameters = "".join(_words(value)).split(";")
    written = ["".join(kind.split())]
    for parameter in parameters:
        name, equals, said = parameter.partition("=")
        if equals:
            said = said.strip(" ").replace("\\", "\\\\").replace('"', '\\"')
            written.append(f'{"".join(name.split())}="{said.translate(_SHOWN)}"')
    return "; ".join(written).encode("latin-1", "replace")


# What has a meaning in a value is another sign while it is quoted.
_HIDDEN = {ord(";"): 0x100, ord("="): 0x101, ord(" "): 0x102, ord("\t"): 0x103}
_SHOWN = {hidden: shown for shown, hidden in _HIDDEN.items()}


def _words(value: bytes) -> Iterator[str]:
    """Yield a value without comments, its quoted strings without quotes and quoted pairs."""
    place = 0
    while place < len(value):
        sign = value[place : place + 1]
        if sign == b"(":
            place = _behind_comment(value, place)
            yield " "
        elif sign == b'"':
            found = _QUOTED.match(value, place)
            assert found is not None
            said = re.sub(rb"\\(.)", rb"\1", re.sub(rb"\r?\n", b"", found[1]), flags=re.S)
            yield said.decode("latin-1").translate(_HIDDEN)
            place = found.end()
        elif sign == b"\\":
            yield value[place + 1 : place + 2].decode("latin-1").translate(_HIDDEN)
            place += 2
        elif plain := _PLAIN.match(value, place):
            yield plain[0].decode("latin-1")
            place = plain.end()
        elif blank := _BLANKS.match(value, place):
            yield " "
            place = blank.end()
        else:  # ; or =
            yield sign.decode("latin-1")
            place += 1


def _behind_comment(value: bytes, place: int) -> int:
    """Return where the comment ends that begins at ``place``; an open one ends nowhere."""
    depth = 0
    while place < len(value):
        sign = value[place]
        if sign == 0x5C:
            place += 1
        elif sign == 0x28:
            depth += 1
        elif sign == 0x29:
            depth -= 1
            if not depth:
                return place + 1
        place += 1
    return len(value)
