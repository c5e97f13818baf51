"""What kind of archive or document is an octet string, by its content alone?

Pure. A name or a Content-Type is the sender's word; programs open what the content is. A kind that
may stand behind a program of its own (a self-extracting archive) is looked for further in, as its
own program does, and only where its header is whole.

Source: APPNOTE.TXT 6.3.10; RAR 5.0 archive format, technote; 7zFormat.txt of 7-Zip 24;
[MS-CAB] section 2.1; ECMA-119 section 8; ECMA-167 part 2 section 9; PDF 32000-1 section 7.5.2.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

ARCHIVE_PLACE_MAX = 1024 * 1024  # behind a program or junk: how far the openers of each look
TAR_BLOCK_BYTES = 512
_ASCII = bytes(range(128))
_VOLUME_PLACE = 0x8001  # of the first descriptor in a disc image
# The same where each sector is kept with its sync pattern and header, of a data disc's two modes.
_RAW_SYNC = b"\0" + b"\xff" * 10 + b"\0"
_RAW_VOLUME_PLACES = (16 * 2352 + 17, 16 * 2352 + 25)
RAR4_MARK = b"Rar!\x1a\x07\x00"
RAR5_MARK = b"Rar!\x1a\x07\x01\x00"
SEVEN_ZIP_MARK = b"7z\xbc\xaf\x27\x1c"
# What archives begin with that may stand behind something else, and what a PDF says of files.
MARKS = {
    "rar": RAR4_MARK[:6],
    "seven_zip": SEVEN_ZIP_MARK,
    "zip": b"PK\x03\x04",
    "embedded_file": b"/EmbeddedFile",
    "embedded": b"/EF",
    "object_stream": b"/ObjStm",
}


class ContentKind(StrEnum):
    """A kind that is read in a way of its own, or that we cannot read."""

    ZIP = "zip"
    COMPOUND = "compound file"
    PDF = "pdf"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    TAR = "tar"
    RAR = "rar"
    SEVEN_ZIP = "7z"
    ACE = "ace"
    CAB = "cab"
    ARJ = "arj"
    LHA = "lha"
    ISO = "iso"
    UDF = "udf"
    ZSTD = "zstd"
    LZIP = "lzip"
    COMPRESS = "compress"
    EGG = "egg"
    ALZ = "alz"
    WIM = "wim"
    VHD = "vhd"
    VHDX = "vhdx"
    LZMA = "lzma"
    LZ4 = "lz4"
    XAR = "xar"
    DMG = "dmg"
    CHM = "chm"
    SQUASHFS = "squashfs"
    RPM = "rpm"
    ZOO = "zoo"
    CPIO = "cpio"
    AR = "ar"
    TNEF = "tnef"
    RTF = "rtf"
    CALENDAR = "calendar"
    ONE_NOTE = "onenote"
    ACTIVE_MIME = "activemime"
    XML = "office xml"


# What our own reader takes apart; of the others it only knows that they are there.
READ_HERE = frozenset(
    {
        ContentKind.ZIP,
        ContentKind.COMPOUND,
        ContentKind.PDF,
        ContentKind.GZIP,
        ContentKind.BZIP2,
        ContentKind.XZ,
        ContentKind.LZMA,
        ContentKind.TAR,
        ContentKind.TNEF,
        ContentKind.RTF,
        ContentKind.CALENDAR,
        ContentKind.ONE_NOTE,
        ContentKind.ACTIVE_MIME,
        ContentKind.XML,
    }
)

# One look at the first octets, for all kinds that have a mark there; a group for each. Numbers
# outside of brackets are written \x01: \1 would be the first group, which is never there.
_BEGINNING = re.compile(
    rb"(PK\x03\x04|PK\x05\x06|PK\x07\x08PK\x03\x04|PK00PK\x03\x04)"
    rb"|(\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1)|(\x1f\x8b\x08)|(\xfd7zXZ\0)"
    rb"|(BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90))"  # the second: of nothing, and more follows
    rb"|(MSCF(?:\0{4}|.{20}\x03\x01))|([\x22-\x28]\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)"
    rb"|(LZIP\x01)|(\x1f\x9d[\x09-\x10\x89-\x90])|(EGGA\0\x01)|(ALZ\x01)"
    # Words may look like a method (my-phd-thesis); the level of the header is no letter.
    rb"|(MSWIM\0\0\0)|(conectix)|(vhdxfile)|(..-[lp][hzm].-.{13}[\0-\3])|(.{7}\*\*ACE\*\*)"
    # A size of 40 bits, or none; the first octet of the range coder is always 0.
    rb"|(\x5d\0\0[\0-\xff][\0-\x0f](?:\xff{8}|.{5}\0\0\0)\0)"
    rb"|(\x04\x22\x4d\x18[\x40-\x7f]|\x02\x21\x4c\x18)|(xar!\0.\0[\0\1])|(ITSF[\2-\4]\0\0\0)"
    rb"|(hsqs.{24}[\1-\4]\0|sqsh.{24}\0[\1-\4])|(\xed\xab\xee\xdb[\3\4])"
    rb"|(ZOO .{16}\xdc\xa7\xc4\xfd)|(\x78\x9f\x3e\x22)|(\s{0,1024}+\{\\rt)"
    # The second form of cpio has decimal digits alone, octal ones.
    rb"|(RE~\x5e)|(0707(?:0[12][0-9A-Fa-f]{104}|07[0-7]{70}))|(!<arch>\n)|(encrcdsa)"
    rb"|((?:\xef\xbb\xbf)?\s{0,99}+(?i:BEGIN:V(?:CALENDAR|CARD))\b)"
    rb"|((?:\xef\xbb\xbf)?\s{0,99}+<\?xml\b)"
    rb"|(\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3)|(ActiveMime\0)",
    re.DOTALL,
)
_BEGINNING_KINDS = (
    ContentKind.ZIP,
    ContentKind.COMPOUND,
    ContentKind.GZIP,
    ContentKind.XZ,
    ContentKind.BZIP2,
    ContentKind.CAB,
    ContentKind.ZSTD,
    ContentKind.LZIP,
    ContentKind.COMPRESS,
    ContentKind.EGG,
    ContentKind.ALZ,
    ContentKind.WIM,
    ContentKind.VHD,
    ContentKind.VHDX,
    ContentKind.LHA,
    ContentKind.ACE,
    ContentKind.LZMA,
    ContentKind.LZ4,
    ContentKind.XAR,
    ContentKind.CHM,
    ContentKind.SQUASHFS,
    ContentKind.RPM,
    ContentKind.ZOO,
    ContentKind.TNEF,
    ContentKind.RTF,
    ContentKind.RAR,
    ContentKind.CPIO,
    ContentKind.AR,
    ContentKind.DMG,
    ContentKind.CALENDAR,
    ContentKind.XML,
    ContentKind.ONE_NOTE,
    ContentKind.ACTIVE_MIME,
)
_VOLUMES = {
    b"CD001": ContentKind.ISO,
    b"BEA01": ContentKind.UDF,
    b"NSR02": ContentKind.UDF,
    b"NSR03": ContentKind.UDF,
}


@dataclass(frozen=True, slots=True)
class Kinds:
    """What a content is.

    Nearly always it is one thing at most. But a disc may begin with anything, and an archive may
    stand behind another one: which of them a program opens is a matter of the name.

    Args:
        beginning: by its first octets; None: a text, a picture or a program.
        further_in: what stands in it beside. Of ``ZIP`` there is only a mark.
        marks: those that were found.
    """

    beginning: ContentKind | None
    further_in: tuple[ContentKind, ...]
    marks: frozenset[str] = frozenset()

    @property
    def all_but_zip(self) -> list[ContentKind]:
        """Return the kinds, the one by the first octets first."""
        kinds = (self.beginning, *self.further_in)
        return [kind for kind in kinds if kind not in (None, ContentKind.ZIP)]


MarksIn = Callable[[bytes], frozenset[str]]


def marks_in(content: bytes) -> frozenset[str]:
    """Return which of ``MARKS`` stand anywhere in a content."""
    return frozenset(name for name, mark in MARKS.items() if mark in content)


def kinds_of(content: bytes, marks_in: MarksIn = marks_in) -> Kinds:
    """Return the kinds of a content; ``marks_in`` is asked for what stands further in."""
    beginning = _beginning(content)
    is_pdf = content.find(b"%PDF-", 0, 1024) >= 0
    is_text = content.isascii() and b"\0" not in content  # there is no archive without a NUL
    marks = frozenset[str]() if is_text and not is_pdf else marks_in(content)
    if beginning is None and is_pdf:
        return Kinds(ContentKind.PDF, tuple(_further_in(content, marks)), marks)
    further_in = _further_in(content, marks)
    return Kinds(beginning, ((ContentKind.PDF,) if is_pdf else ()) + tuple(further_in), marks)


def _beginning(content: bytes) -> ContentKind | None:
    found = _BEGINNING.match(content)
    if found is not None:
        assert found.lastindex is not None
        kind = _BEGINNING_KINDS[found.lastindex - 1]
        return kind if kind is not ContentKind.XML or _is_office_xml(content) else None
    if _begins_as_tar(content):
        return ContentKind.TAR
    return ContentKind.ARJ if _is_arj(content) else None


def _further_in(content: bytes, marks: frozenset[str]) -> Iterator[ContentKind]:
    if volume := _volume(content):
        yield volume
    if "rar" in marks and rar_place(content) >= 0:
        yield ContentKind.RAR
    if "seven_zip" in marks and seven_zip_place(content) >= 0:
        yield ContentKind.SEVEN_ZIP
    if "zip" in marks:
        yield ContentKind.ZIP


def _volume(content: bytes) -> ContentKind | None:
    """Return the kind of an image of a disc, by its volume descriptor or what stands at its end."""
    for place in _RAW_VOLUME_PLACES if content.startswith(_RAW_SYNC) else (_VOLUME_PLACE,):
        if volume := _VOLUMES.get(content[place : place + 5]):
            return volume
    if content.startswith(b"conectix", max(0, len(content) - 512)):
        return ContentKind.VHD
    is_dmg = content.startswith(b"koly\0\0\0\4\0\0\2\0", max(0, len(content) - 512))
    return ContentKind.DMG if is_dmg else None


def rar_place(content: bytes) -> int:
    """Return where a RAR archive begins, or -1."""
    stop = ARCHIVE_PLACE_MAX
    place = content.find(RAR4_MARK[:6], 0, stop)
    while place >= 0:
        if _is_rar_at(content, place):
            return place
        place = content.find(RAR4_MARK[:6], place + 1, stop)
    return -1


def seven_zip_place(content: bytes) -> int:
    """Return where a 7z archive begins, or -1."""
    stop = ARCHIVE_PLACE_MAX
    place = content.find(SEVEN_ZIP_MARK, 0, stop)
    while place >= 0:
        start = content[place + 8 : place + 32]
        if len(start) == 24 and zlib.crc32(start[4:]) == int.from_bytes(start[:4], "little"):
            return place
        place = content.find(SEVEN_ZIP_MARK, place + 1, stop)
    return -1


def is_tar_header(block: bytes) -> bool:
    """Say whether a block of 512 octets describes a member of a tar archive, by its checksum.

    Some programs have summed octets with a sign, and all accept both.
    """
    digits = block[148:156].strip(b" \0")
    if len(block) < TAR_BLOCK_BYTES or not digits or digits.strip(b"01234567"):
        return False
    said = int(digits, 8)
    total = sum(block) - sum(block[148:156]) + 8 * 0x20
    return said in (total, total - 0x100 * len(block.translate(None, _ASCII)))


def _is_rar_at(content: bytes, place: int) -> bool:
    if content.startswith(RAR4_MARK, place):
        return content[place + 9 : place + 10] == b"\x73"
    if not content.startswith(RAR5_MARK, place):
        return False
    # The size of the first header is one octet or two, then comes its type: main, or encryption.
    head = content[place + 12 : place + 15]
    kind = head[2:3] if head[:1] >= b"\x80" else head[1:2]
    return kind in (b"\1", b"\4")


def _is_arj(content: bytes) -> bool:
    if not content.startswith(b"\x60\xea"):
        return False
    size = int.from_bytes(content[2:4], "little")
    crc = int.from_bytes(content[4 + size : 8 + size], "little")
    return 30 <= size <= 2600 and zlib.crc32(content[4 : 4 + size]) == crc


def _is_office_xml(content: bytes) -> bool:
    """Say whether it may be a whole document in one file; each new one is full of other XML."""
    head = content[:1024]
    return b"wordDocument" in head or b":package" in head


def _begins_as_tar(content: bytes) -> bool:
    return is_tar_header(content[:TAR_BLOCK_BYTES])  # the oldest archives have no mark
