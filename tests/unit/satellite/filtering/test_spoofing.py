"""What does the filter say of mail that pretends to be from a customer's own?"""

from __future__ import annotations

from typing import Any

import pytest

from common.preferences import Kind, Preferences
from common.verdict import Outcome, Test, Verdict
from satellite.filtering.conformance import Scene, check_filter
from satellite.filtering.filters.spoofing import Spoofing
from tests.support.core.preferences import document, preferences
from tests.support.scanning.filtering import mail

PEOPLE = "Anna Meier <anna@home.example>"


def prefs(**options: Any) -> Preferences:
    return preferences(
        *(
            document(Kind.ROUTE, name, customer=customer, deliver_to=["127.0.0.1:25"])
            for name, customer in (
                ("acmecorp.example", "acme"),
                ("acme-old.example", "acme"),
                ("widgets.example", "widgets"),
            )
        ),
        document(Kind.FILTER, "people", kind="spoofing", options={"people": PEOPLE} | options),
    )


def found(
    header: bytes,
    *,
    by: Preferences | None = None,
    sender: str = "x@evil.test",
    recipients: tuple[str, ...] = ("b@acmecorp.example",),
) -> list[Test]:
    message = mail(by or prefs(), header=header, sender=sender, recipients=recipients)
    (verdict,) = Spoofing().examine_at_once(message)
    assert verdict.outcome is Outcome.SCORED
    return list(verdict.tests)


def names(header: bytes, **more: Any) -> list[str]:
    return [test.name for test in found(header, **more)]


def test_it_says_nothing_until_a_document_switches_it_on() -> None:
    assert Spoofing().examine_at_once(mail(preferences())) == ()


@pytest.mark.parametrize(
    ("header", "tests"),
    [
        (b"From: Anna Meier <x@evil.test>\r\n", ["SPOOF_PERSON"]),
        (b"From: =?utf-8?q?=D0=90nna_Meier?= <x@evil.test>\r\n", ["SPOOF_PERSON"]),
        (b'From: "Meier, Anna" <x@evil.test>\r\n', ["SPOOF_PERSON"]),
        (b'From: "b@acmecorp.example" <x@evil.test>\r\n', ["SPOOF_ADDRESS"]),
        (
            b'From: "Anna Meier (a@mail.acme-old.example)" <x@evil.test>\r\n',
            ["SPOOF_PERSON", "SPOOF_ADDRESS"],
        ),
        (b"From: x@acmec0rp.example\r\n", ["SPOOF_CONFUSABLE"]),
        ("From: x@асmесоrр.example\r\n".encode(), ["SPOOF_CONFUSABLE"]),
        (b"From: x@acmecorp.example.evil.test\r\n", ["SPOOF_EMBEDDED"]),
        (b"From: x@acmecorps.example\r\n", ["SPOOF_COUSIN"]),
        (b"From: x@other.test\r\nReply-To: x@acmecorps.example\r\n", ["SPOOF_COUSIN"]),
        (b"From: x@other.test\r\nFrom: Anna Meier <y@z.test>\r\n", ["SPOOF_PERSON"]),
    ],
)
def test_each_imitation_has_its_test(header: bytes, tests: list[str]) -> None:
    assert names(header) == tests


@pytest.mark.parametrize(
    "header",
    [
        b"From: Anna Meier <anna@acmecorp.example>\r\n",
        b"From: Anna Meier <anna@mail.acme-old.example>\r\n",
        b"From: Anna Meier <anna@home.example>\r\n",
        b"From: Somebody <x@other.test>\r\n",
        b'From: "x@other.test" <x@other.test>\r\n',
        b"From:\r\n",
        b"",
    ],
)
def test_honest_mail_has_none(header: bytes) -> None:
    assert names(header) == []


def test_the_envelopes_sender_is_looked_at_too() -> None:
    (test,) = found(b"From: x@other.test\r\n", sender="bounce@acmec0rp.example")

    assert test.name == "SPOOF_CONFUSABLE"
    assert test.detail == "acmec0rp.example looks like acmecorp.example"


