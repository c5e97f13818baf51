"""The stdlib's reading is the same whether or not it sees every line of an encoded file."""

from __future__ import annotations

import base64
import email
import email.policy
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.scanning import mime
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.skeleton import Skeleton
from tests.support.smtp.corpus import everyday_names, message

RUN = base64.encodebytes(bytes(range(256)) * 8)
TEXT = b"A line of text, = and more.\r\n\tA folded one: so to say\nA-Field: x\r\n>From <a@b>\r\n"
PIECES = (
    TEXT,
    TEXT * 3,
    TEXT.replace(b"text", b"t\xe4xt") * 2,
    b"a b\r\nb c\r\nc d\r\nd=20e=\r\n--b\r\n",
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
    skeleton = Skeleton.of(octets)
    budget = CpuBudget(60, cpu_s=lambda: 0.0)
    found = mime.by_standard_library(
        skeleton, skeleton.text, mime.Known(), UnfoldingLimits(), budget
    )
    return [content.octets for content in found]


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
    encoded = base64.encodebytes(b"PlaceOfARunOfLinesE0 and what follows " * 40)
    for octets in (
        b"\r\nPlaceOfARunOfLinesE0\r\n" + RUN,
        b"\r\n" + RUN + b"PlaceOfARunOfLinesE0\r\nPlaceOfARunOfLines.99999999\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded,
    ):
        assert read(octets) == every_line_read(octets)


def test_a_long_file_and_a_long_text_cost_the_parser_a_line_each() -> None:
    message = b"Subject: x\r\n\r\n" + TEXT * 100 + b"\r\n" + RUN * 1000 + b"and the end.\r\n"

    skeleton = Skeleton.of(message)

    assert re.fullmatch(
        rb"Subject: x\r\n\r\nPlaceOfARunOfLines\.1\r\n\r\nPlaceOfARunOfLinesE0\nand the end\.\r\n",
        skeleton.text,
    )
    assert skeleton.encoded == {0}
    assert skeleton.filled(skeleton.text) == message
    assert skeleton.readable == message.replace(RUN * 1000, b"\n")


@given(st.lists(st.sampled_from(PIECES)).map(b"".join) | st.binary())
def test_nothing_is_lost_of_any_message(octets: bytes) -> None:
    skeleton = Skeleton.of(octets)

    assert skeleton.filled(skeleton.text) == octets
