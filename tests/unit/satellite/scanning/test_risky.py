"""What is risky, by what it is and by its name, however deep; and all that nobody can read."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import AsyncIterator
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.ids import MessageId
from common.preferences.risky_types import ALL_TYPES, RiskyType, RiskyTypes, RiskyTypesForm
from satellite.scanning.helper import Helper
from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.risk import ANY_TYPE, Risk
from satellite.scanning.risk_job import found_in
from satellite.scanning.risky import ENDINGS, type_of_name
from satellite.scanning.sample import Sample
from satellite.scanning.told_names import told_names

_T = RiskyType
ROOT = Path(__file__).parents[4]


def mail(content: bytes, name: str = "", kind: str = "application/octet-stream") -> bytes:
    message = EmailMessage()
    message["Subject"] = "hello"
    message.set_content("see the file\n")
    main, _, sub = kind.partition("/")
    message.add_attachment(content, maintype=main, subtype=sub, filename=name or None)
    return message.as_bytes().replace(b"\n", b"\r\n")


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def types(message: bytes) -> set[str]:
    found = found_in(message, UnfoldingLimits())
    assert found["is_whole"]
    return set(found["types"])


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (b"MZ\x90\0" + bytes(60), "holiday.jpg", {_T.PROGRAM}),
        (b"\x7fELF" + bytes(60), "", {_T.PROGRAM}),
        (b"var a = 1;", "invoice.pdf.js", {_T.SCRIPT}),
        (b"#!/bin/sh\necho", "readme.txt", {_T.SCRIPT}),
        (zipped(a__txt=b"text"), "a.zip", {_T.ARCHIVE}),
        (zipped(a__txt=b"text"), "a.bin.txt", {_T.ARCHIVE}),
        (zipped(tool__exe=b"text"), "a.zip", {_T.ARCHIVE, _T.PROGRAM}),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "letter.doc", {_T.MACRO}),
        (b"<html><body>hi</body></html>", "order.html", {_T.PAGE}),
        (b"L\0\0\0\x01\x14\x02\0" + bytes(80), "photos", {_T.SHORTCUT}),
        (bytes(0x8001) + b"CD001" + bytes(100), "data.dat", {_T.DISK}),
        (b"%PDF-1.4\n", "report.pdf", set()),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "logo.png", set()),
        (b"a;b\r\n1;2\r\n", "table.csv", set()),
    ],
)
def test_a_part_is_of_its_type_whatever_it_is_called(
    content: bytes, name: str, expected: set[RiskyType]
) -> None:
    found = found_in(mail(content, name), UnfoldingLimits())

    assert set(found["types"]) == expected


def test_a_document_without_macros_is_no_archive_and_one_with_macros_is() -> None:
    parts = {"[Content_Types]__xml": b"<Types/>", "word/document__xml": b"<w/>"}
    with_macros = {**parts, "word/vbaProject__bin": b"x" * 100}

    assert types(mail(zipped(**parts), "letter.docx")) == set()
    assert _T.MACRO in types(mail(zipped(**with_macros), "letter.docx"))


def test_what_is_in_a_message_in_an_archive_in_a_message_counts() -> None:
    inner = mail(b"MZ" + bytes(100), "x.dat")

    assert types(mail(zipped(letter__eml=inner), "a.zip")) == {_T.ARCHIVE, _T.PROGRAM}


def test_mail_without_files_is_of_no_type() -> None:
    assert types(b"Subject: hi\r\n\r\nrun setup.exe name=x.exe\r\n") == set()


@pytest.mark.parametrize(
    ("field", "names"),
    [
        (b'Content-Disposition: attachment; filename="a.exe"', ["a.exe"]),
        (b"content-type: x/y;\r\n\tNAME=a.exe", ["a.exe"]),
        (b'Content-Type: x/y; name="a\\.exe"', ["a.exe"]),
        (b"Content-Disposition: a; filename*=utf-8''a%2Eexe", ["utf-8''a.exe"]),
        (
            b'Content-Disposition: a; filename*0="in"; filename*1="voice.e"; filename*2=xe; name=b',
            ["invoice.exe", "b"],
        ),
        (
            b"Content-Type: x/y; name==?utf-8?B?" + base64.b64encode(b"a.exe") + b"?=",
            ["=?utf-8?B?YS5leGU=?=", "a.exe"],
        ),
        (b"X: filename=a.exe", []),
    ],
)
def test_names_are_read_in_each_of_their_forms(field: bytes, names: list[str]) -> None:
    assert list(told_names(b"Subject: x\r\n" + field + b"\r\n\r\n")) == names


@pytest.mark.parametrize("name", ["a.exe", "A.EXE ", "a.exe.", 'b.tar.exe"', "x" * 5000 + ".exe"])
def test_the_end_of_a_name_counts_as_windows_reads_it(name: str) -> None:
    assert type_of_name(name) is _T.PROGRAM


def test_a_uuencoded_file_has_a_name() -> None:
    assert list(told_names(b"Subject: x\r\n\r\nbegin 644 a.vbs\r\n")) == ["a.vbs"]


@pytest.fixture
async def helper() -> AsyncIterator[Helper]:
    made = Helper(clock=SystemClock())
    yield made
    await made.close()


def sample(data: bytes) -> Sample:
    return Sample(
        id=MessageId("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        size=len(data),
        sha256=sha256(data).digest(),
        data=data,
    )


async def test_the_helper_is_asked_once_for_a_message_and_not_for_plain_mail(
    helper: Helper,
) -> None:
    risk = Risk(helper)

    assert await risk.types_of(sample(b"Subject: hi\r\n\r\nhello\r\n")) == frozenset()
    assert helper.pid is None, "nobody was asked"
    message = sample(mail(b"MZ" + bytes(100), "a.dat"))
    assert await risk.types_of(message) == frozenset({_T.PROGRAM})
    await helper.close()
    assert await risk.types_of(message) == frozenset({_T.PROGRAM})
    assert helper.pid is None, "it was known"


async def test_what_nobody_had_time_for_is_not_known() -> None:
    broken = Helper(clock=SystemClock(), command=("/bin/false",))
    risk = Risk(broken)

    assert await risk.types_of(sample(mail(b"text", "a.txt"))) is None
    await broken.close()


async def test_what_could_not_be_read_to_its_end_may_be_anything(helper: Helper) -> None:
    deep = mail(b"text", "a.txt")
    for _ in range(24):
        deep = mail(deep, kind="application/octet-stream")

    assert await Risk(helper).types_of(sample(deep)) == ANY_TYPE


def test_the_policy_names_some_types_or_all() -> None:
    form = RiskyTypesForm()

    assert form.read("k", "shortcut,program,program") == "program,shortcut"
    assert RiskyTypes("program,shortcut").types == {_T.PROGRAM, _T.SHORTCUT}
    assert form.parse("k", "all") == ALL_TYPES
    assert ALL_TYPES.types == frozenset(RiskyType)
    for wrong in ("", "pdf", "program,", None, 3):
        with pytest.raises(ValueError, match="is all, or some of program"):
            form.parse("k", wrong)


def test_the_page_shows_every_ending() -> None:
    page = (ROOT / "docs" / "second-look.md").read_text(encoding="utf-8")

    for kind, endings in ENDINGS.items():
        assert f"| `{kind}` | {', '.join(sorted(endings))} |" in page
