"""The stdlib's reading is the same whether or not it sees every line of an encoded file."""

from __future__ import annotations

import base64
import email
import email.policy
import random
import re

import pytest

from satellite.scanning import mime
from satellite.scanning.limits import UnfoldingLimits
from tests.support.smtp.corpus import everyday_names, message

RUN = base64.encodebytes(bytes(range(256)) * 8)
PIECES = (
    RUN,
    RUN.replace(b"\n", b"\r\n"),
    RUN.replace(b"\n", b"\r"),
    RUN.replace(b"\n", b"\r\n").removesuffix(b"\r\n"),
    b"A" * 40 + b"\r\n",
    (b"A" * 40 + b"\r\n") * 8,
    (b"A" * 40 + b" \r\n") * 8,
    b"--b\r\n",
    b"--b--\r\n",
    b"--bb\r\n",
    b"--" + b"A" * 60 + b"\r\n",
    b"\r\n",
    b"\n",
    b" folded\r\n",
    b"text \xe4\xf6 text\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=" + b"A" * 60 + b"\r\n\r\n",
    b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Type: message/delivery-status\r\n\r\n",
    b"Content-Type: text/plain; charset=utf-8\r\n",
    b"Content-Transfer-Encoding: base64\r\n\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n\r\n",
    b"Subject: x\r\n",
)


def every_line_read(octets: bytes) -> list[bytes]:
    root = email.message_from_bytes(octets, policy=email.policy.compat32)
    found = [part.get_payload(decode=True) for part in root.walk()]
    return [content for content in found if isinstance(content, bytes) and content]


def read(octets: bytes) -> list[bytes]:
    return list(mime.by_standard_library(octets, UnfoldingLimits()))


@pytest.mark.parametrize("seed", range(40))
def test_no_part_differs_for_what_the_parser_does_not_see(seed: int) -> None:
    chosen = random.Random(seed)
    for _ in range(50):
        octets = b"".join(chosen.choices(PIECES, k=chosen.randint(1, 14)))
        assert read(octets) == every_line_read(octets), octets


@pytest.mark.parametrize("name", everyday_names())
def test_everyday_mail_is_read_the_same(name: str) -> None:
    assert read(message(name)) == every_line_read(message(name))


def test_a_message_that_knows_the_mark_is_read_as_it_stands() -> None:
    encoded = base64.encodebytes(b"PlaceOfARunOfLines0 and what follows " * 40)
    for octets in (
        b"\r\nPlaceOfARunOfLines0\r\n" + RUN,
        b"\r\n" + RUN + b"PlaceOfARunOfLines0\r\nPlaceOfARunOfLines99999999\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded,
    ):
        assert read(octets) == every_line_read(octets)


def test_a_long_file_costs_the_parser_one_line() -> None:
    runs: list[str] = []

    shortened = mime._without_runs(b"Subject: x\r\n\r\n" + RUN * 1000 + b"end\r\n", runs)

    assert re.fullmatch(rb"Subject: x\r\n\r\nPlaceOfARunOfLines0\nend\r\n", shortened)
    assert "".join(runs) + "\n" == (RUN * 1000).decode()
