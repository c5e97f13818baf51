"""Does everything that a message unfolds to stay within bounds, and is plain mail what it seems?

Pure. MIME, archives in it and archives in those, and the short way round for plain messages.
"""

from __future__ import annotations

from satellite.scanning import mime_fields
from satellite.scanning.decoding import from_quoted_printable, kindly_from_quoted_printable
from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.plain import body_of_plain
from satellite.scanning.unpack import NOTES_MAX, Unpacking

READS_MAIL = True
WORDS = (
    b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x07\x08", b"\x08\x00",
    b"\xff\xff\xff\xff", b"\x01\x00\x00\x00", b"../../etc/passwd", b"a.zip",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x1f\x8b\x08", b"ustar\x00", b"Rar!\x1a\x07\x01\x00",
    b"7z\xbc\xaf\x27\x1c", b"%PDF-1.7", b"/Encrypt 1 0 R",
)  # fmt: skip
LIMITS = UnfoldingLimits(
    lines_max=20_000,
    mime_parts_max=100,
    mime_depth_max=10,
    archive_depth_max=4,
    archive_files_max=50,
    member_bytes_max=1_000_000,
    unpacked_bytes_max=4_000_000,
    ratio_from_bytes=100_000,
)


def target(data: bytes) -> None:
    """Unfold a message; one that is an archive alone counts as the content of a message."""
    for message in (data, b"Content-Type: application/zip\r\n\r\n" + data):
        _unfold(message)


def _unfold(message: bytes) -> None:
    unpacking = Unpacking(LIMITS)
    unfolded_bytes, units = 0, set()
    for unit in unpacking.units(message):
        assert unit.name.isascii()
        assert unit.name.isprintable()
        assert unit.name == unit.name.lower()
        assert len(unit.content) <= max(LIMITS.member_bytes_max, 4 * len(message))
        is_new = unit.content not in units  # a member may have two names
        unfolded_bytes += len(unit.content) if unit.in_archive and is_new else 0
        units.add(unit.content)
    assert unfolded_bytes <= LIMITS.unpacked_bytes_max
    for note in (*unpacking.limits_met, *unpacking.encrypted, *unpacking.unreadable):
        assert note.isascii()
        assert note.isprintable()
        assert not note.startswith("the reader of"), "a reader raised what it does not name"
    assert len(unpacking.limits_met) <= NOTES_MAX
    assert len(unpacking.encrypted) <= NOTES_MAX
    if (body := body_of_plain(message)) is not None:
        alike = {message, body, mime_fields.usual(body)}
        alike.add(mime_fields.usual(message).partition(b"\r\n\r\n")[2])
        alike |= {from_quoted_printable(message), kindly_from_quoted_printable(message)}
        assert units <= alike, "plain mail holds its body and nothing else"
        assert not unpacking.limits_met
