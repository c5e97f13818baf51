"""The relay decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.address import Address
from satellite.smtp import admission, replies
from satellite.smtp.replies import Reply
from tests.support.front_end import MAIL_DOMAIN, some_preferences

PREFERENCES = some_preferences()


def decide(path: str, *, smtputf8: bool = False) -> str | Reply:
    found = admission.recipient(
        f"TO:<{path}>", smtputf8=smtputf8, preferences=PREFERENCES, mail_domain=MAIL_DOMAIN
    )
    return str(found) if isinstance(found, Address) else found


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("x@acme.example", "x@acme.example"),
        ("x@ACME.Example", "x@acme.example"),
        ("x@acme.example.", "x@acme.example"),
        ("X.Y+tag@acme.example", "X.Y+tag@acme.example"),
        ("odd..dots.@acme.example", "odd..dots.@acme.example"),
        ('"a@b"@acme.example', '"a@b"@acme.example'),
        ('"a b"@acme.example', '"a b"@acme.example'),
        ("a%b@acme.example", "a%b@acme.example"),
        ("b!a@acme.example", "b!a@acme.example"),
        ("x@listed.example", "x@listed.example"),
        ("X@listed.example", "X@listed.example"),
        ("postmaster", f"postmaster@{MAIL_DOMAIN}"),
        ("POSTMASTER", f"POSTMASTER@{MAIL_DOMAIN}"),
        ("Postmaster@acme.example", "Postmaster@acme.example"),
        ("postmaster@listed.example", "postmaster@listed.example"),
        (f"postMaster@{MAIL_DOMAIN}", f"postMaster@{MAIL_DOMAIN}"),
    ],
)
def test_b3_row_1_a_mailbox_of_ours_is_taken_as_it_came(path: str, address: str) -> None:
    assert decide(path) == address


@pytest.mark.parametrize(
    "path",
    [
        "a@elsewhere.example",
        "a@sub.acme.example",
        "a@acme.example.evil.example",
        "a@evilacme.example",
        "@acme.example:a@elsewhere.example",
        "@elsewhere.example,@acme.example:a@b.example",
        "@acme.example:a@acme.example",
        "a%elsewhere.example",
        "elsewhere.example!a",
        "a%elsewhere.example@acme.example",
        "elsewhere.example!a@acme.example",
        '"a@elsewhere.example"@acme.example',
        '"a%elsewhere.example"@acme.example',
        '"a\\@elsewhere.example"@acme.example',
        "a@elsewhere.example@acme.example",
        "a@acme.example@elsewhere.example",
        '"a@acme.example"@elsewhere.example',
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        f"a@{MAIL_DOMAIN}",
        "postmaster@elsewhere.example",
    ],
)
def test_b3_row_1_nothing_else_is_relayed(path: str) -> None:
    assert decide(path) == replies.RELAY_DENIED


@pytest.mark.parametrize(
    "path", ["", "a", "a@", "@acme.example", "a@-x.example", "a(b@acme.example"]
)
def test_b3_row_1_what_is_no_address_is_refused(path: str) -> None:
    decided = decide(path)
    assert isinstance(decided, Reply)
    assert decided in (replies.BAD_RECIPIENT, replies.RELAY_DENIED)


def test_b3_row_1_a_domain_that_looks_like_ours_in_another_script_is_not_ours() -> None:
    assert decide("x@асme.example", smtputf8=True) == replies.RELAY_DENIED  # Cyrillic а and с
    assert decide("x@асme.example") == replies.NEEDS_SMTPUTF8


def test_an_internationalised_domain_is_found_by_its_a_label() -> None:
    assert decide("x@BÜCHER.example", smtputf8=True) == "x@xn--bcher-kva.example"
    assert decide("x@xn--bcher-kva.example") == "x@xn--bcher-kva.example"


def test_an_address_that_is_not_ascii_needs_smtputf8() -> None:
    assert decide("jürgen@acme.example") == replies.NEEDS_SMTPUTF8
    assert decide("jürgen@acme.example", smtputf8=True) == "jürgen@acme.example"


@pytest.mark.parametrize("path", ["a\u202eb@acme.example", "a\u0085b@acme.example"])
def test_an_address_with_invisible_characters_is_none(path: str) -> None:
    assert decide(path, smtputf8=True) in (replies.BAD_RECIPIENT, replies.BAD_ARGUMENT)


def test_an_unknown_mailbox_of_a_listing_domain_is_told_so() -> None:
    assert decide("y@listed.example") == replies.UNKNOWN_RECIPIENT


@given(st.text(max_size=80))
def test_whatever_is_named_only_our_domains_come_out(path: str) -> None:
    decided = decide(path, smtputf8=True)
    if isinstance(decided, str):
        domain = decided.rpartition("@")[2]
        assert PREFERENCES.route(domain) is not None or domain == MAIL_DOMAIN
        assert decided.isprintable()


def sender(argument: str, *, extended: bool = True) -> admission.Sender | Reply:
    return admission.sender(argument, extended=extended, message_bytes_max=1000)


def test_a_declared_size_is_held_against_the_limit() -> None:
    assert isinstance(sender("FROM:<a@b.example> SIZE=1000"), admission.Sender)
    assert sender("FROM:<a@b.example> SIZE=1001") == replies.TOO_BIG
    assert sender("FROM:<a@b.example> SIZE=" + "9" * 20) == replies.TOO_BIG
    assert sender("FROM:<a@b.example> SIZE=" + "9" * 21) == replies.BAD_ARGUMENT
    assert sender("FROM:<a@b.example> SIZE=²") == replies.BAD_ARGUMENT
    assert sender("FROM:<a@b.example> SIZE") == replies.BAD_ARGUMENT


def test_a_sender_s_domain_is_an_a_label_in_lower_case() -> None:
    assert sender("FROM:<A@B.Example>") == admission.Sender(address="A@b.example")
    assert sender("FROM:<a@BÜCHER.example> SMTPUTF8") == admission.Sender(
        address="a@xn--bcher-kva.example", smtputf8=True
    )


@pytest.mark.parametrize("name", ["", "a b", "a\u00e4", "x" * 256])
def test_what_cannot_be_a_host_s_name_is_none(name: str) -> None:
    assert admission.hello_name(name) is None


@pytest.mark.parametrize("name", ["a", "my_pc", "[192.0.2.1]", "[IPv6:2001:db8::1]", "x" * 255])
def test_hosts_that_call_themselves_anything_printable_are_heard(name: str) -> None:
    assert admission.hello_name(name) == name
