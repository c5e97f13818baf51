"""The relay decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Notify, Return
from common.preferences import Document, Preferences
from satellite.smtp import admission, replies
from satellite.smtp.dsn_parameters import MessageDsnParameters
from satellite.smtp.replies import Reply
from tests.support.smtp.front_end import HOSTNAME, MAIL_DOMAIN, some_preferences

PREFERENCES = some_preferences()
OWN = admission.own_names(
    mail_domain=MAIL_DOMAIN,
    hostname=HOSTNAME,
    listen=["192.0.2.10:25", "[2001:DB8::10]:25", "localhost:25"],
)
VERP = "bounces+4711-a0f3-someone.with.a.long.name=customer.example.net-0123456789abcdef"


def decide(path: str, *, smtputf8: bool = False) -> str | Reply:
    found = rcpt(f"TO:<{path}>", smtputf8=smtputf8)
    return str(found.address) if isinstance(found, admission.AdmittedRecipient) else found


def rcpt(
    argument: str, *, smtputf8: bool = False, extended: bool = True
) -> admission.AdmittedRecipient | Reply:
    return admission.recipient(
        argument,
        extended=extended,
        smtputf8=smtputf8,
        preferences=PREFERENCES,
        own=OWN,
        local_address="198.51.100.1",
    )


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
        ("@relay.example,@[192.0.2.1]:x@acme.example", "x@acme.example"),
        (VERP + "@acme.example", VERP + "@acme.example"),
        ("x" * 241 + "@acme.example", "x" * 241 + "@acme.example"),
        ("x@listed.example", "x@listed.example"),
        ("X@listed.example", "X@listed.example"),
        ("postmaster", f"postmaster@{MAIL_DOMAIN}"),
        ("POSTMASTER", f"POSTMASTER@{MAIL_DOMAIN}"),
        ("Postmaster@acme.example", "Postmaster@acme.example"),
        ("postmaster@listed.example", "postmaster@listed.example"),
        (f"postMaster@{MAIL_DOMAIN}", f"postMaster@{MAIL_DOMAIN}"),
        (f"postmaster@{HOSTNAME}", f"postmaster@{MAIL_DOMAIN}"),
        ("postmaster@[192.0.2.10]", f"postmaster@{MAIL_DOMAIN}"),
        ("postmaster@[IPv6:2001:DB8::10]", f"postmaster@{MAIL_DOMAIN}"),
        ("postmaster@[198.51.100.1]", f"postmaster@{MAIL_DOMAIN}"),
        (f"abuse@{MAIL_DOMAIN}", f"postmaster@{MAIL_DOMAIN}"),
        (f"MAILER-DAEMON@{MAIL_DOMAIN}", f"postmaster@{MAIL_DOMAIN}"),
        (f"Abuse@{HOSTNAME}", f"postmaster@{MAIL_DOMAIN}"),
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
        "@acme.example:a@[192.0.2.1]",
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
        f"a@{HOSTNAME}",
        "a@[192.0.2.10]",
        "postmaster@[192.0.2.11]",
        "abuse@elsewhere.example",
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


def sender(argument: str, *, extended: bool = True) -> admission.AdmittedSender | Reply:
    return admission.sender(argument, extended=extended, message_bytes_max=1000)


def test_a_declared_size_is_held_against_the_limit() -> None:
    assert isinstance(sender("FROM:<a@b.example> SIZE=1000"), admission.AdmittedSender)
    assert sender("FROM:<a@b.example> SIZE=1001") == replies.TOO_BIG
    assert sender("FROM:<a@b.example> SIZE=" + "9" * 20) == replies.TOO_BIG
    assert sender("FROM:<a@b.example> SIZE=" + "9" * 21) == replies.BAD_ARGUMENT
    assert sender("FROM:<a@b.example> SIZE=²") == replies.BAD_ARGUMENT
    assert sender("FROM:<a@b.example> SIZE") == replies.BAD_ARGUMENT


def test_a_sender_s_domain_is_an_a_label_in_lower_case() -> None:
    assert sender("FROM:<A@B.Example>") == admission.AdmittedSender(address="A@b.example")
    assert sender("FROM:<a@BÜCHER.example> SMTPUTF8") == admission.AdmittedSender(
        address="a@xn--bcher-kva.example", smtputf8=True
    )


@pytest.mark.parametrize(
    ("path", "address"),
    [
        (f"{VERP}@b.example", f"{VERP}@b.example"),
        ("SRS0=HHH=TT=" + "x" * 200 + "@b.example", "SRS0=HHH=TT=" + "x" * 200 + "@b.example"),
        ("scanner@[192.0.2.7]", "scanner@[192.0.2.7]"),
        ("scanner@[ipv6:2001:DB8::7]", "scanner@[IPv6:2001:db8::7]"),
        ("@a.example,@b.example:joe@c.example", "joe@c.example"),
    ],
)
def test_long_local_parts_literals_and_routes_are_no_reason_to_refuse_a_sender(
    path: str, address: str
) -> None:
    assert sender(f"FROM:<{path}>") == admission.AdmittedSender(address=address)


@pytest.mark.parametrize("path", ["a@[192.0.2.300]", "@a.example", "x" * 245 + "@b.example"])
def test_what_is_no_address_is_no_sender_either(path: str) -> None:
    assert sender(f"FROM:<{path}>") == replies.BAD_SENDER


@pytest.mark.parametrize("name", ["", "a b", "a\u00e4", "x" * 256])
def test_what_cannot_be_a_host_s_name_is_none(name: str) -> None:
    assert admission.hello_name(name) is None


@pytest.mark.parametrize("name", ["a", "my_pc", "[192.0.2.1]", "[IPv6:2001:db8::1]", "x" * 255])
def test_hosts_that_call_themselves_anything_printable_are_heard(name: str) -> None:
    assert admission.hello_name(name) == name


# ---- what a sender wants to be told


@pytest.mark.parametrize(
    ("parameters", "dsn"),
    [
        ("", NO_DSN_PARAMETERS),
        ("NOTIFY=NEVER", DsnParameters(notify=frozenset({Notify.NEVER}))),
        ("NOTIFY=FAILURE,FAILURE", DsnParameters(notify=frozenset({Notify.FAILURE}))),
        ("ORCPT=rfc822;a+2b", DsnParameters(original="rfc822;a+2B")),  # lower case is no xtext
        ("ORCPT=rfc822;a+tag@b", DsnParameters(original="rfc822;a+2Btag@b")),
        (
            "ORCPT=rfc822;gr\u00fc@old.example",
            DsnParameters(original=r"utf-8;gr\x{FC}@old.example"),
        ),
        ("notify=success", DsnParameters(notify=frozenset({Notify.SUCCESS}))),
        (
            "NOTIFY=DELAY,FAILURE,SUCCESS",
            DsnParameters(notify=frozenset({Notify.SUCCESS, Notify.FAILURE, Notify.DELAY})),
        ),
        ("ORCPT=rfc822;a+2Bb@old.example", DsnParameters(original="rfc822;a+2Bb@old.example")),
        (
            r"ORCPT=utf-8;gr\x{FC}@old.example",
            DsnParameters(original=r"utf-8;gr\x{FC}@old.example"),
        ),
        ("ORCPT=utf-8;gr\u00fc@old.example", DsnParameters(original=r"utf-8;gr\x{FC}@old.example")),
        (
            "NOTIFY=FAILURE ORCPT=x400;/C+3Dde/",
            DsnParameters(notify=frozenset({Notify.FAILURE}), original="x400;/C+3Dde/"),
        ),
    ],
)
def test_what_a_sender_wants_to_be_told_of_a_recipient_is_kept(
    parameters: str, dsn: DsnParameters
) -> None:
    found = rcpt(f"TO:<x@acme.example> {parameters}", smtputf8=True)

    assert isinstance(found, admission.AdmittedRecipient)
    assert found.dsn == dsn
    assert found.dsn.original.isascii()


@pytest.mark.parametrize(
    "parameters",
    [
        "NOTIFY",
        "NOTIFY=",
        "NOTIFY=NEVER,FAILURE",
        "NOTIFY=FAILURE,",
        "NOTIFY=ALWAYS",
        "ORCPT",
        "ORCPT=x@acme.example",
        "ORCPT=;x@acme.example",
        "ORCPT=rfc822;",
        "ORCPT=rfc822;a+0D+0ABcc:+20z",
        "ORCPT=rfc822;a+00",
        "ORCPT=rfc822;a+C3",  # no UTF-8
        "ORCPT=rfc822;a+C3+BC+0Ab",
        r"ORCPT=utf-8;a\x{A}b",
        r"ORCPT=utf-8;a\x{0A}b",
        r"ORCPT=utf-8;a\x{202E}b",
        r"ORCPT=utf-8;a\x{D800}b",
        r"ORCPT=utf-8;a\x{FFFFFF}b",
        "ORCPT=utf-8;a\u202eb",
        "ORCPT=utf-8;a+2Bb",
        "ORCPT=utf-8;",
        "ORCPT=rfc822;" + "a" * 494,
        "ORCPT=utf-8;" + "\u00fc" * 100,
        "ORCPT=" + "t" * 33 + ";a",
    ],
)
def test_what_asks_for_it_wrongly_is_left_out_and_named(parameters: str) -> None:
    found = rcpt(f"TO:<x@acme.example> {parameters}", smtputf8=True)

    assert isinstance(found, admission.AdmittedRecipient)
    assert found.dsn is NO_DSN_PARAMETERS
    assert found.unused == (parameters.partition("=")[0],)


def test_of_two_the_one_that_can_be_used_is() -> None:
    found = rcpt("TO:<x@acme.example> NOTIFY=FAILURE ORCPT=nonsense NOTIFY=DELAY")

    assert isinstance(found, admission.AdmittedRecipient)
    assert found.dsn == DsnParameters(notify=frozenset({Notify.FAILURE}))
    assert found.unused == ("ORCPT", "NOTIFY")


def test_an_original_recipient_as_postfix_writes_it_beyond_ascii_keeps_its_letters() -> None:
    found = rcpt(
        "TO:<m\u00fcller@acme.example> ORCPT=rfc822;m+C3+BCller@acme.example", smtputf8=True
    )

    assert isinstance(found, admission.AdmittedRecipient)
    assert (found.dsn.original, found.unused) == (r"utf-8;m\x{FC}ller@acme.example", ())


def test_an_original_recipient_may_have_500_octets() -> None:
    assert isinstance(
        rcpt("TO:<x@acme.example> ORCPT=rfc822;" + "a" * 493), admission.AdmittedRecipient
    )


def test_without_ehlo_nothing_can_be_asked_for() -> None:
    assert rcpt("TO:<x@acme.example> NOTIFY=NEVER", extended=False) is replies.BAD_ARGUMENT


def test_other_parameters_of_rcpt_are_not_recognised() -> None:
    assert rcpt("TO:<x@acme.example> NOTIFY=NEVER FOO=1") is replies.UNKNOWN_PARAMETER
    assert rcpt("TO:<x@acme.example> RET=FULL") is replies.UNKNOWN_PARAMETER


def mail(parameters: str) -> admission.AdmittedSender | Reply:
    return admission.sender(
        f"FROM:<a@b.example> {parameters}", extended=True, message_bytes_max=1_000_000
    )


@pytest.mark.parametrize(
    ("parameters", "returned", "envelope_id"),
    [
        ("", None, ""),
        ("RET=FULL", Return.FULL, ""),
        ("RET=FULL RET=HDRS", Return.FULL, ""),
        ("ret=hdrs ENVID=a+20b", Return.HEADERS, "a+20b"),
        ("ENVID=" + "q" * 100, None, "q" * 100),
    ],
)
def test_what_a_sender_wants_back_is_kept(
    parameters: str, returned: Return | None, envelope_id: str
) -> None:
    found = mail(parameters)

    assert isinstance(found, admission.AdmittedSender)
    assert (found.dsn.returned, found.dsn.envelope_id) == (returned, envelope_id)


@pytest.mark.parametrize(
    "parameters",
    [
        "RET",
        "RET=",
        "RET=HALF",
        "ENVID",
        "ENVID=a+0Ab",
        "ENVID=a+7Fb",
        "ENVID=a+",
        "ENVID=\u00fc",
        "ENVID=" + "q" * 101,
    ],
)
def test_what_asks_for_it_back_wrongly_is_left_out_and_named(parameters: str) -> None:
    found = mail(parameters)

    assert isinstance(found, admission.AdmittedSender)
    assert (found.dsn, found.unused) == (MessageDsnParameters(), (parameters.partition("=")[0],))


@given(value=st.text(max_size=120))
def test_no_parameter_brings_a_sign_that_cannot_be_shown(value: str) -> None:
    for found in (mail(f"ENVID={value}"), rcpt(f"TO:<x@acme.example> ORCPT={value}")):
        match found:
            case admission.AdmittedSender(dsn=dsn):
                assert dsn.envelope_id.isascii()
                assert dsn.envelope_id.isprintable()
            case admission.AdmittedRecipient(dsn=DsnParameters(original=original)):
                assert original.isascii()
                assert original.isprintable()


def test_a_recipient_whose_domain_cannot_be_read_is_put_off_and_not_refused() -> None:
    documents = [*PREFERENCES, Document("recipient", "x@listed.example", 1, b"broken")]
    documents.append(Document("route", "lost.example", 1, b"{}"))
    preferences = Preferences.read_back(documents, position=PREFERENCES.position)

    def said(path: str) -> object:
        found = admission.recipient(
            f"TO:<{path}>",
            extended=True,
            smtputf8=False,
            preferences=preferences,
            own=OWN,
            local_address="198.51.100.1",
        )
        return str(found.address) if isinstance(found, admission.AdmittedRecipient) else found

    assert said("anybody@lost.example") is replies.CANNOT_TELL
    assert said("nobody@listed.example") is replies.CANNOT_TELL
    assert said("x@acme.example") == "x@acme.example"
    assert said("x@stranger.example") is replies.RELAY_DENIED
