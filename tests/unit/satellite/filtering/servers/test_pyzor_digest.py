"""Does a message have the digest that Pyzor itself computes?"""

from __future__ import annotations

import pytest

from satellite.filtering.servers.html_words import html_words
from satellite.filtering.servers.pyzor_digest import pyzor_digest
from tests.support.smtp.corpus import message
from tests.support.work import work_s

# As Pyzor 1.0.0 computes them; tests/integration/test_pyzord_real.py asks it about all messages.
DIGESTS = {
    "alternative": "51329190a7ea865512365f20a81ab633718921a0",
    "base64-text": "54391642a56af1b35a85276c53903565ac744f3a",
    "bounce": "3cffd327cf2498053888bb2a1c8010e2046fc6c7",
    "excel-with-macro": "0d1453022bb37dbe8df90e901302f14aa283e29e",
    "forwarded-five-times": "2847e05aef655d3feee0b8980ef0e2580bc9bf15",
    "html-only": "6019dadee82cac0ae464a1ec3aa29d4dea58a9ed",
    "korean": "c57bab0264fb14872e7834c4ed1c215cbc6dee02",
    "latin1-without-mime": "94cdab86a308d94190eeeee27c0e9cd8f684219c",
    "mailing-list": "c04bd8c3f120734a5311aff01e0794e1952fd162",
    "nested-multipart": "6019dadee82cac0ae464a1ec3aa29d4dea58a9ed",
    "newsletter": "2ef8195499b601f54ae4a12018af8055597b8af8",
    "no-header-at-all": "4ffa80c2bbdfb6a965bc4e96787313085d390c2d",
    "plain-text": "e9c0c69ede96a3b318a56e82e49d716cbdfbff85",
    "quoted-printable": "27729c452cdfad8fa854d5276b112214d4edbfba",
    "reply-with-quotes": "ad6c2efd17480442beb4d6f0c8c1c91b74c31cd1",
    "wrong-base64": "0d1453022bb37dbe8df90e901302f14aa283e29e",
    "zip-attached": "0d1453022bb37dbe8df90e901302f14aa283e29e",
}
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
SIZE = 131_072
SECONDS_MAX = 2.0  # of processor time; a tenth of a second is usual for the worst


@pytest.mark.parametrize("name", DIGESTS)
def test_the_digest_is_pyzors(name: str) -> None:
    assert pyzor_digest(message(name)) == DIGESTS[name]


@pytest.mark.parametrize("name", ["nothing", "only-a-dot", "empty-body"])
def test_what_says_nothing_has_none(name: str) -> None:
    assert pyzor_digest(message(name)) is None


def test_what_differs_from_copy_to_copy_does_not_count() -> None:
    one = b"Subject: a\r\n\r\nDear a@b.example, you won\r\nid 0123456789abc of this lottery\r\n"
    other = b"Subject: b\r\n\r\nDear zz@yy.test,   you won\r\nid zyxwvutsrqponm of this lottery\r\n"

    assert pyzor_digest(one) == pyzor_digest(other) is not None


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<p>Dear <b>Joe</b>,</p><p>hi</p>", "Dear Joe , hi"),
        ("a<style>p { x: '<b>' }</style>b<SCRIPT>c</Script>d", "a b d"),
        ("a<!-- <b>c</b> -->d<br/>e", "a d e"),
        ('a<img alt="1 > 0" src=x>b', "a b"),
        ("1 < 2 &amp; 3 &lt; 4", "1 < 2 & 3 < 4"),
        ("a<b unclosed", "a"),
        ("&#" + "9" * 9_999 + ";a", "a"),
        ("<!DOCTYPE html><?php x ?>a", "a"),
        ("a<script/>b", "a b"),
    ],
)
def test_html_is_read_without_its_markup(html: str, words: str) -> None:
    assert html_words(html) == words


@pytest.mark.parametrize(
    "hostile",
    [
        HTML + b"<" * SIZE,
        HTML + b"<!-- >" * (SIZE // 6),
        HTML + b'<a =">' * (SIZE // 6),
        HTML + b"<a ='" * (SIZE // 5),
        HTML + b"<script>" * (SIZE // 8),
        HTML + b"&#" + b"9" * SIZE + b";",
        HTML + b"&amp" * (SIZE // 4),
        b"\r\n" + b"a@" * (SIZE // 2),
        b"\r\n" + b"\n" * SIZE,
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"\r\n--a" * (SIZE // 5),
        b"Content-Type: message/rfc822\r\n\r\n" * (SIZE // 32),
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
            for n in range(SIZE // 55)
        ),
        b"Content-Type: text/plain" + b'; charset="\\' * (SIZE // 12),
        b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a-b" * (SIZE // 3),
        b"A:" + b"\r\n " * (SIZE // 3),
    ],
    ids=lambda hostile: hostile[-6:],
)
def test_no_message_takes_more_time_than_its_length(hostile: bytes) -> None:
    assert work_s(lambda: pyzor_digest(hostile)) < SECONDS_MAX
