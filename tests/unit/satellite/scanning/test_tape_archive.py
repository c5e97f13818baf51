"""What lies in a tar archive is read, however programs differ about its headers."""

from __future__ import annotations

import gzip

import pytest

from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.unpack import Unpacking
from tests.support.scanning.messages import with_attachment

SECRET = b"the content that matters" * 4


def tape(name: bytes, inside: bytes, *, kind: bytes = b"0", size: int = -1) -> bytes:
    """Return a member of a tar archive of the oldest form, padded."""
    header = bytearray(512)
    header[: len(name)] = name
    header[124:136] = b"%011o\0" % (len(inside) if size < 0 else size)
    header[148:157] = b" " * 8 + kind
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + inside + bytes(-len(inside) % 512)


def signed(member: bytes) -> bytes:
    """Return a member whose sum is of octets with a sign."""
    total = sum(octet - 0x100 * (octet > 0x7F) for octet in member[:148] + b" " * 8)
    total += sum(member[156:512])
    return member[:148] + b"%06o\0 " % total + member[156:]


TAPES = {
    "a folder first": tape(b"a/", b"", kind=b"5") + tape(b"b", SECRET),
    "a link that says it has a size": tape(b"a", b"", kind=b"2", size=2048) + tape(b"b", SECRET),
    "a link with a content": tape(b"a", SECRET, kind=b"1"),
    "a folder with a content": tape(b"a/", SECRET, kind=b"5"),
    "a name that stands elsewhere": tape(b"", b"20 path=name.txt\n", kind=b"x") + tape(b"", SECRET),
    "a sum of octets with a sign": signed(tape("für".encode(), SECRET)),
    "a PDF first": tape(b"a.pdf", b"%PDF-1.7\n") + tape(b"b.gz", gzip.compress(SECRET)),
    "behind its end": tape(b"a", b"x") + bytes(1024) + tape(b"b", SECRET),
}


@pytest.mark.parametrize("name", TAPES)
def test_what_some_program_takes_out_of_a_tar_is_read(name: str) -> None:
    message = with_attachment(TAPES[name] + bytes(1024))

    assert SECRET in [unit.content for unit in Unpacking(UnfoldingLimits()).units(message)]
