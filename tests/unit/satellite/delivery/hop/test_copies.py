"""A copy is our lines and the body as it came, in blocks."""

from __future__ import annotations

import threading
from hashlib import sha256
from pathlib import Path

import pytest

from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Envelope, Notify, Return
from common.ids import MessageId
from common.states import State
from satellite.delivery.hop.client import Offer
from satellite.delivery.hop.copies import BLOCK_BYTES, LOOKED_AT_ONCE_BYTES, CopyContent, offer_of
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Copy, NewMessage, Origin, Recipient


def offered(
    envelope: Envelope, made: CopyContent, *, dsn: DsnParameters = NO_DSN_PARAMETERS
) -> Offer:
    recipients = [
        Recipient(number=n, address=address, state=State.QUEUED, dsn=dsn)
        for n, address in enumerate(envelope.recipients)
    ]
    stored = NewMessage(
        id=MessageId("01JDQ5W9Y0000000000000000A"),
        origin=Origin.SMTP,
        envelope=envelope,
        body=b"",
        copy=Copy(head=b""),
    ).as_stored(received_us=0, age_us=0, recipients=tuple(recipients))
    return offer_of(stored, [(r, r.address) for r in recipients], made)


def content(body: bytes, head: bytes = b"X: 1\r\n", skip: int = 0) -> CopyContent:
    return CopyContent(Copy(head=head, skip=skip), Body(size=len(body), data=body))


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
@pytest.mark.parametrize("skip", [0, 7])
def test_all_octets_are_there_once(size: int, skip: int, tmp_path: Path) -> None:
    octets = bytes(n % 251 for n in range(size))
    path = tmp_path / "body"
    path.write_bytes(octets)
    with Body.of_file(path, size=size, sha256=sha256(octets).digest()) as body:
        made = CopyContent(Copy(head=b"X: 1\r\n", skip=skip), body)
        sent = b"".join(made.blocks())

    assert sent == b"X: 1\r\n" + octets[skip:]
    assert made.size == len(sent)


@pytest.mark.parametrize(
    ("sender", "recipient", "asked", "body", "wide"),
    [
        ("a@b", "x@y", False, b"Subject: e\r\n\r\n", False),
        ("a@b", "x@y", True, b"Subject: e\r\n\r\n\xc3\xa9", False),
        ("a@b", "x@y", True, b"Subject: \xc3\xa9\r\n\r\n", True),
        ("a@b", "x@y", False, b"Subject: \xc3\xa9\r\n\r\n", False),
        ("é@b", "x@y", True, b"Subject: e\r\n\r\n", True),
        ("a@b", "ж@y", True, b"Subject: e\r\n\r\n", True),
    ],
)
def test_smtputf8_is_asked_for_when_something_needs_it(
    sender: str, recipient: str, asked: bool, body: bytes, wide: bool
) -> None:
    envelope = Envelope(
        client_address="", helo="", sender=sender, recipients=(recipient,), smtputf8=asked
    )

    assert offered(envelope, content(body)).smtputf8 is wide


@pytest.mark.parametrize("where", [0, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES])
def test_octets_beyond_ascii_are_found_wherever_they_stand(where: int, tmp_path: Path) -> None:
    plain = b"a" * (3 * BLOCK_BYTES + 1)
    path = tmp_path / "body"
    for octets, is_eight_bit in [
        (plain, False),
        (plain[:where] + b"\xff" + plain[where + 1 :], True),
    ]:
        path.write_bytes(octets)
        with Body.of_file(path, size=len(octets), sha256=sha256(octets).digest()) as body:
            assert CopyContent(Copy(head=b"X: 1\r\n"), body).is_eight_bit is is_eight_bit


async def test_a_large_copy_is_looked_through_once_and_not_in_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = b"a" * LOOKED_AT_ONCE_BYTES + b"\xff"
    path = tmp_path / "body"
    path.write_bytes(octets)
    threads: set[int] = set()
    read = Body.read

    def noted(body: Body, offset: int, length: int) -> bytes:
        threads.add(threading.get_ident())
        return read(body, offset, length)

    with Body.of_file(path, size=len(octets), sha256=sha256(octets).digest()) as body:
        copy = CopyContent(Copy(head=b"X: 1\r\n"), body)
        monkeypatch.setattr(Body, "read", noted)
        await copy.look()
        assert copy.is_eight_bit

    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_octet_of_ours_counts_too() -> None:
    assert content(b"a", head="X: é\r\n".encode()).is_eight_bit


def envelope(sender: str = "a@b.example", *recipients: str, **more: object) -> Envelope:
    return Envelope(
        client_address="",
        helo="",
        sender=sender,
        recipients=recipients or ("x@acme.example",),
        **more,  # type: ignore[arg-type]
    )


def test_what_the_sender_wants_to_hear_is_offered_as_it_came() -> None:
    dsn = DsnParameters(
        notify=frozenset({Notify.SUCCESS}), original="rfc822;first+2Btag@old.example"
    )
    given = envelope(returned=Return.HEADERS, envelope_id="a+2Bb")

    offer = offered(given, content(b""), dsn=dsn)

    assert (offer.returned, offer.envelope_id) == (Return.HEADERS, "a+2Bb")
    assert offer.dsn_parameters == (dsn,)


@pytest.mark.parametrize(
    ("recipient", "original"),
    [
        ("x+y=z@acme.example", "rfc822;x+2By+3Dz@acme.example"),
        ("gr\u00fc+@acme.example", r"utf-8;gr\x{FC}\x{2B}@acme.example"),
    ],
)
def test_a_missing_orcpt_is_the_address_that_was_named_to_us(recipient: str, original: str) -> None:
    offer = offered(envelope("a@b.example", recipient), content(b""))

    assert offer.dsn(0) == DsnParameters(original=original)


def test_for_the_null_sender_no_orcpt_is_made() -> None:
    assert offered(envelope(""), content(b"")).dsn(0) == NO_DSN_PARAMETERS
