"""What a person reads in a DSN, in each language: the golden files show every text there is."""

from __future__ import annotations

import email
import email.policy
import os
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import pytest

from common.preferences.policy import DsnLanguage
from satellite.delivery.decisions.outcome import DsnAction, Fate
from satellite.delivery.dsn.bounce import report
from satellite.delivery.dsn.cause import DsnCause, cause_of
from satellite.delivery.dsn.languages import SENTENCES
from satellite.spool.model.messages import NewMessage
from tests.support.delivery.fates import (
    BODY,
    ID,
    NOW_US,
    REPORTER,
    failed,
    recipient,
    stored,
)

GOLDEN = Path(__file__).parents[4] / "golden/dsn"
UNTIL_US = NOW_US + 86_400_000_000
languages = pytest.mark.parametrize("language", DsnLanguage, ids=str)

FAILED = {
    DsnCause.NO_MAILBOX: ("5.1.1", "smtp; 550 5.1.1 No such user"),
    DsnCause.NO_DOMAIN: ("5.1.2", "X-BorderScout; the domain acme.example does not exist"),
    DsnCause.TAKES_NONE: ("5.1.10", "X-BorderScout; the domain takes no mail: null MX"),
    DsnCause.FULL: ("5.2.2", "smtp; 552 5.2.2 Over quota"),
    DsnCause.TOO_LARGE: ("5.3.4", "smtp; 552 5.3.4 Too big"),
    DsnCause.NOT_ALLOWED: ("5.7.1", "smtp; 550 5.7.1 Denied by policy"),
    DsnCause.KIND: ("5.6.7", "X-BorderScout; the host does not offer SMTPUTF8"),
    DsnCause.LOOP: ("5.4.6", "smtp; 554 5.4.6 Too many hops"),
    DsnCause.EXPIRED: ("4.4.7", "X-BorderScout; mail.acme.example: connection refused"),
    DsnCause.UNREACHABLE: ("5.4.1", "smtp; 550 5.4.1 No answer from host"),
    DsnCause.GIVEN_BACK: ("5.3.0", "X-BorderScout; returned by order of an operator: a mistake"),
    DsnCause.REFUSED: ("5.0.0", "smtp; 550 Non, merci"),
}
DELAYED = {
    DsnCause.FULL: ("4.2.2", "smtp; 452 4.2.2 Over quota"),
    DsnCause.UNREACHABLE: ("4.4.1", "X-BorderScout; mail.acme.example: connection refused"),
    DsnCause.PUT_OFF: ("4.7.1", "smtp; 451 4.7.1 Greylisted"),
}


def fates() -> list[Fate]:
    told = [failed(status=status, diagnostic=text) for status, text in FAILED.values()]
    late = failed(action=DsnAction.DELAYED, retry_until_us=UNTIL_US, status="4.0.0")
    told += [replace(late, status=status, diagnostic=text) for status, text in DELAYED.values()]
    passed_on = failed(action=DsnAction.RELAYED, status="2.0.0", diagnostic="smtp; 250 2.0.0 Taken")
    return [*told, passed_on]


def made(*told: Fate, language: DsnLanguage, is_lost: bool = False) -> NewMessage:
    message = replace(stored(), subject="Grüße und ein Angebot")
    return report(
        message,
        told,
        start=None if is_lost else BODY,
        report_id=ID,
        now_us=NOW_US,
        reporter=REPORTER,
        language=language,
    )


def parsed(dsn: NewMessage) -> EmailMessage:
    return email.message_from_bytes(dsn.body, policy=email.policy.default)


def text_of(dsn: NewMessage) -> EmailMessage:
    return cast(EmailMessage, next(iter(parsed(dsn).iter_parts())))


def shown(dsn: NewMessage) -> str:
    text = str(text_of(dsn).get_content()).replace("\r\n", "\n")
    return f"Subject: {parsed(dsn)['Subject']}\n\n{text}"


