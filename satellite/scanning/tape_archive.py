"""Which files are in a tar archive?

Pure. Only names and contents: links, owners and times are nothing to a scanner. A name longer than
its field comes from the GNU or pax member before it. Programs differ about what stands behind a
header: what a link's size means, what follows two empty blocks. So each block that is a header is
one, wherever it stands.

Source: POSIX.1-2017, pax, *ustar Interchange Format*; GNU tar manual, *Basic Tar Format*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from satellite.scanning.content_kind import TAR_BLOCK_BYTES, is_tar_header

_PAX_PATH = re.compile(rb"(?:^|\n)\d{1,9} path=([^\n]*)\n")
_OCTAL = re.compile(rb"[0-7]{1,12}")
_NO_FILE = frozenset(b"12345")  # links, devices, folders: for most programs, but not for all
_GNU_NAME, _PAX = ord("L"), ord("x")
NAME_BYTES_MAX = 65_536


def members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file."""
    longer = b""
    for place in range(0, len(content), TAR_BLOCK_BYTES):
        block = content[place : place + TAR_BLOCK_BYTES]
        if not is_tar_header(block):
            continue
        start = place + TAR_BLOCK_BYTES
        inside = content[start : start + _size(block[124:136])]
        match block[156]:
            case kind if kind == _GNU_NAME:
                longer = inside[:NAME_BYTES_MAX].rstrip(b"\0")
            case kind if kind == _PAX:
                found = _PAX_PATH.search(inside[:NAME_BYTES_MAX])
                longer = found[1] if found else longer
            case kind:
                name = longer or block[:100].partition(b"\0")[0]
                longer = b""
                if inside or kind not in _NO_FILE:
                    yield name.decode("utf-8", "replace"), inside


def _size(field: bytes) -> int:
    if field[0] & 0x80:  # GNU: beyond eight gigabytes
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    return int(digits, 8) if _OCTAL.fullmatch(digits) else 0  # no sign: a place never goes back
