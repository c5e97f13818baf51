"""A sender hears what it asked for, and nobody hears what would only hurt."""

from __future__ import annotations

import pytest

from common.envelope import DsnParameters, Envelope, Notify
from common.ids import MessageId
from common.states import State
from satellite.delivery.decisions.notices import Silence, silence, told
from satellite.spool.model.messages import Copy, NewMessage, Origin, Recipient, Stored

FAILURE, DELAY, SUCCESS = Notify.FAILURE, Notify.DELAY, Notify.SUCCESS


def recipient(*notify: Notify, suspect: bool = False) -> Recipient:
    return Recipient(
        number=0,
        address="x@acme.example",
        state=State.DEFERRED,
        dsn=DsnParameters(notify=frozenset(notify)),
        suspect=suspect,
    )


def stored(sender: str = "a@sender.example", origin: Origin = Origin.SMTP) -> Stored:
    envelope = Envelope(
        client_address="192.0.2.7", helo="c", sender=sender, recipients=("x@acme.example",)
    )
    return NewMessage(
        id=MessageId("01JDQ5W9Y0000000000000000A"),
        origin=origin,
        envelope=envelope,
        body=b"",
        copy=Copy(head=b""),
    ).as_stored(received_us=0, age_us=0, recipients=(recipient(),))


@pytest.mark.parametrize(
    ("notify", "heard"),
    [
        ((), {FAILURE, DELAY}),
        ((FAILURE,), {FAILURE}),
        ((DELAY,), {DELAY}),
        ((SUCCESS,), {SUCCESS}),
        ((SUCCESS, FAILURE, DELAY), {SUCCESS, FAILURE, DELAY}),
        ((Notify.NEVER,), set()),
    ],
)
def test_a_sender_hears_what_it_asked_for(notify: tuple[Notify, ...], heard: set[Notify]) -> None:
    who = recipient(*notify)

    assert {what for what in Notify if told(stored(), [who], what)} - {Notify.NEVER} == heard
    for what in {FAILURE, DELAY, SUCCESS} - heard:
        assert silence(stored(), who, what) is Silence.NOT_WANTED


@pytest.mark.parametrize("what", [FAILURE, DELAY, SUCCESS])
@pytest.mark.parametrize(
    ("sender", "origin", "suspect", "why"),
    [
        ("", Origin.SMTP, False, Silence.NO_SENDER),
        ("a@b.example", Origin.BOUNCE, False, Silence.OWN),
        ("nobody", Origin.SMTP, False, Silence.BAD_SENDER),
        ("a@b.example", Origin.SMTP, True, Silence.SUSPECT),
        ("a@b.example", Origin.RELEASE, True, Silence.SUSPECT),
    ],
)
def test_some_are_never_told_whatever_they_asked_for(
    sender: str, origin: Origin, suspect: bool, why: Silence, what: Notify
) -> None:
    who = recipient(SUCCESS, FAILURE, DELAY, suspect=suspect)

    assert silence(stored(sender, origin), who, what) is why
    assert told(stored(sender, origin), [who], what) == ()


@pytest.mark.parametrize("origin", [Origin.SMTP, Origin.RELEASE])
def test_others_are(origin: Origin) -> None:
    assert silence(stored(origin=origin), recipient(), FAILURE) is None