@languages
def test_each_text_is_as_it_was_read_by_a_person(language: DsnLanguage) -> None:
    texts = [shown(made(fate, language=language)) for fate in fates()]
    many = [failed(recipient(f"{name}@acme.example")) for name in "abcd"]
    texts.append(shown(made(*many[:2], language=language)))
    texts.append(shown(made(*many, language=language)))
    texts.append(shown(made(failed(), language=language, is_lost=True)))
    text = f"\n{'=' * 72}\n".join(texts)

    path = GOLDEN / f"{language}.txt"
    if os.environ.get("BORDERSCOUT_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_the_texts_show_every_cause() -> None:
    assert {cause_of(fate) for fate in fates()} == set(DsnCause)
    assert [cause_of(fate) for fate in fates()[: len(FAILED)]] == list(FAILED)


@languages
def test_every_language_has_every_sentence(language: DsnLanguage) -> None:
    said = SENTENCES[language]

    assert set(said.causes) == set(DsnCause)
    assert set(said.remedies) == set(FAILED)
    assert set(said.subjects) == set(said.happened) == set(DsnAction)


@languages
@pytest.mark.parametrize("fate", fates(), ids=lambda fate: f"{fate.action} {fate.status}")
def test_the_first_sentence_names_the_recipient(language: DsnLanguage, fate: Fate) -> None:
    first = text_of(made(fate, language=language)).get_content().split("\r\n\r\n")[0]

    assert "x@acme.example" in first
    assert "SMTP" not in first


@languages
@pytest.mark.parametrize("action", DsnAction, ids=str)
def test_a_subject_is_ascii_on_its_way_and_one_word(
    language: DsnLanguage, action: DsnAction
) -> None:
    dsn = made(failed(action=action), language=language)
    head = dsn.body.partition(b"\r\n\r\n")[0]

    assert head.isascii()
    assert parsed(dsn)["Subject"] == SENTENCES[language].subjects[action]
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))


@languages
def test_the_words_say_their_language_and_that_nobody_wrote_them(language: DsnLanguage) -> None:
    dsn = made(failed(), language=language)

    assert text_of(dsn)["Content-Language"] == language
    assert parsed(dsn)["Auto-Submitted"] == "auto-replied"
    assert parsed(dsn)["Content-Language"] is None, "the other parts are in no language"


@languages
def test_what_programs_read_is_the_same_in_every_language(language: DsnLanguage) -> None:
    dsn = made(failed(), language=language)
    status = dsn.body.split(b"\r\n--")[2]

    assert status == made(failed(), language=DsnLanguage.ENGLISH).body.split(b"\r\n--")[2]


def test_recipients_of_one_reason_share_a_sentence_and_others_have_their_own() -> None:
    told = [
        failed(recipient("a@acme.example")),
        failed(recipient("b@acme.example")),
        failed(recipient("c@acme.example"), status="5.2.2"),
    ]

    first, second = (
        text_of(made(*told, language=DsnLanguage.ENGLISH)).get_content().split("\r\n\r\n")[:2]
    )

    assert "a@acme.example, b@acme.example" in first.replace("\r\n", " ")
    assert "c@acme.example" in second


def test_another_servers_code_for_its_system_is_not_our_operators() -> None:
    assert cause_of(failed(status="5.3.0", diagnostic="smtp; 554 5.3.0 No")) is DsnCause.REFUSED


def test_a_line_of_a_stranger_cannot_be_turned_around_or_broken() -> None:
    message = replace(stored(), subject="a\r\nb\u202ec\u2028d")
    dsn = report(message, [failed()], start=BODY, report_id=ID, now_us=NOW_US, reporter=REPORTER)

    assert "Subject: a??b?c?d" in text_of(dsn).get_content()


def test_no_line_begins_with_the_mark_that_ends_a_clause() -> None:
    failures = [failed(recipient(f"{'x' * length}@acme.example")) for length in range(1, 40)]

    texts = [shown(made(failure, language=DsnLanguage.FRENCH)) for failure in failures]

    assert not [line for text in texts for line in text.splitlines() if line[:1] in {":", ";"}]


def test_what_an_operator_says_keeps_its_letters_for_people_alone() -> None:
    said = "X-BorderScout; returned by order of an operator: Grüße"
    dsn = made(failed(status="5.3.0", diagnostic=said), language=DsnLanguage.GERMAN)

    assert "returned by order of an operator: Grüße" in shown(dsn)
    assert b"Diagnostic-Code: X-BorderScout; returned by order of an operator: Gr??e" in dsn.body
