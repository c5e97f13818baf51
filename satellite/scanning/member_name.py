"""What may a member of an archive be called once it is unpacked?

Pure. Names are data for rules, which ask how they end: programs pick what opens a file by that. So
what a system drops from a name's end is dropped, and of a long one the end is kept.

Source: Win32, *Naming Files* (blanks and dots at the end); RFC 1952 section 2.3 (gzip's own name).
"""

from __future__ import annotations

from common.verdict import THREAT_LENGTH_MAX, printable

_EXTRA, _NAME = 0x04, 0x08  # flags of a gzip header
_NAME_BYTES_MAX = 4096


def names_of(said: str) -> tuple[str, ...]:
    """Return what a member is called, printable and in lower case; two where a NUL is in it."""
    if "\0" not in said:
        return (_as_rules_see_it(said),)
    return _as_rules_see_it(said), _as_rules_see_it(said.partition("\0")[0])


def name_in_gzip(content: bytes) -> str:
    """Return the name that a gzip file has for what is in it, or nothing."""
    flags = content[3:4]
    if not flags or not flags[0] & _NAME:
        return ""
    place = 10
    if flags[0] & _EXTRA:
        place += 2 + int.from_bytes(content[10:12], "little")
    name = content[place : place + _NAME_BYTES_MAX].partition(b"\0")[0]
    return names_of(name.decode("latin-1"))[0]


def _as_rules_see_it(name: str) -> str:
    return printable(name.rstrip(" .")[-THREAT_LENGTH_MAX:]).lower()
