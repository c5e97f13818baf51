"""Where do the URLs of a message lead, however they are written?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.filtering.url_hosts import DEPTH_MAX, HOSTS_MAX, LENGTH_MAX, UrlHosts, hosts_of


@pytest.mark.parametrize(
    "url",
    [
        "https://www.evil.example/pay?now=1#top",
        "HTTP://WWW.EVIL.EXAMPLE:8080",
        "//www.evil.example/x",
        "www.evil.example",
        "www.evil.example:8080/x",
        "https:\\\\www.evil.example\\x",
        "https:/www.evil.example",
        "https:www.evil.example",
        "hxxps://www.evil.example/",
        "https://www.evil.example./",
        "https://bank.example@www.evil.example/",
        "https://bank.example:443@www.evil.example:443/",
        "https://www.%65vil.example/",
        "https://www.ev\til.exam\r\nple/",
        "https://www.e\u00advil.example/",
        "https://www\u3002evil\uff0eexample/",
        "https://\uff57\uff57\uff57.evil.example/",
        " https://www.evil.example ",
        "https://www.evil.example?x=/@bank.example",
    ],
    ids=repr,
)
def test_a_host_is_found_as_a_browser_finds_it(url: str) -> None:
    assert hosts_of([url]) == UrlHosts(names=("www.evil.example",))


def test_a_name_in_another_script_is_its_a_label() -> None:
    assert hosts_of(["http://bücher.example/"]).names == ("xn--bcher-kva.example",)


@pytest.mark.parametrize(
    "host",
    ["192.0.2.7", "3221225991", "0xC0000207", "0300.0.2.7", "0xc0.0x0.0x2.0x7", "192.519",
     "192.0.519", "[::ffff:192.0.2.7]", "192.0.2.7."],
)  # fmt: skip
def test_an_address_is_one_in_whatever_numbers(host: str) -> None:
    assert hosts_of([f"http://{host}/x"]) == UrlHosts(addresses=("192.0.2.7",))


def test_an_ipv6_address_is_one_in_canonical_text() -> None:
    assert hosts_of(["http://[2001:DB8:0::7]:80/"]).addresses == ("2001:db8::7",)


@pytest.mark.parametrize(
    "url",
    ["", "mailto:a@b.example", "tel:+49301234", "cid:1@b.example", "javascript:alert(1)", "#top",
     "http://", "http://localhost/", "http://1.2.3.4.5/", "http://4294967296/", "http://256.1.1.1/",
     "http://[::zz]/", "http://[fe80::1%25eth0]/",
     "http://[::f%n]/", "http://a..b/", "http://-.example-/",
     "http://08.1.1.1/", "data:text/html,x",
     "http://" + "a" * 64 + ".example/", "http://a b.example@/"],
    ids=repr,
)  # fmt: skip
def test_what_leads_to_no_host_is_passed_over(url: str) -> None:
    assert hosts_of([url]) == UrlHosts()


@pytest.mark.parametrize(
    "url",
    [
        "https://www.google.com/url?q=https://evil.example/&sa=D",
        "https://www.google.com/url?q=https%3A%2F%2Fevil.example%2F",
        "https://www.google.com/amp/s/evil.example/x",
        "https://l.facebook.com/l.php?u=https%3A%2F%2Fevil.example%2Fa&h=AT",
        "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2F&data=1",
        "https://urldefense.proofpoint.com/v2/url?u=https-3A__evil.example_x&d=Dw",
        "https://urldefense.com/v3/__https://evil.example/x__;!!abc",
        "https://web.archive.org/web/2020/http://evil.example/",
        "https://www.google.com/url?q=https%3A%2F%2Fl.facebook.com%2Fl.php%3Fu%3D"
        "https%253A%252F%252Fevil.example%252F",
    ],
)
def test_a_redirector_says_nothing_and_its_target_is_asked_about(url: str) -> None:
    assert hosts_of([url]).names == ("evil.example",)


def test_a_shortener_says_nothing() -> None:
    assert hosts_of(["https://bit.ly/3abc", "https://t.co/x"]) == UrlHosts()


def test_a_url_inside_that_of_anybody_else_is_one_more() -> None:
    url = "https://shop.example/out?to=http%3A%2F%2Fevil.example%2F"

    assert hosts_of([url]).names == ("shop.example", "evil.example")


def test_each_host_stands_once_and_there_is_a_bound() -> None:
    twice = ["http://a.example/1", "http://a.example/2", "http://b.example/"]
    many = [f"http://h{number}.example/" for number in range(HOSTS_MAX * 2)]

    assert hosts_of(twice).names == ("a.example", "b.example")
    assert len(hosts_of(many).names) == HOSTS_MAX


def test_urls_inside_urls_end_somewhere() -> None:
    nested = "".join(f"http://h{number}.example/" for number in range(20))

    assert len(hosts_of([nested]).names) == DEPTH_MAX + 1
    assert hosts_of(["http://a.example/" + "x" * LENGTH_MAX + "?u=http://b.example/"]).names == (
        "a.example",
    )


@given(st.lists(st.text(alphabet="htp:/\\@.%[]0x19aé。-_=?#& \t", max_size=60), max_size=5))
def test_whatever_stands_there_comes_to_names_that_dns_can_hold(urls: list[str]) -> None:
    found = hosts_of(["http://" + url for url in urls])

    assert all(name.isascii() and "." in name and len(name) <= 253 for name in found.names)
