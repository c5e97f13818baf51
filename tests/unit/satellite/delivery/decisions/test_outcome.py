"""Replies become states: only a 250 to the dot is a delivery, only a plain 5xx is final."""

from __future__ import annotations

import pytest

from common.envelope import DsnParameters, Notify
from common.states import State
from satellite.delivery.decisions.outcome import (
    Circumstances,
    DsnAction,
    Ending,
    RecipientResult,
    Settlement,
    Stage,
    settle,
)
from satellite.delivery.decisions.reply import HopReply
from satellite.delivery.decisions.schedule import Schedule
from satellite.spool.model.messages import Recipient


def said(stage: Stage, text: str) -> RecipientResult:
    code, _, rest = text.partition(" ")
    return RecipientResult(stage=stage, reply=HopReply(int(code), (rest,)))


def settled(
    *answers: RecipientResult, attempts: int = 0, notify: str = "", **circumstances: object
) -> Settlement:
    facts = {
        "now_us": 1_000_000,
        "schedule": Schedule(first_wait_s=60, longest_wait_s=3600),
        "spread": 0.0,
        "host": "mail.acme.example:25",
        "is_away": False,
        "next_probe_us": 46_000_000,
        "is_expired": False,
    } | circumstances
    recipients = [
        Recipient(
            number=n,
            address=f"r{n}@acme.example",
            state=State.SENDING,
            attempts=attempts,
            dsn=DsnParameters(notify=frozenset(Notify(word) for word in notify.split(",") if word)),
        )
        for n in range(len(answers))
    ]
    return settle(recipients, answers, Circumstances(**facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stage", "reply", "ending"),
    [
        (Stage.DOT, "250 ok", Ending.DELIVERED),
        (Stage.DOT, "200 odd", Ending.DELIVERED),
        (Stage.DATA, "250 ok", Ending.LATER),  # an acceptance before the dot is none
        (Stage.RCPT, "250 ok", Ending.LATER),
        (Stage.DOT, "354 go", Ending.LATER),
        (Stage.MAIL, "550 5.7.1 no", Ending.FAILED),
        (Stage.RCPT, "550 5.1.1 no", Ending.FAILED),
        (Stage.DATA, "554 no", Ending.FAILED),
        (Stage.DOT, "552 5.3.4 too big", Ending.FAILED),
        (Stage.RCPT, "450 busy", Ending.LATER),
        (Stage.RCPT, "550 4.2.1 disagrees with itself", Ending.LATER),
        (Stage.RCPT, "552 too many recipients", Ending.LATER),
        (Stage.RCPT, "550 5.5.3 too many recipients", Ending.LATER),
        (Stage.RCPT, "552 5.2.2 mailbox full", Ending.FAILED),
        (Stage.MAIL, "530 5.7.0 STARTTLS first", Ending.LATER),
        (Stage.CONNECT, "554 no service here", Ending.LATER),
        (Stage.CONNECT, "521 5.3.2 takes no mail", Ending.LATER),
    ],
)
def test_what_a_reply_leads_to(stage: Stage, reply: str, ending: Ending) -> None:
    assert said(stage, reply).ending is ending


@pytest.mark.parametrize(
    ("status", "ending"), [("5.3.4", Ending.FAILED), ("4.4.1", Ending.LATER), ("", Ending.LATER)]
)
def test_what_we_find_ourselves_leads_to(status: str, ending: Ending) -> None:
    assert RecipientResult(stage=Stage.MAIL, finding="x", status=status).ending is ending


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (said(Stage.RCPT, "550 5.1.1 no"), "5.1.1"),
        (said(Stage.RCPT, "550 no"), "5.0.0"),
        (said(Stage.RCPT, "550 2.1.1 nonsense"), "5.0.0"),
        (said(Stage.MAIL, "552 too big"), "5.3.4"),
        (RecipientResult(stage=Stage.ROUTE, finding="null MX", status="5.1.10"), "5.1.10"),
    ],
)
def test_the_status_of_a_dsn(answer: RecipientResult, status: str) -> None:
    assert settled(answer).fates[0].status == status


def test_each_recipient_has_its_own_end() -> None:
    settlement = settled(
        said(Stage.DOT, "250 2.0.0 queued"),
        said(Stage.RCPT, "451 later"),
        said(Stage.RCPT, "550 5.1.1 no user"),
    )

    assert [r.state for r in settlement.results] == [
        State.DELIVERED,
        State.DEFERRED,
        State.BOUNCED,
    ]
    assert [r.next_us for r in settlement.results] == [0, 61_000_000, 0]
    assert [f.recipient.address for f in settlement.fates] == ["r2@acme.example"]
    assert settlement.results[0].reason == "accepted by mail.acme.example:25"


def test_a_connection_that_failed_is_no_attempt_and_the_mail_is_held() -> None:
    answer = RecipientResult(stage=Stage.CONNECT, finding="mail: refused", status="4.4.1")

    (result,) = settled(answer, is_away=True, host="").results

    assert (result.state, result.attempted) == (State.HELD, False)
    assert result.next_us == 46_000_000
    assert result.reason == "mail: refused"


def test_when_the_days_are_over_a_delay_becomes_an_end() -> None:
    settlement = settled(said(Stage.RCPT, "451 later"), is_expired=True)

    assert settlement.results[0].state is State.EXPIRED
    assert settlement.fates[0].status == "4.4.7"
    assert settlement.fates[0].diagnostic == "smtp; 451 later"


def test_a_delivery_is_one_even_when_the_days_are_over() -> None:
    assert settled(said(Stage.DOT, "250 ok"), is_expired=True).results[0].state is State.DELIVERED


def test_an_unanswered_dot_is_possibly_delivered() -> None:
    lost = RecipientResult(stage=Stage.DOT, finding="gone", status="4.4.2", possibly_delivered=True)

    settlement = settled(lost, attempts=3)

    assert settlement.possibly_delivered == ("r0@acme.example",)
    assert settlement.results[0].state is State.DEFERRED
    assert settlement.results[0].next_us == 1_000_000 + 14_400_000_000  # it may have it


@pytest.mark.parametrize(
    "reply", ["452 4.5.3 too many", "452 too many", "451 4.5.3 OpenSMTPD", "550 5.5.3 Exchange"]
)
def test_one_too_many_waits_for_nothing_when_others_went(reply: str) -> None:
    full = said(Stage.RCPT, reply)

    assert settled(said(Stage.DOT, "250 ok"), full).results[1].next_us == 1_000_000
    assert settled(full).results[0].next_us == 61_000_000


@pytest.mark.parametrize(
    ("notify", "relays_dsn", "actions"),
    [
        ("SUCCESS", False, [DsnAction.RELAYED]),
        ("SUCCESS,FAILURE", False, [DsnAction.RELAYED]),
        ("SUCCESS", True, []),  # the next hop takes over what the sender wants to hear
        ("FAILURE", False, []),
        ("NEVER", False, []),
        ("", False, []),
    ],
)
def test_success_is_told_where_the_next_hop_will_not(
    notify: str, relays_dsn: bool, actions: list[DsnAction]
) -> None:
    settlement = settled(
        said(Stage.DOT, "250 2.0.0 queued"),
        notify=notify,
        relays_dsn=relays_dsn,
    )

    assert [fate.action for fate in settlement.fates] == actions
