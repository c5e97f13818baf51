"""The same file has the same digest in every message, and what honest mail shares has none."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from hashlib import sha256

import pytest

from common.records.bounds import DIGESTS_MAX
from satellite.scanning.part_digests import LOOKED_BYTES_MAX, PARTS_MAX, digests_of
from tests.support.scanning.messages import WINDOWS_PROGRAM, plain


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def mail(*files: tuple[str, bytes], to: str = "x@acme.example", charset: str = "") -> bytes:
    message = EmailMessage()
    message["To"] = to
    message.set_content(f"dear {to}\n")
    for name, content in files:
        if charset:
            message.add_attachment(content.decode(), filename=name, cte=charset)
        else:
            message.add_attachment(
                content, maintype="application", subtype="octet-stream", filename=name
            )
    return message.as_bytes().replace(b"\n", b"\r\n")


def test_a_file_is_known_whoever_gets_it_and_whatever_it_is_called() -> None:
    first = mail(("invoice.exe", WINDOWS_PROGRAM), to="x@acme.example")
    second = mail(("picture.png", WINDOWS_PROGRAM), to="y@other.example")

    assert digests_of(first) == digests_of(second) == (digest(WINDOWS_PROGRAM),)


def test_lines_of_another_length_change_nothing() -> None:
    head = b"Content-Type: application/x; name=a.exe\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    in_one = base64.b64encode(WINDOWS_PROGRAM)
    in_lines = base64.encodebytes(WINDOWS_PROGRAM)

    assert digests_of(head + in_one) == digests_of(head + in_lines + b"\r\n") != ()


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable"])
def test_a_script_has_one_by_its_name(encoding: str) -> None:
    script = b"var a = 1; var b = a + 2;"

    assert len(digests_of(mail(("a.js", script), charset=encoding))) == 1


@pytest.mark.parametrize(
    "message",
    [
        b"",
        plain(b"hello\r\n-- \r\nAnn"),
        mail(("logo.png", b"\x89PNG\r\n\x1a\n" + bytes(100))),
        mail(("report.pdf", b"%PDF-1.4\n" + bytes(100))),
        mail(("empty.zip", b"")),
        mail(("a.exe", WINDOWS_PROGRAM)) + b"x" * LOOKED_BYTES_MAX,
    ],
    ids=["nothing", "text", "picture", "pdf", "empty file", "too large"],
)
def test_what_is_not_risky_or_too_large_has_none(message: bytes) -> None:
    assert digests_of(message) == ()


def test_of_many_files_the_first_ones_count_and_each_once() -> None:
    many = [(f"{number}.exe", WINDOWS_PROGRAM + bytes([number])) for number in range(20)]

    found = digests_of(mail(*many))

    assert found == tuple(digest(content) for _, content in many[:DIGESTS_MAX])
    assert len(digests_of(mail(*[("a.exe", WINDOWS_PROGRAM)] * 20))) == 1


def test_a_message_of_boundaries_alone_is_given_up() -> None:
    late = b"\r\n--x\r\n" * (PARTS_MAX + 1) + mail(("a.exe", WINDOWS_PROGRAM))

    assert digests_of(late) == ()
