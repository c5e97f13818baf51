"""Honest files raise no alarm, however odd; what is locked, macro or unreadable is called that."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator
from dataclasses import replace

import pytest

from common.verdict import Outcome
from satellite.scanning import tape_archive, yara_job
from satellite.scanning.engines.yara import _shipped
from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.matching import Matcher, nothing_found
from satellite.scanning.unpack import Unit, Unpacking
from tests.support.scanning.foreign_archives import rar4, rar5, seven_zip
from tests.support.scanning.honest_files import HONEST, TEXTS
from tests.support.scanning.messages import WINDOWS_PROGRAM, with_attachment, zipped
from tests.support.scanning.office_files import (
    excel,
    locked_new_office,
    noise,
    open_document,
    outlook_message,
    presentation,
    self_extracting,
    tar_gz,
    word,
    zip_by,
)
from tests.support.scanning.real_files import ARCHIVES, PDF_DOCUMENTS
from tests.support.work import work_s

SECRET = b"the content that matters" * 4


def unpacked(content: bytes, limits: UnfoldingLimits | None = None) -> tuple[list[Unit], Unpacking]:
    unpacking = Unpacking(limits or UnfoldingLimits())
    return list(unpacking.units(with_attachment(content))), unpacking


def contents(content: bytes) -> list[bytes]:
    return [unit.content for unit in unpacked(content)[0]]


def found_by_rules(content: bytes) -> dict[Outcome, list[str]]:
    matcher = Matcher(_shipped())
    found = nothing_found()
    for unit in unpacked(content)[0]:
        matcher.match(unit.content, found, in_archive=unit.in_archive, member_name=unit.name)
    return found


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_file_raises_no_alarm(name: str) -> None:
    units, unpacking = unpacked(HONEST[name])

    assert (unpacking.limits_met, unpacking.encrypted, unpacking.unreadable) == ([], [], [])
    assert len(units) > 1


@pytest.mark.parametrize(
    "name",
    [
        "a stored ZIP",
        "a ZIP by bzip2",
        "a ZIP by LZMA",
        "a ZIP from a pipe",
        "a ZIP with both kinds of slashes",
        "a ZIP with something behind it",
        "a ZIP in a ZIP",
        "a self-extracting archive",
        "a tar.gz",
        "a workbook with an archive in it",
        "a document with a workbook in it",
    ],
)
def test_what_lies_in_an_honest_archive_is_read(name: str) -> None:
    for _, text in TEXTS:
        assert any(text in content for content in contents(HONEST[name]))


# ---- locked


LOCKED = {
    "a Word document": word(locked=True),
    "an Excel workbook": excel(locked=True),
    "a PowerPoint presentation": presentation(locked=True),
    "a document of today": locked_new_office(),
    "a locked document in an Outlook message": outlook_message(locked_new_office()),
    "an OpenDocument text": open_document(locked=True),
    "a ZIP by AES": ARCHIVES["aes.zip"],
    "a 7z": ARCHIVES["locked.7z"],
    "a 7z with a locked directory": ARCHIVES["hidden.7z"],
    "a RAR 4": rar4(b"a.txt", b"x" * 50, locked=True),
    "a RAR 5": rar5(b"a.txt", b"x" * 50, locked=True),
    **{
        f"a PDF by {algorithm}": document
        for (algorithm, password), document in PDF_DOCUMENTS.items()
        if password
    },
}


@pytest.mark.parametrize("name", LOCKED)
def test_what_needs_a_password_is_known_by_its_content(name: str) -> None:
    _, unpacking = unpacked(LOCKED[name])

    assert len(unpacking.encrypted) == 1
    assert (unpacking.limits_met, unpacking.unreadable) == ([], [])


# ---- macros


@pytest.mark.parametrize(
    "content",
    [
        word(macro=True),
        excel(macro=True),
        presentation(macro=True),
        outlook_message(presentation(macro=True)),
        zipped(("talk.ppt", presentation(macro=True))),
    ],
    ids=["word", "excel", "powerpoint", "powerpoint in a message", "powerpoint in an archive"],
)
def test_macros_of_the_old_formats_are_found(content: bytes) -> None:
    assert found_by_rules(content)[Outcome.MACRO] == ["BorderScout.Macro.Vba"]


@pytest.mark.parametrize(
    "content",
    [
        excel(macro_sheet=True),
        zipped(("xl/workbook.xml", b"<x/>"), ("xl/macrosheets/sheet1.xml", b"<x/>")),
        zipped(("book.xls", excel(macro_sheet=True))),
    ],
    ids=["old", "new", "old in an archive"],
)
def test_macros_of_excel_4_are_found(content: bytes) -> None:
    answer = yara_job.prepare({"sources": _shipped()})(with_attachment(content))

    assert answer["found"]["macro"] == ["BorderScout.Macro.Excel4"]
    assert answer["incomplete"] == []


@pytest.mark.parametrize("content", [word(), excel(), presentation()])
def test_a_document_without_macros_has_none(content: bytes) -> None:
    assert found_by_rules(content)[Outcome.MACRO] == []


# ---- what we do not read


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (rar4(b"a.txt", b"x"), "rar"),
        (rar5(b"a.txt", b"x"), "rar"),
        (self_extracting(rar5(b"a.txt", b"x")), "rar"),
        (b"junk before it" + rar4(b"a.txt", b"x"), "rar"),
        (ARCHIVES["plain.7z"], "7z"),
        (seven_zip(b"x"), "7z"),
        (bytes(7) + b"**ACE**" + bytes(60), "ace"),
        (b"MSCF\0\0\0\0" + bytes(60), "cab"),
        (b"\x24\x00-lh5-" + bytes(60), "lha"),
        (bytes(0x8001) + b"CD001" + bytes(60), "iso"),
        (bytes(0x8001) + b"BEA01" + bytes(60), "udf"),
        (bytes(2048) + b"conectix" + bytes(504), "vhd"),
        (b"\x28\xb5\x2f\xfd" + bytes(60), "zstd"),
        (b"\x5a\x2a\x4d\x18\4\0\0\0abcd\x28\xb5\x2f\xfd" + bytes(60), "zstd"),
        (b"MSCF\1\2\3\4" + bytes(16) + b"\3\1" + bytes(60), "cab"),
        (b"LZIP\1" + bytes(60), "lzip"),
        (b"\x1f\x9d\x90" + bytes(60), "compress"),
        (b"EGGA\0\1" + bytes(60), "egg"),
        (b"ALZ\1" + bytes(60), "alz"),
        (b"MSWIM\0\0\0" + bytes(60), "wim"),
        (b"vhdxfile" + bytes(60), "vhdx"),
        (b"RE~\x5e" + bytes(60), "rar"),
        (b"070701" + b"0" * 104 + b"a\0", "cpio"),
        (b"070707" + b"0" * 70 + b"a\0", "cpio"),
        (b"!<arch>\na.txt/          0", "ar"),
        (ARCHIVES["Deflate64.zip"], "zip Deflate64"),
        (ARCHIVES["PPMd.zip"], "zip PPMd"),
        (zipped(("inner.rar", rar4(b"a.txt", b"x"))), "rar"),
        (outlook_message(rar5(b"a.txt", b"x" * 50)), "rar"),
    ],
)
def test_an_archive_that_is_not_read_here_is_named_and_is_no_damage(
    content: bytes, kind: str
) -> None:
    _, unpacking = unpacked(content)

    assert unpacking.unreadable == [kind]
    assert (unpacking.limits_met, unpacking.encrypted) == ([], [])


# ---- archives that contradict themselves


def test_of_two_archives_in_a_row_both_are_read() -> None:
    found = contents(zipped(("a", SECRET)) + zipped(("b", b"harmless")))

    assert SECRET in found
    assert b"harmless" in found


def test_a_member_that_no_directory_lists_is_read() -> None:
    hidden = zipped(("hidden.txt", SECRET))
    members_only = hidden[: hidden.find(b"PK\x01\x02")]

    assert SECRET in contents(members_only + zipped(("a", b"harmless")))


def test_an_archive_whose_directory_was_emptied_is_read_and_is_damage() -> None:
    archive = zipped(("a.txt", SECRET))
    units, unpacking = unpacked(archive[: archive.find(b"PK\x01\x02")] + b"PK\5\6" + bytes(18))

    assert SECRET in [unit.content for unit in units]
    assert unpacking.limits_met == ["a damaged archive"]


def test_an_archive_without_its_end_is_read_and_is_damage() -> None:
    units, unpacking = unpacked(zipped(("a.txt", SECRET))[:-40])

    assert SECRET in [unit.content for unit in units]
    assert unpacking.limits_met == ["a damaged archive"]


def test_a_member_that_is_described_in_two_ways_is_read_in_both_and_said_so() -> None:
    archive = bytearray(zipped(("a.txt", SECRET)))
    archive[archive.rfind(b"PK\x01\x02") + 10] = 0  # stored, says the directory alone
    units, unpacking = unpacked(bytes(archive))

    assert SECRET in [unit.content for unit in units]
    assert any("damaged" in what or "contradicts" in what for what in unpacking.limits_met)


def test_a_member_that_has_another_name_in_its_own_header_is_seen_under_both() -> None:
    archive = zipped(("a.txt", SECRET))
    units, _ = unpacked(archive.replace(b"a.txt", b"a.lnk", 1))

    assert [unit.name for unit in units if unit.content == SECRET] == ["a.txt", "a.lnk"]


def test_what_came_before_damage_is_scanned() -> None:
    archive = bytearray(zip_by(0, ("a.txt", SECRET)))
    archive[archive.find(SECRET) + len(SECRET) - 1] ^= 1
    units, unpacking = unpacked(bytes(archive))

    assert any(unit.content.startswith(SECRET[:-1]) for unit in units)
    assert unpacking.limits_met == ["a damaged archive: a.txt"]


@pytest.mark.parametrize(
    "content",
    [
        bz2.compress(b"") + bz2.compress(SECRET),
        lzma.compress(b"") + bytes(8) + lzma.compress(SECRET),
        gzip.compress(b"") + bytes(64) + gzip.compress(SECRET),
    ],
    ids=["bzip2", "xz", "gzip"],
)
def test_what_is_packed_behind_nothing_is_read(content: bytes) -> None:
    assert SECRET in contents(content)


# ---- bombs, loops and failures


@pytest.mark.parametrize("method", [0, 8, 12, 14])
def test_every_method_is_counted_while_it_unfolds(method: int) -> None:
    limits = replace(UnfoldingLimits(), member_bytes_max=100_000)
    _, unpacking = unpacked(zip_by(method, ("a", bytes(2_000_000))), limits)

    assert unpacking.limits_met == ["a file in an archive is too large"]


def test_a_tar_in_a_gzip_is_counted_while_it_unfolds() -> None:
    limits = replace(UnfoldingLimits(), member_bytes_max=100_000)
    _, unpacking = unpacked(tar_gz(("a", bytes(2_000_000))), limits)

    assert unpacking.limits_met == ["a file in an archive is too large"]


def test_a_ratio_counts_once_there_is_much() -> None:
    limits = replace(UnfoldingLimits(), ratio_from_bytes=1_000_000)
    archive = zipped(*((f"{number}", bytes(300_000)) for number in range(4)))
    _, unpacking = unpacked(archive, limits)

    assert unpacking.limits_met == ["a file in an archive unfolds too far"]


HEADER_FOR_STORED = b"PK\3\4\x14\0\x08\0" + bytes(18) + b"\1\0\0\0a"
CLAIMS = {
    "ends of archives": (b"PK\5\6" * 3_000_000, "ends of archives"),
    "beginnings": (b"PK\3\4" * 3_000_000, "too many files"),
    "stored members of unknown length": (HEADER_FOR_STORED * 300_000, "too many files"),
    "ends in the wide format": ((b"PK\5\6" + b"\xff" * 18) * 500_000, "ends of archives"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_octets_that_claim_much_cost_little(name: str) -> None:
    content, why = CLAIMS[name]
    limits_met: list[str] = []

    def unpack() -> None:
        _, unpacking = unpacked(b"PK\3\4" + content)
        limits_met.extend(unpacking.limits_met)

    assert work_s(unpack) < 5.0  # most of it is MIME; a square would be an hour
    assert any(why in what for what in limits_met)


def test_octets_that_unfold_to_nothing_are_counted() -> None:
    empty_blocks = b"\0\0\0\xff\xff" * 1_000_000
    limits = replace(UnfoldingLimits(), unpacked_bytes_max=1_000_000)
    _, unpacking = unpacked(b"\x1f\x8b\x08" + bytes(7) + empty_blocks, limits)

    assert unpacking.limits_met == ["archives unfold to too many octets"]


def test_a_tar_member_of_less_than_no_length_ends() -> None:
    member = bytearray(gzip.decompress(tar_gz(("a", b"x"))))
    member[124:136] = b"-0000001200\0"
    member[148:156] = b"        "
    member[148:156] = b"%06o\0 " % sum(member[:512])

    assert len(list(tape_archive.members(bytes(member)))) < 5


def test_a_compound_file_that_leads_in_a_circle_ends() -> None:
    file = bytearray(excel(noise(6000)))
    fat = int.from_bytes(file[76:80], "little")
    start = (fat + 1) * 512
    file[start : start + 40] = (1).to_bytes(4, "little") + bytes(4) + file[start + 8 : start + 40]

    units, _ = unpacked(bytes(file))

    assert len(units) < 20


def test_a_compound_file_without_a_directory_is_damage() -> None:
    _, unpacking = unpacked(bytes.fromhex("D0CF11E0A1B11AE1") + bytes(504))

    assert unpacking.limits_met == ["a damaged compound file"]


def test_a_reader_that_fails_ends_its_own_reading_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(_: bytes) -> Iterator[tuple[str, bytes]]:
        yield "a", b"what came before"
        raise KeyError("unforeseen")

    monkeypatch.setattr(tape_archive, "members", failing)
    units, unpacking = unpacked(zipped(("a.tgz", tar_gz(("a", b"x"))), ("b", SECRET)))

    assert SECRET in [unit.content for unit in units]
    assert b"what came before" in [unit.content for unit in units]
    assert unpacking.limits_met == ["the reader of tar failed: KeyError"]


def test_of_two_packed_files_in_a_row_both_are_read() -> None:
    two = gzip.compress(b"harmless") + gzip.compress(SECRET)

    assert b"harmless" + SECRET in contents(two)


def test_a_program_in_a_tar_gz_is_a_program_in_an_archive() -> None:
    found = found_by_rules(tar_gz(("picture.jpg", WINDOWS_PROGRAM)))

    assert found[Outcome.INFECTED] == ["BorderScout.Archive.WindowsExecutable"]