def test_points_and_domains_of_friends_are_the_documents() -> None:
    by = prefs(cousin=0.5, own="acmecorps.example, x.test")

    assert names(b"From: x@acmecorps.example\r\n", by=by) == []
    assert [test.score for test in found(b"From: x@acmecor.example\r\n", by=by)] == [0.5]


def test_each_recipient_is_told_of_his_own_customers_imitations_alone() -> None:
    both = ("b@acmecorp.example", "w@widgets.example")

    cousins = found(b"From: x@widget.example\r\n", recipients=both)
    people = found(b"From: Anna Meier <x@evil.test>\r\n", recipients=("w@widgets.example",))

    assert [(test.name, test.recipient) for test in cousins] == [
        ("SPOOF_COUSIN", "w@widgets.example")
    ]
    assert [test.recipient for test in people] == [None]  # the document is the cluster's


def test_a_document_of_a_narrower_scope_is_for_its_recipients_alone() -> None:
    by = prefs(scope="customer/acme")
    header = b"From: Anna Meier <x@evil.test>\r\n"

    assert names(header, by=by, recipients=("w@widgets.example",)) == []
    both = found(header, by=by, recipients=("b@acmecorp.example", "w@widgets.example"))
    assert [(test.name, test.recipient) for test in both] == [
        ("SPOOF_PERSON", "b@acmecorp.example")
    ]


@pytest.mark.parametrize(
    "options",
    [{"unknown": 1.0}, {"cousin": 1e9}, {"own": "a b"}, {"person": "many"}],
)
def test_wrong_options_are_an_error_that_is_seen_and_no_points(options: dict[str, Any]) -> None:
    (verdict,) = Spoofing().examine_at_once(mail(prefs(**options)))

    assert verdict.outcome is Outcome.ERROR
    assert verdict.detail.startswith("people: ")
    assert verdict.tests == ()


def with_broken(**options: Any) -> Preferences:
    wrong = document(Kind.FILTER, "wrong", kind="spoofing", options={"persn": 1.0} | options)
    return preferences(*prefs().documents(), wrong)


def test_a_document_that_is_wrong_is_an_error_for_those_alone_whose_it_is() -> None:
    by = with_broken(scope="customer/widgets")
    header = b"From: Anna Meier <x@evil.test>\r\n"

    def told(recipient: str) -> list[tuple[str, Outcome, int]]:
        said = Spoofing().examine_at_once(mail(by, header=header, recipients=(recipient,)))
        return [(each.by, each.outcome, len(each.tests)) for each in said]

    right = ("spoofing", Outcome.SCORED, 1)
    assert told("b@acmecorp.example") == [right]
    assert told("w@widgets.example") == [right, ("spoofing.wrong", Outcome.ERROR, 0)]


def test_a_document_that_does_not_say_whose_it_is_is_nobodys_error() -> None:
    (verdict,) = Spoofing().examine_at_once(mail(with_broken(scope="nobody")))

    assert verdict.outcome is Outcome.SCORED


def test_another_revision_is_looked_at_anew() -> None:
    each = Spoofing()
    header = b"From: Anna Meier <x@evil.test>\r\n"

    def told(by: Preferences) -> tuple[Verdict, ...]:
        return each.examine_at_once(mail(by, header=header, recipients=("b@acmecorp.example",)))

    assert [test.name for test in told(prefs())[0].tests] == ["SPOOF_PERSON"]
    assert told(prefs(people=""))[0].tests == ()


@pytest.mark.parametrize("recipients", [("b@acmecorp.example",), ("b@nobody.test",)])
async def test_it_conforms(recipients: tuple[str, ...]) -> None:
    header = b"From: Anna Meier <x@acmec0rp.example>\r\n"

    await check_filter(Spoofing, Scene(mail=mail(prefs(), header=header, recipients=recipients)))
