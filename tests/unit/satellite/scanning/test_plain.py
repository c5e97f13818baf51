"""Plain mail holds its body and nothing else, whichever reading one believes."""

from __future__ import annotations

import random

import pytest

from satellite.scanning import mime_fields
from satellite.scanning.decoding import from_quoted_printable
from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.plain import PLAIN_BYTES_MAX, body_of_plain
from satellite.scanning.unpack import Unpacking
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import with_attachment, zipped
from tests.support.smtp import corpus

HEADERS = (
    b"From: a@b.example\r\n",
    b"Subject: hi\r\n there\r\n",
    b"MIME-Version: 1.0\r\n",
    b"Content-Type: text/plain\r\n",
    b"Content-Type: text/html; charset=utf-8\r\n",
    b'CONTENT-TYPE: TEXT/PLAIN;\r\n\tcharset="us-ascii"; format=flowed\r\n',
    b"Content-type:\r\n text/plain;format=flowed;delsp=yes\r\n",
    b"Content-Transfer-Encoding: 7bit\r\n",
    b"X:\r\n",
    # What some reader takes for something else.
    b"Content-Type : text/plain\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n",
    b" \r\n",
    b"From x\r\n",
    b"nonsense\r\n",
    b":\r\n",
)
BODIES = (
    b"hello world\r\n",
    b"\r\n",
    b"--b\r\n",
    b"--b--\r\n",
    b"begin 644 a\r\n",
    b"UEsDBA==\r\n",
    b"=41=\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"PK\x03\x04",
    b"PK\x05\x06" + bytes(18),
    b"\x00",
    b"\x0c",
    b".",
)


def made(dice: random.Random) -> bytes:
    fields = [dice.choice(HEADERS) for _ in range(dice.randint(1, 4))]
    lines = [dice.choice(BODIES) for _ in range(dice.randint(0, 6))]
    message = b"".join(fields) + b"\r\n" + b"".join(lines)
    if dice.random() < 0.2:
        place = dice.randrange(len(message))
        message = message[:place] + bytes([dice.randrange(256)]) + message[place + 1 :]
    return message


def taken_apart(message: bytes) -> tuple[set[bytes], list[str]]:
    unpacking = Unpacking(UnfoldingLimits())
    units = {unit.content for unit in unpacking.units(message)}
    return units, [*unpacking.limits_met, *unpacking.encrypted]


def test_taking_plain_mail_apart_finds_its_body_and_nothing_else() -> None:
    dice = random.Random(20)
    seen = 0
    corpus_of_mail = [corpus.message(name) for name in corpus.names()]
    for message in (*corpus_of_mail, *(made(dice) for _ in range(9_000))):
        body = body_of_plain(message)
        if body is None:
            continue
        seen += 1
        units, complaints = taken_apart(message)
        alike = {message, body, from_quoted_printable(message), mime_fields.usual(body)}
        assert units <= alike, message
        assert complaints == [], message
    assert seen > 500


def test_everyday_text_is_plain() -> None:
    header = b"From: a@b.example\r\nSubject: x\r\nContent-Type: text/plain; charset=utf-8\r\n"

    assert body_of_plain(header + b"\r\nhello\r\n") == b"hello\r\n"


@pytest.mark.parametrize(
    "message",
    [
        with_attachment(EICAR),
        b"Subject: x\r\n\r\n" + zipped(("a", b"b")),
        b"Subject: x\r\nContent-Type: text/plain\r\nContent-Type: text/plain\r\n\r\n",
        b"Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41",
        b"Subject: x\r\nContent-Disposition: attachment\r\n\r\nx",
        b"Subject: \xc3\xbc\r\n\r\nx",
        b"Subject: x\r\n",
        b" folded\r\n\r\nx",
        b"\r\nx",
        b"",
        b"Subject: x\r\n\r\n" + b"x" * PLAIN_BYTES_MAX,
    ],
    ids=lambda message: repr(message[:60]),
)
def test_in_doubt_a_message_is_not_plain(message: bytes) -> None:
    assert body_of_plain(message) is None
