"""What a content is, by its octets: as Python finds it and as the rule engine does."""

from __future__ import annotations

import pytest

from satellite.scanning.content_kind import MARKS, ContentKind, kinds_of, marks_in
from satellite.scanning.matching import Matcher
from tests.support.scanning.foreign_archives import rar4, rar5, seven_zip
from tests.support.scanning.messages import zipped
from tests.support.scanning.office_files import noise

RAR, SEVEN_ZIP, ZIP = rar5(b"a", b"x"), seven_zip(b"x"), zipped(("a", b"x"))
FAR = noise(700_000)


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher([("one", "rule one { condition: false }")])


@pytest.mark.parametrize(
    "content", [b"", b"text", *MARKS.values(), FAR + b"".join(MARKS.values()), RAR + ZIP, b"PK\3"]
)
def test_the_rule_engine_finds_the_marks_that_python_finds(
    matcher: Matcher, content: bytes
) -> None:
    assert matcher.marks_in(content) == marks_in(content)


@pytest.mark.parametrize(
    ("content", "beginning", "further_in"),
    [
        (b"a text of Rar! and 7z", None, ()),
        (ZIP, ContentKind.ZIP, (ContentKind.ZIP,)),
        (RAR, None, (ContentKind.RAR,)),
        (b"%PDF-1.7\n" + FAR + RAR, ContentKind.PDF, (ContentKind.RAR,)),
        (ZIP + FAR + rar4(b"a", b"x"), ContentKind.ZIP, (ContentKind.RAR, ContentKind.ZIP)),
        (b"GIF89a" + FAR + SEVEN_ZIP, None, (ContentKind.SEVEN_ZIP,)),
        (b"GIF89a\0" + MARKS["rar"] + MARKS["seven_zip"], None, ()),
        ((ZIP + bytes(0x8001))[:0x8001] + b"CD001", ContentKind.ZIP, None),
    ],
)
def test_a_content_is_all_that_some_program_takes_it_for(
    content: bytes, beginning: ContentKind | None, further_in: tuple[ContentKind, ...] | None
) -> None:
    kinds = kinds_of(content)

    assert kinds.beginning is beginning
    if further_in is None:
        assert ContentKind.ISO in kinds.further_in
    else:
        assert kinds.further_in == further_in
