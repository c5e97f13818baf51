"""Whatever a member of an archive may be called once it is unpacked, the rules see it."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile

import pytest

from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.member_name import name_in_gzip, names_of
from satellite.scanning.unpack import Unpacking
from tests.support.scanning.messages import with_attachment, zipped

SECRET = b"the content that matters" * 4


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("Folder/A.SCR", ("folder/a.scr",)),
        ("a.scr . .", ("a.scr",)),
        ("a/" * 200 + "b.scr", (("a/" * 200 + "b.scr")[-256:],)),
        ("a.scr\0.txt", ("a.scr?.txt", "a.scr")),
        ("für.scr", ("f?r.scr",)),
    ],
)
def test_a_name_is_seen_as_it_ends(said: str, names: tuple[str, ...]) -> None:
    assert names_of(said) == names


def names_in(content: bytes) -> list[str]:
    units = Unpacking(UnfoldingLimits()).units(with_attachment(content))
    return [unit.name for unit in units if unit.content == SECRET]


def test_the_name_of_a_field_of_its_own_is_seen_beside_the_other() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        member = zipfile.ZipInfo("a.txt")
        member.extra = struct.pack("<HHBI", 0x7075, 10, 1, 0) + b"b.scr"
        archive.writestr(member, SECRET)

    assert sorted(set(names_in(buffer.getvalue()))) == ["a.txt", "b.scr"]


def test_the_name_that_a_gzip_file_has_itself_is_seen() -> None:
    buffer = io.BytesIO()
    with gzip.GzipFile("b.scr", "wb", fileobj=buffer, mtime=0) as file:
        file.write(SECRET)

    assert names_in(zipped(("a.txt.gz", buffer.getvalue()))) == ["a.txt", "b.scr"]
    assert name_in_gzip(b"\x1f\x8b\x08") == ""
