"""Which members does a ZIP archive list in its directory, and which lie in it unlisted?

Pure, and in one pass. A directory is believed where it stands as it must: right before its end
record. The standard library refuses honest oddities (a name that differs between directory and
member in its slashes, a method that it does not know) and shows one of several readings; so the few
structures are read here, each length checked against what is there.

Source: APPNOTE.TXT 6.3.10 sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 16 (end),
4.5.3 and 4.6.9 (extra fields).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from common.frozen import dataclass
from satellite.scanning.limits import LimitExceeded
from satellite.scanning.unfolding import STORED

MEMBER_SIGNATURE = b"PK\x03\x04"
DIRECTORY_SIGNATURE = b"PK\x01\x02"
END_SIGNATURE = b"PK\x05\x06"
END_BYTES_MAX = 22 + 65_535  # the end record and the longest comment after it
_END64_SIGNATURE = b"PK\x06\x06"
_SPANNED = (b"PK\x07\x08", b"PK00")  # before the first member of what was once in several pieces
_NEXT = re.compile(rb"PK(?:\x07\x08|\x03\x04|\x01\x02)")  # what may follow a member
ENDS_MAX = 10_000  # end records that are tried, and headers of members: each costs a microsecond
HEADERS_MAX = 100_000
_ZIP64, _UNICODE_NAME = 0x0001, 0x7075  # extra fields
_FULL = 0xFFFFFFFF  # the number stands in the zip64 field

FLAG_ENCRYPTED = 0x1
FLAG_SIZES_BEHIND = 0x8  # the local header was written before they were known
FLAG_UTF8 = 0x800
NAME_BYTES_MAX = 4096
VERSION_MAX = 63  # 6.3, the newest; what says more is no header

_LOCAL = struct.Struct("<4sBBHHIIIIHH")
_LISTED = struct.Struct("<4sHHHHIIIIHHHHHII")


class ZipEntry(NamedTuple):
    """One member, as the archive describes it.

    Args:
        names: as they stand in the directory, before the member, and in a field of their own, where
            these differ.
        flags, method, crc: of the description that we follow.
        packed_bytes, size: lengths in the archive and unfolded; what a stranger says.
        header: where the local header begins.
        start: where the member's octets begin.
        is_whole: its lengths are known; else it has to be unfolded to see where it ends.
        is_doubtful: directory and local header say different things of how to read it.
        is_listed: a directory names it.
    """

    names: tuple[str, ...]
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size: int
    header: int
    start: int
    is_whole: bool = True
    is_doubtful: bool = False
    is_listed: bool = True

    @property
    def stop(self) -> int:
        """Where the member's octets end."""
        return self.start + self.packed_bytes


@dataclass(frozen=True, slots=True)
class Directory:
    """Where a directory stands whose end record fits it."""

    start: int
    stop: int  # where its last entry ends
    end: int  # behind the end record
    shift: int  # what stands before the archive's own beginning


def begins_as_zip(content: bytes) -> bool:
    """Say whether the first octets are those of a ZIP archive."""
    if content.startswith(_SPANNED):
        return content.startswith(MEMBER_SIGNATURE, 4)
    return content.startswith((MEMBER_SIGNATURE, END_SIGNATURE))


def last_directory(content: bytes, stop: int, *, search_bytes: int = -1) -> Directory | None:
    """Return the last directory that ends before ``stop``, or None.

    Args:
        content: the archive, with whatever is before and behind it.
        stop: what is behind this place is not looked at.
        search_bytes: how far back an end record is looked for; -1: to the beginning.

    Raises:
        LimitExceeded: there are more end records than an archive has.
    """
    low = 0 if search_bytes < 0 else max(0, stop - search_bytes)
    place = stop
    for _ in range(ENDS_MAX):
        place = content.rfind(END_SIGNATURE, low, place)
        if place < 0:
            return None
        directory = _directory_at(content, place)
        if directory is not None:
            return directory
    raise LimitExceeded("too many ends of archives")


def listed(content: bytes, directory: Directory) -> Iterator[ZipEntry | None]:
    """Yield what a directory lists; None for each entry that leads nowhere.

    A member that its own header describes in another way comes once more, as that says.
    """
    place = directory.start
    while place < directory.stop:
        fields = _LISTED.unpack_from(content, place)
        name_start = place + _LISTED.size
        name_stop = name_start + fields[9]
        extra_stop = name_stop + fields[10]
        flags, method, crc = fields[3], fields[4], fields[6]
        size, packed_bytes, offset = _wide(
            content[name_stop:extra_stop], fields[8], fields[7], fields[15]
        )
        own = _described_at(content, directory.shift + offset)
        in_unicode = _unicode_name(content[name_stop:extra_stop])
        place = extra_stop + fields[11]
        if own is None or own.start + packed_bytes > len(content):
            yield None
            continue
        is_doubtful = (own.method, own.flags & 1) != (method, flags & 1) or (
            own.is_whole and own.packed_bytes not in (0, packed_bytes)  # 0: it was not known yet
        )
        yield ZipEntry(
            names=_names(_text(content[name_start:name_stop], flags), *own.names) + in_unicode,
            flags=flags,
            method=method,
            crc=crc,
            packed_bytes=packed_bytes,
            size=size,
            header=own.header,
            start=own.start,
            is_doubtful=is_doubtful,
        )
        if is_doubtful:
            yield own


