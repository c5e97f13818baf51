"""Which hosts would a browser ask, however a URL is written?"""

from __future__ import annotations

import pytest

from satellite.scanning.urls import URL_LENGTH_MAX, host_of, urls_in, usual
from tests.support.work import work_s


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("HTTP://EXAMPLE.com/A?b", "http://example.com/A?b"),
        ("http:\\\\example.com\\x", "http://example.com/x"),
        ("https:example.com", "https://example.com"),
        ("http:///example.com", "http://example.com"),
        ("//x.example/y", "http://x.example/y"),
        (" ht\ntp://a.exa\tmple/ ", "http://a.example/"),
        ("http://good.example@evil.example/x", "http://evil.example/x"),
        ("http://" + "u" * 700 + "@evil.example/", "http://evil.example/"),
        ("http://ex%61mple%2ecom/", "http://example.com/"),
        ("http://\uff45\uff58ample\u3002com/", "http://example.com/"),
        ("http://exa\u200bm\xadple.com.", "http://example.com"),
        ("http://b\xfccher.example/", "http://b\xfccher.example/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://2130706433/x", "http://127.0.0.1/x"),
        ("http://0177.0.0.1:8080/", "http://127.0.0.1:8080/"),
        ("http://1.2.3.4.5/", "http://1.2.3.4.5/"),
        ("http://256.1.1.1/", "http://256.1.1.1/"),
        ("http://[2001:DB8::1]/", "http://[2001:db8::1]/"),
        ("https://a.example:443/", "https://a.example/"),
        ("hxxps://a.example/", "https://a.example/"),
        ("www.foo.example", "http://www.foo.example"),
        ("http://a.example/x\r\ny z\0", "http://a.example/xyz"),
    ],
)
def test_a_url_is_written_as_a_browser_would_ask_for_it(written: str, asked: str) -> None:
    assert usual(written) == asked


@pytest.mark.parametrize(
    "written", ["", "javascript:x", "mailto:a@b.example", "foo/bar", "http://", "http://%2f/", "#a"]
)
def test_what_asks_no_host_is_no_url(written: str) -> None:
    assert usual(written) is None


def test_a_long_url_keeps_its_host() -> None:
    url = usual("https://a.example/" + "p" * 9_000)

    assert url is not None
    assert len(url) == URL_LENGTH_MAX
    assert host_of(url) == "a.example"


def test_the_host_has_no_port() -> None:
    assert host_of("http://a.example:8080/x") == "a.example"
    assert host_of("http://[2001:db8::1]:8080?x") == "[2001:db8::1]"


def test_urls_are_found_in_a_text_without_what_ends_the_sentence() -> None:
    text = (
        "See https://a.example/x, (http://b.example/y) and www.c.example! <hxxp://d.example/>"
        ' or "//e.example/z". Not a//b, nor c.example. x=http://i.example'
    )

    assert list(urls_in(text)) == [
        "https://a.example/x",
        "http://b.example/y",
        "http://www.c.example",
        "http://d.example/",
        "http://e.example/z",
        "http://i.example",
    ]


@pytest.mark.parametrize(
    "piece",
    [".bb/c ", "a.bb/", "a.", "http://", "www.", "//a.", "http:////", "http://a..", "@", "%"],
)
def test_a_text_made_of_beginnings_takes_no_time(piece: str) -> None:
    found: list[str] = []

    assert work_s(lambda: found.extend(urls_in(piece * 50_000))) < 2.0
    assert len(found) < 1_000


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("go to shop.example/deal now", ["http://shop.example/deal"]),
        ("(Shop.Example/deal).", ["http://shop.example/deal"]),
        ("www.shop.example/deal", ["http://www.shop.example/deal"]),
        ("http://a.example/b.example/c", ["http://a.example/b.example/c"]),
        ("joe@shop.example/deal", []),
        ("either.and/or, 3.5/4, src/main.c/x, ./a.txt/b, x=a.example/b", ["http://either.and/or"]),
        ("shop.example / deal", []),
    ],
)
def test_a_host_without_a_scheme_is_a_url_where_a_path_follows(text: str, urls: list[str]) -> None:
    assert list(urls_in(text)) == urls
