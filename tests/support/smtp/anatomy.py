"""Where does a message's header end, and what are its fields' octets?

Pure. The simplest reading that can be right, and on purpose not the product's: the proof must not
share the product's mistakes. Source: RFC 5322 section 2.2.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

GID_HEADER = "X-BS-Test-Gid"
CUTS_MAX = 8  # fields that the gateway may put on top, with one to spare

_FIELD_START = re.compile(rb"([!-9;-~]{1,76})[ \t]*:")


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A message taken apart.

    Args:
        fields: the header's fields as they stand, folded lines and CRLF included.
        separated: whether an empty line follows the header.
        below: the octets after the header and that empty line.
    """

    fields: tuple[bytes, ...]
    separated: bool
    below: bytes


def take_apart(data: bytes) -> Anatomy:
    """Return header fields and what is below; the first line that is no field ends the header."""
    fields: list[bytes] = []
    offset = 0
    while offset < len(data):
        end = data.find(b"\r\n", offset)
        end = len(data) if end < 0 else end + 2
        line = data[offset:end]
        if line == b"\r\n":
            return Anatomy(tuple(fields), True, data[end:])
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += line
        elif _FIELD_START.match(line):
            fields.append(line)
        else:
            break
        offset = end
    return Anatomy(tuple(fields), False, data[offset:])


def field_name(field: bytes | str) -> str:
    """Return the name of a header field in lower case."""
    text = field.decode("latin-1") if isinstance(field, bytes) else field
    return text.partition(":")[0].strip(" \t").lower()


def field_value(field: bytes | str) -> str:
    """Return what follows the colon, without the white space around it."""
    text = field.decode("latin-1") if isinstance(field, bytes) else field
    return text.partition(":")[2].strip()


def gid_of(data: bytes) -> str:
    """Return the mark that the load generator set, or the empty string."""
    for field in take_apart(data).fields:
        if field_name(field) == GID_HEADER.lower():
            return field_value(field)
    return ""


def digest(data: bytes) -> str:
    """Return the SHA-256 as lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def cuts(data: bytes) -> list[str]:
    """Return digests of the message from each of its first fields on, and of what is below.

    A gateway only puts lines on top: the digest of the original is then one of these, and which
    one says how many lines were added. The last is always that of what is below the header.
    """
    anatomy = take_apart(data)
    found: list[str] = []
    offset = 0
    for field in anatomy.fields[:CUTS_MAX]:
        found.append(digest(data[offset:]))
        offset += len(field)
    if len(anatomy.fields) <= CUTS_MAX:
        found.append(digest(data[offset:]))  # the whole header is ours
    found.append(digest(anatomy.below))
    return found
