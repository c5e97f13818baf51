"""What did a delivered message look like when it came to us?

Pure. A filter sees mail before our lines are on it. A lesson that had them would teach it that our
own marks are spam, which it never sees. What stands above our lines was put there by servers after
us, so all of it goes, down to the last of ours.

Source: docs/filters.md, *What a reader finds in the header*.
"""

from __future__ import annotations

import re

FIELDS_BYTES_MAX = 65_536  # our lines stand on top; a header section that is larger is left alone

_OURS = re.compile(rb"(?im)^x-borderscout(?:-[a-z]+)?[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_RESULTS = re.compile(rb"(?i)authentication-results[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_MAILBOX_LINE = re.compile(rb"From [^\n]*\n")


def as_it_came(octets: bytes) -> bytes:
    """Return a message without what was put before its header section by us and after us."""
    found = _MAILBOX_LINE.match(octets)
    octets = octets[found.end() :] if found is not None else octets
    end = _HEADER_END.search(octets, 0, FIELDS_BYTES_MAX)
    ours = list(_OURS.finditer(octets, 0, end.end() if end is not None else 0))
    if not ours:
        return octets
    begin = ours[-1].end()
    results = _RESULTS.match(octets, begin)
    return octets[results.end() if results is not None else begin :]
