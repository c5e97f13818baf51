"""Which domain does a message say that its author is of?"""

from __future__ import annotations

import pytest

from satellite.authentication.author import author_of
from satellite.headers import HeaderBlock


def domain_and_reason(header: bytes) -> tuple[str, str]:
    author = author_of(HeaderBlock.parse(header + b"\r\n"))
    return author.domain, author.reason


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b"a@Sender.Example", "sender.example"),
        (b"A <a@sender.example>", "sender.example"),
        (b'"x@bank.example" <a@sender.example>', "sender.example"),
        (b"(b@bank.example) a@sender.example (c)", "sender.example"),
        (b"A <a@sender.example>,\r\n B <b@SENDER.example>", "sender.example"),
        (b"<@relay.example:a@sender.example>", "sender.example"),
        ("A <a@bücher.example>".encode(), "xn--bcher-kva.example"),
        (b"staff: a@sender.example, b@sender.example;", "sender.example"),
        (b'"a@b"@sender.example', "sender.example"),
    ],
)
def test_one_domain_is_the_authors(value: bytes, domain: str) -> None:
    assert domain_and_reason(b"From: " + value + b"\r\n") == (domain, "")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "there is no From"),
        (b"From: a@sender.example\r\nFrom: a@sender.example\r\n", "there are several From"),
        (b"From: a@sender.example\r\nfrom : b@bank.example\r\n", "there are several From"),
        (b"From: a@sender.example, b@bank.example\r\n", "From has several domains"),
        (b"From:\r\n", "From has no address"),
        (b"From: undisclosed:;\r\n", "From has no address"),
        (b"From: Bank\r\n", "From has an address without a domain"),
        (b"From: A <>\r\n", "From has an address without a domain"),
        (b"From: a@-\x00-\r\n", "From has an address without a domain"),
    ],
)
def test_where_readers_may_see_another_there_is_none(header: bytes, reason: str) -> None:
    assert domain_and_reason(header) == ("", reason)