def unlisted(content: bytes, start: int, stop: int) -> Iterator[ZipEntry]:
    """Yield the members whose headers stand between two places."""
    behind = start
    for _ in range(HEADERS_MAX):
        place = content.find(MEMBER_SIGNATURE, behind, stop)
        if place < 0:
            return
        entry = _described_at(content, place)
        if entry is not None:
            yield entry
        behind = entry.stop if entry is not None and entry.is_whole else place + 4
    raise LimitExceeded("too many files in archives")


def _directory_at(content: bytes, place: int) -> Directory | None:
    """Return the directory of the end record at ``place`` if it stands before it as it must."""
    if len(content) - place < 22:
        return None
    size, offset, comment_bytes = struct.unpack_from("<IIH", content, place + 12)
    stop = place
    if _FULL in (size, offset):
        stop = content.rfind(_END64_SIGNATURE, max(0, place - 128), place)
        if stop < 0:
            return None
        size, offset = struct.unpack_from("<QQ", content, stop + 40)
    start = stop - size
    if start < 0 or offset > start or not content.startswith(DIRECTORY_SIGNATURE, start):
        return None
    behind = _behind_entries(content, start, stop)
    end = min(len(content), place + 22 + comment_bytes)
    return Directory(start=start, stop=behind, end=end, shift=start - offset)


def _behind_entries(content: bytes, start: int, stop: int) -> int:
    """Return where the run of entries that begins at ``start`` ends."""
    place = start
    while place + _LISTED.size <= stop and content.startswith(DIRECTORY_SIGNATURE, place):
        behind = place + _LISTED.size + sum(struct.unpack_from("<HHH", content, place + 28))
        if behind > stop:
            break
        place = behind
    return place


def _wide(extra: bytes, size: int, packed_bytes: int, offset: int) -> tuple[int, int, int]:
    """Return the three numbers, from the zip64 field those that do not fit 32 bits."""
    if _FULL not in (size, packed_bytes, offset):
        return size, packed_bytes, offset
    field = _field(extra, _ZIP64)
    numbers = [value for (value,) in struct.iter_unpack("<Q", field[: len(field) // 8 * 8])]
    found = [
        numbers.pop(0) if value == _FULL and numbers else value
        for value in (size, packed_bytes, offset)
    ]
    return found[0], found[1], found[2]


def _described_at(content: bytes, place: int) -> ZipEntry | None:
    """Return the member that a local header describes, or None where none can be."""
    if place + _LOCAL.size > len(content):
        return None
    signature, version, _, flags, method, _, crc, packed_bytes, size, name_bytes, extra_bytes = (
        _LOCAL.unpack_from(content, place)
    )
    name_start = place + _LOCAL.size
    start = name_start + name_bytes + extra_bytes
    if signature != MEMBER_SIGNATURE or start > len(content):
        return None
    if version > VERSION_MAX or not 0 < name_bytes <= NAME_BYTES_MAX:
        return None
    extra = content[name_start + name_bytes : start]
    size, packed_bytes, _ = _wide(extra, size, packed_bytes, 0)
    is_whole = start + packed_bytes <= len(content)
    if flags & FLAG_SIZES_BEHIND and not packed_bytes:
        is_whole = False
    if not is_whole:
        packed_bytes = _bytes_to_end(content, start, method)
    return ZipEntry(
        names=(_text(content[name_start : name_start + name_bytes], flags), *_unicode_name(extra)),
        flags=flags,
        method=method,
        crc=crc,
        packed_bytes=packed_bytes,
        size=size,
        header=place,
        start=start,
        is_whole=is_whole,
        is_listed=False,
    )


def _bytes_to_end(content: bytes, start: int, method: int) -> int:
    """Return how many octets a member of unknown length may have at most."""
    if method != STORED:
        return len(content) - start  # its stream says where it ends
    following = _NEXT.search(content, start)
    return (following.start() if following is not None else len(content)) - start


def _names(listed_name: str, own_name: str, *others: str) -> tuple[str, ...]:
    """Return all names, or one for two that differ as honest ones do."""
    if listed_name == own_name:
        return (listed_name, *others)
    alike = listed_name.replace("\\", "/") == own_name.replace("\\", "/")
    return (listed_name, *others) if alike else (listed_name, own_name, *others)


def _unicode_name(extra: bytes) -> tuple[str, ...]:
    """Return the name that holds for programs that know more than code pages, if there is one."""
    said = _field(extra, _UNICODE_NAME)[5:]  # behind a version and a sum
    return (said.decode("utf-8", "replace"),) if said else ()


def _field(extra: bytes, kind: int) -> bytes:
    """Return one of the extra fields of a header, empty when it is not there."""
    place = 0
    while place + 4 <= len(extra):
        found, length = struct.unpack_from("<HH", extra, place)
        if found == kind:
            return extra[place + 4 : place + 4 + length]
        place += 4 + length
    return b""


def _text(name: bytes, flags: int) -> str:
    if name.isascii():  # nearly always
        return name.decode("ascii")
    return name.decode("utf-8" if flags & FLAG_UTF8 else "cp437", "replace")
