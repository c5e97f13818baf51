"""A released copy shows its reader nothing that was found for somebody else."""

from __future__ import annotations

from common.ids import MessageId
from common.link import Claim
from satellite.headers import HeaderBlock, KeptHeader, render
from satellite.link.released_copy import released_copy

OLD, NEW = "01ARZ3NDEKTSV4RRFFQ69G5FAV", MessageId("01ARZ3NDEKTSV4RRFFQ69G5FAW")
DOMAIN = "mx.scout.example"
TRACE = b"Received: from client.example by mx1.scout.example\r\n\tid 01ARZ3; now\r\n"
MESSAGE = (
    b"Received: from before.example by client.example\r\n"
    b"X-BorderScout: id=forged; disposition=deliver\r\n"
    b"Subject: Our offer\r\n\r\nbody\r\n"
)


def kept_for_another() -> Claim:
    """Return a claim whose copy was rendered for the first recipient, with his subject tag."""
    copy = render(
        KeptHeader(HeaderBlock.parse(MESSAGE), mail_domain=DOMAIN),
        trace=TRACE,
        id=OLD,
        node="lon1",
        revision=7,
        disposition_word="quarantine",
        verdicts=(),
        scanned_us=0,
        score=9.5,
        required=5.0,
        tests=(),
        spam=True,
        subject_tag="[HIS TAG]",
    )
    return Claim(granted=True, message_id=OLD, head=copy.head, skip=copy.skip)


def delivered(claim: Claim) -> bytes:
    copy = released_copy(MESSAGE, claim, id=NEW, node="par1", mail_domain=DOMAIN, revision=8)
    return copy.head + MESSAGE[copy.skip :]


def test_the_copy_says_that_it_was_released_and_is_delivered() -> None:
    text = delivered(kept_for_another()).replace(b"\r\n ", b" ")

    assert f"X-BorderScout: id={NEW}; node=par1; revision=8; disposition=deliver;".encode() in text
    assert f"released_from={OLD}".encode() in text


def test_nothing_of_the_first_recipients_judgement_is_in_it() -> None:
    claim = kept_for_another()
    assert all(said in claim.head for said in (b"[HIS TAG]", b"score=9.5", b"quarantine"))

    text = delivered(claim)

    for said in (b"[HIS TAG]", b"9.5", b"quarantine", b"X-BorderScout-Spam", b"forged"):
        assert said not in text
    assert b"Subject: Our offer\r\n\r\nbody\r\n" in text


def test_it_keeps_when_the_message_came_and_from_where_once() -> None:
    text = delivered(kept_for_another())

    assert text.startswith(TRACE)
    assert text.count(b"Received: ") == 2


def test_a_claim_without_a_trace_gives_a_copy_without_one() -> None:
    text = delivered(Claim(granted=True, message_id=OLD))

    assert text.startswith(b"X-BorderScout: ")
    assert text.count(b"Received: ") == 1
