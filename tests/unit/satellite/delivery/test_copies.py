"""A copy is our lines and the body as it came, in blocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.envelope import Envelope
from satellite.delivery.copies import BLOCK_BYTES, CopyContent, offer_of
from satellite.spool.bodies import Body
from satellite.spool.messages import Copy


def content(body: bytes, head: bytes = b"X: 1\r\n", skip: int = 0) -> CopyContent:
    return CopyContent(Copy(head=head, skip=skip), Body(size=len(body), data=body))


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
@pytest.mark.parametrize("skip", [0, 7])
def test_all_octets_are_there_once(size: int, skip: int, tmp_path: Path) -> None:
    octets = bytes(n % 251 for n in range(size))
    path = tmp_path / "body"
    path.write_bytes(octets)
    with Body(size=size, path=path) as body:
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

    assert offer_of(envelope, [recipient], content(body)).smtputf8 is wide


def test_octets_beyond_ascii_are_noticed_or_assumed() -> None:
    assert content(b"\xff").may_be_eight_bit
    assert content(b"a" * (BLOCK_BYTES + 1)).may_be_eight_bit
    assert not content(b"a" * BLOCK_BYTES).may_be_eight_bit
