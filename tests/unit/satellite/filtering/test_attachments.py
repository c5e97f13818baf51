"""What is dangerous about an attachment?"""

from __future__ import annotations

import pytest

from common.preferences.risky_types import RiskyType
from satellite.filtering.attachments import dangers
from satellite.filtering.inside import ContentPart
from satellite.scanning.risky import type_of_name

ACTING = frozenset({RiskyType.PROGRAM, RiskyType.SCRIPT, RiskyType.SHORTCUT})


def part(name: str, *kinds: str, media_type: str = "application/octet-stream") -> ContentPart:
    return ContentPart(
        media_type=media_type,
        kinds=kinds,
        name=name,
        size=1,
        sha256="0" * 64,
        named_type=type_of_name(name) or "",
        depth=int(not media_type),
    )


def found(
    one: ContentPart, types: frozenset[RiskyType] = ACTING, *, with_members: bool = True
) -> list[str]:
    return [danger.what for danger in dangers((one,), types=types, with_members=with_members)]


@pytest.mark.parametrize(
    ("name", "kinds", "what"),
    [
        ("bill.pdf", (), []),
        ("bill.pdf", ("pdf",), []),
        ("", (), []),
        ("setup.exe", (), ["program"]),
        ("setup.EXE. ", ("program",), ["program"]),
        ("", ("program",), ["program"]),
        ("bill.pdf", ("program",), ["program", "disguised"]),
        ("bill", ("program",), ["program", "disguised"]),
        ("run.js", ("program",), ["program", "script"]),
        ("bill.pdf.exe", (), ["program", "double"]),
        ("bill.pdf   .js", (), ["script", "double"]),
        ("bill.DOCX.lnk ", ("shortcut",), ["shortcut", "double"]),
        ("v1.2.exe", (), ["program"]),
        ("backup.tar.gz", ("gzip", "archive"), []),
        ("bill.exe.pdf", (), []),
        ("x" * 300 + ".pdf.scr", (), ["program", "double"]),
    ],
)
def test_content_counts_under_any_name_and_the_name_counts_too(
    name: str, kinds: tuple[str, ...], what: list[str]
) -> None:
    assert found(part(name, *kinds)) == what


def test_only_the_types_that_are_meant_count() -> None:
    archive = part("photo.jpg", "zip", "archive")

    assert found(archive) == []
    assert found(archive, frozenset({RiskyType.ARCHIVE})) == ["archive", "disguised"]


def test_what_lies_in_archives_counts_where_it_is_meant() -> None:
    member = part("a/bill.pdf.exe", "program", media_type="")

    assert found(member) == ["program", "double"]
    assert found(member, with_members=False) == []


def test_the_text_of_a_message_is_no_page_that_is_attached() -> None:
    types = frozenset({RiskyType.PAGE})

    assert found(part("", "page", media_type="text/html"), types) == []
    assert found(part("bill.html", "page", media_type="text/html"), types) == ["page"]
