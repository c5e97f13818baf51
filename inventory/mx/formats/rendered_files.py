"""What is a format of DNS tools, and what does it give?

Pure. A format is one function under the entry point group ``borderscout.mx_formats``; ours are a
file each beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from inventory.mx.names import ID_LENGTH, identifier
from inventory.mx.records import DnsZone, MxRecords, Whose

HEAD = "Rendered from the inventory by `borderscout mx render`; changes here are lost."
STRING_MAX = 255
FILE_NAME_MAX = 250  # of 255 that a disk takes; ".part" stands behind it while it is written


@dataclass(frozen=True, slots=True)
class RenderedFiles:
    """What a format writes.

    Attributes:
        files: name -> text; a name is one path component of ``FILE_NAME_MAX`` characters at most.
        left_out: what the tool has no record for, a line each.
    """

    files: Mapping[str, str]
    left_out: tuple[str, ...] = ()


class MxFormat(Protocol):
    """A format: the same text for the same records."""

    def __call__(self, records: MxRecords, /, *, whose: Whose) -> RenderedFiles: ...


def left_out(zones: Sequence[DnsZone], kinds: frozenset[str], *, tool: str) -> tuple[str, ...]:
    """Return what is said of records whose kind a tool does not have.

    Args:
        kinds: those that it has.
    """
    counts: dict[str, int] = {}
    for zone in zones:
        for one in zone.sets:
            if one.kind not in kinds:
                counts[one.kind] = counts.get(one.kind, 0) + 1
    return tuple(
        f"{tool} has no {kind} records: {count} left out; "
        "publish them with another format, such as nsupdate"
        for kind, count in sorted(counts.items())
    )


def zone_file(zone: str, suffix: str) -> str:
    """Return what the file of a zone is called, also of one whose name is longer than a file's."""
    return f"{zone_word(zone, length_max=FILE_NAME_MAX - len(suffix))}{suffix}"


def zone_word(zone: str, *, length_max: int) -> str:
    """Return a zone's name, or where that has no room its beginning and its identifier.

    No two zones have the same: DNS has longer names than disks and Kubernetes have.
    """
    if len(zone) <= length_max:
        return zone
    return f"{zone[: length_max - ID_LENGTH - 1].rstrip('.-')}-{identifier(zone)}"


def quoted(text: str) -> str:
    """Return a text as a zone file has it, in strings of 255 octets: RFC 1035 section 5.1."""
    pieces = [text[at : at + STRING_MAX] for at in range(0, len(text), STRING_MAX)] or [""]
    escaped = [piece.replace("\\", "\\\\").replace('"', '\\"') for piece in pieces]
    return " ".join(f'"{piece}"' for piece in escaped)


def zone_value(kind: str, value: str) -> str:
    """Return a value as a zone file has it."""
    return quoted(value) if kind == "TXT" else value
