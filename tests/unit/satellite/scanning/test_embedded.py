"""What is taken out of texts and documents, and what that costs when they are hostile."""

from __future__ import annotations

import base64
import time

import pytest

from satellite.scanning import embedded, page
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.plain import body_of_plain
from satellite.scanning.unpack import Unpacking
from tests.support.scanning.messages import plain, with_attachment
from tests.support.work import work_s

FILE = bytes(range(256))


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_wide_text_is_read_as_utf_8(charset: str) -> None:
    assert (embedded.in_utf8("A longer text".encode(charset)) or b"").endswith(b"A longer text")


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\0" * 90, FILE, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"]
)
def test_what_is_no_wide_text_is_left_alone(content: bytes) -> None:
    assert embedded.in_utf8(content) is None


def test_a_telephone_number_is_no_utf_7() -> None:
    assert embedded.from_utf7(b"Call +4930123456 or a+b.") is None
    assert embedded.from_utf7(b"+ADw-script+AD4-") == b"<script>"


def test_a_short_literal_holds_no_file() -> None:
    text = b"<script>x('%s')</script>"

    assert list(page.files(text % base64.b64encode(FILE[:30]))) == []
    assert FILE in list(page.files(text % base64.b64encode(FILE)))


def test_a_page_with_a_long_literal_is_not_plain() -> None:
    text = b"<script>x('%s')</script>"

    assert body_of_plain(plain(text % base64.b64encode(FILE))) is None
    assert body_of_plain(plain(text % b"short")) is not None


@pytest.mark.parametrize(
    "link",
    [
        b'<a href="data:a/b;base&#54;4,%s">',
        b'<a href="data:a/b;base&#x36;4,%s">',
        b'<a href="data&colon;a/b&semi;base64&comma;%s">',
        b'<a href="d&Tab;ata:a/b;base64,%s">',
    ],
)
def test_a_page_whose_link_is_written_with_references_is_not_plain(link: bytes) -> None:
    assert body_of_plain(plain(link % base64.b64encode(FILE))) is None


@pytest.mark.parametrize(
    "text",
    [
        b"<p>It&#39;s a letter&#8217;s text, &nbsp;&#160;&#xA0;&amp; &quot;more&quot; &lt; 5</p>",
        b"<a href='https://a.example/?a=1&amp;b=2'>C:\\users\\u1</a>",
    ],
)
def test_a_page_with_the_references_of_texts_is_plain(text: bytes) -> None:
    assert body_of_plain(plain(text * 40)) is not None


def test_pages_in_pages_without_end_are_a_limit() -> None:
    with pytest.raises(LimitExceeded, match="pages in pages"):
        list(page.files(b"<p>" + b"".join(b"&%blt;a>" % (b"amp;" * n) for n in range(8))))


HOSTILE = {
    "numbers": b"<script>" + b"[1," * 700_000,
    "rows of numbers": b"<script>" + (b"[" + b"1," * 62 + b"1 ") * 20_000,
    "references": b"<script>" + b"&#0000000065" * 200_000,
    "links": b"<a " + b"data:," * 400_000,
    "links that are long": b"<a " + b"data:" * 400_000,
    "signs of a URL": b"<a data:," + b"%41" * 700_000,
    "a PDF of streams without an end": b"%PDF-1.7\n/EmbeddedFile\n" + b"stream\n" * 400_000,
    "digits that are too few": b"{\\rtf1" + (b"\\b 0a " * 20 + b"|") * 40_000,
    "digits far apart": b"{\\rtf1" + (b"a" + b" " * 2000) * 2000,
    "words without an end": b"{\\rtf1" + b"\\a" * 2_000_000,
    "quotes": b"<script>" + b"\"'`" * 1_000_000,
    "pieces of a literal": b"<script>" + b'"AAAA" ' * 400_000,
    "beginnings of data": b"<script>;base64,  " + b";base64,  " * 300_000,
    "many literals": b"<script>" + (b'"' + b"A" * 64 + b'";') * 50_000,
    "half of a wide character": b"\xff\xfe" + b"\xd8" * 2_000_001,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_ends_within_its_budget(name: str) -> None:
    budget = CpuBudget(2.0, cpu_s=time.thread_time)
    message = with_attachment(HOSTILE[name])

    def unpack() -> None:
        list(Unpacking(UnfoldingLimits(), budget).units(message))

    assert work_s(unpack) < 6.0  # squares of these would take minutes
