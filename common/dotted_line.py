"""Where in a message does a line begin with a dot?

Pure. Nearly no line does, and what most octets of mail are, encoded files, has no dots at all: so
it is dots that are looked for, of which one octet is found at once, as long as there are few.

Source: RFC 5321 section 4.5.2.
"""

from __future__ import annotations

_DOTTED = b"\r\n."
OCTETS_PER_DOT = 512  # where there are more dots it is quicker to look for the three octets


def first_dotted_line(octets: bytes) -> int:
    """Return where the first CR LF stands that a dot follows, -1 where there is none."""
    dot = octets.find(b".")
    for _ in range(len(octets) // OCTETS_PER_DOT):
        if dot < 0:
            return -1
        if octets.startswith(_DOTTED, dot - 2) and dot >= 2:
            return dot - 2
        dot = octets.find(b".", dot + 1)
    return octets.find(_DOTTED, max(0, dot - 2)) if dot >= 0 else -1
