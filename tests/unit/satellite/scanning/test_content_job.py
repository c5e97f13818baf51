"""What does a message say and hold: texts, URLs, parts; and what nobody can read."""

from __future__ import annotations

import base64
import json
from binascii import b2a_uu
from dataclasses import asdict
from email.message import EmailMessage
from hashlib import sha256
from typing import Any

import pytest

from common.fuzzy import NEAR_MAX, distance
from satellite.scanning.content_job import content_of, decoded, prepare
from satellite.scanning.content_sheet import ContentBounds
from satellite.scanning.frames import ANSWER_BYTES_MAX, head_of
from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.plain_content import content_of_plain
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import zipped
from tests.support.scanning.wrappings import catalogue

PROGRAM = b"MZ" + bytes(range(256))
BOUNDS = ContentBounds(text_length_max=16_384, urls_max=200, parts_max=100, name_length_max=255)
MIXED = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"


def read(message: bytes, limits: UnfoldingLimits | None = None) -> dict[str, Any]:
    return content_of(message, BOUNDS, limits or UnfoldingLimits())


def part(header: str, body: bytes) -> bytes:
    return b"--x\r\n" + header.encode().replace(b"\n", b"\r\n") + b"\r\n\r\n" + body + b"\r\n"


def mixed(*parts: bytes) -> bytes:
    return MIXED + b"".join(parts) + b"--x--\r\n"


def attached(content: bytes, name: str = "", kind: str = "application/octet-stream") -> bytes:
    header = f"Content-Type: {kind}\nContent-Transfer-Encoding: base64"
    if name:
        header += f'\nContent-Disposition: attachment; filename="{name}"'
    return part(header, base64.encodebytes(content).replace(b"\n", b"\r\n"))


def page(body: str, header: str = "Content-Type: text/html; charset=utf-8") -> bytes:
    return header.encode() + b"\r\n\r\n" + body.encode()


def told(answer: dict[str, Any]) -> list[tuple[str, tuple[str, ...], int]]:
    return [(one["name"], tuple(one["kinds"]), one["depth"]) for one in answer["parts"]]


def test_texts_are_decoded_and_have_a_line_for_each_paragraph() -> None:
    message = mixed(
        part(
            "Content-Type: text/plain; charset=iso-8859-1\n"
            "Content-Transfer-Encoding: quoted-printable",
            b"Caf=E9 is=\r\n  open\r\ntoday\r\n\r\nand tomorrow",
        ),
        part("Content-Type: text/html", b"<p>one<p>two <!-- no -->&euro;"),
    )

    answer = read(message)

    assert answer["texts"] == ["Caf\xe9 is open today\nand tomorrow", "one\ntwo \u20ac"]
    assert answer["is_whole"]
    assert answer["unread"] == []


def test_signs_that_nobody_sees_do_not_split_a_word() -> None:
    text = "cheap\u200b p\xadi\ufefflls \u202enow"

    assert read(page(text))["texts"] == ["cheap pills now"]


def test_half_a_sign_hides_nothing_of_a_page() -> None:
    message = page(
        "<a href='http://evil.example/'>+2AA-</a>", "Content-Type: text/html; charset=utf-7"
    )

    assert read(message)["urls"] == ["http://evil.example/"]


def test_urls_are_found_after_decoding_in_text_and_pages_and_each_once() -> None:
    message = mixed(
        part(
            "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable",
            b'<a href=3D"http://ex%61mple.com/?a=3D1&amp;b=3D2">x</a> https://text.exa=\r\nmple/',
        ),
        part("Content-Type: text/plain", b"https://text.example/ and www.third.example"),
    )

    assert read(message)["urls"] == [
        "http://example.com/?a=1&b=2",
        "https://text.example/",
        "http://www.third.example",
    ]


def test_of_too_many_urls_one_of_each_host_is_told_first() -> None:
    same = "".join(f"<a href=https://same.example/{n}>x</a>" for n in range(300))

    answer = read(page(same + "<a href=https://other.example/>x</a>"))

    assert answer["urls"][:2] == ["https://same.example/0", "https://other.example/"]
    assert len(answer["urls"]) == 200
    assert not answer["is_whole"]
    assert answer["unread"] == []


def test_parts_are_told_by_content_and_name_with_members_of_archives() -> None:
    archive = zipped(("a/invoice.pdf.exe", PROGRAM), ("note.txt", b"hello"))
    message = mixed(
        part("Content-Type: text/plain", b"see the file"),
        attached(archive, "paper.pdf", "application/pdf"),
    )

    answer = read(message)

    assert told(answer) == [
        ("", (), 0),
        ("paper.pdf", ("zip", "archive"), 0),
        ("a/invoice.pdf.exe", ("program",), 1),
        ("note.txt", (), 1),
    ]
    second = answer["parts"][1]
    assert second["media_type"] == "application/pdf"
    assert second["size"] == len(archive)
    assert second["sha256"] == sha256(archive).hexdigest()


@pytest.mark.parametrize(
    "field",
    [
        'Content-Type: a/b; name="x.exe"',
        "Content-Type: a/b\nContent-Disposition: attachment; filename*=utf-8''x%2Eexe",
        'Content-Type: a/b; name="=?utf-8?b?eC5leGU=?="',
        'Content-Type: a/b; name="x.pdf"\nContent-Disposition: attachment; filename="x.exe"',
        'Content-Type: a/b; name="x.exe"\nContent-Disposition: attachment; filename="x.pdf"',
        "Content-Type: a/b; name*0=x.; name*1=exe",
        'Content-Type: a/b; name="x\u202e.exe"',
    ],
)
def test_the_name_that_does_harm_counts_however_it_is_told(field: str) -> None:
    (one,) = read(mixed(part(field, b"1234")))["parts"]

    assert one["name"] == "x.exe"


def test_what_only_another_reading_sees_is_told() -> None:
    uuencoded = EmailMessage()
    lines = [b"begin 644 run.exe"]
    lines += [b2a_uu(PROGRAM[at : at + 45]).rstrip() for at in range(0, 258, 45)]
    uuencoded.set_content(b"\r\n".join([b"hi", b"", *lines, b"`", b"end", b""]).decode())

    assert ("", ("program",), 0) in told(read(uuencoded.as_bytes()))


def test_attached_messages_are_read_and_their_parts_are_deeper() -> None:
    inner = b"Subject: inner\r\nContent-Type: text/plain\r\n\r\nfrom inside"

    answer = read(mixed(part("Content-Type: message/rfc822", inner)))

    assert answer["texts"] == ["from inside"]
    assert [one["depth"] for one in answer["parts"]] == [1]


def test_a_multipart_without_parts_shows_its_body() -> None:
    assert read(MIXED + b"buy https://a.example/")["urls"] == ["https://a.example/"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (zipped(("a.txt", b"text" * 1000))[:-40], "a damaged archive"),
        (b"Rar!\x1a\x07\x00" + bytes(2) + b"\x73" + bytes(40), "an archive that is not read: rar"),
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(content: bytes, why: str) -> None:
    answer = read(mixed(attached(content, "x.zip")))

    assert why in answer["unread"]
    assert not answer["is_whole"]


def test_a_broken_encoding_is_a_part_of_which_the_name_is_known() -> None:
    header = "Content-Type: a/b; name=x.exe\nContent-Transfer-Encoding: base64"

    answer = read(mixed(part(header, b"!!A")))

    assert answer["unread"] == ["a part whose encoding is broken"]
    assert told(answer)[0] == ("x.exe", (), 0)


def test_beyond_the_processor_time_what_was_found_before_is_told() -> None:
    message = mixed(part("Content-Type: text/plain", b"hi"), attached(PROGRAM, "x.exe"))

    answer = read(message, UnfoldingLimits(cpu_s=0.0))

    assert answer["unread"] == ["reading it took more than 0 s of processor time"]


HUNDREDS = [part(f'Content-Type: a/b; name="{"?" * 90}{n}.exe"', b"MZ%d" % n) for n in range(300)]
FULL = {
    "plain": b"Content-Type: text/plain\r\n\r\n" + b"word " * 20_000,
    "quotes": b"Content-Type: text/plain\r\n\r\n" + b'"\\' * 50_000,
    "control": b"Content-Type: text/plain\r\n\r\n" + b"\x01\x0b" * 50_000,
    "Cyrillic": page("\u041f\u0440\u0438\u0432\u0435\u0442 " * 9_000),
    "pictures": page("\U0001f600 \U0001f601 " * 9_000),
    "links": page("".join(f"<a href=//h{n}.example/{'p' * 600}>x</a>" for n in range(100))),
    "surrogates": page("&#xD800;" * 9_000),
    "parts": mixed(*HUNDREDS),
    "names": mixed(*[part(f'Content-Type: a/b; name="{chr(0x41F) * 900}"', b"")] * 99),
    "nested": b"Content-Type: message/rfc822\r\n\r\n" * 5000,
    "lines": b"\r\n" * 1_000_001,
    "all": mixed(
        page("\u4f60\u597d " * 9_000).join([b"--x\r\n", b"\r\n"]),
        page("".join(f"<a href=//{n}.example/{'p' * 600}>x</a>" for n in range(100))).join(
            [b"--x\r\n", b"\r\n"]
        ),
        *HUNDREDS,
    ),
}


@pytest.mark.parametrize("name", FULL)
def test_no_message_makes_an_answer_that_does_not_fit(name: str) -> None:
    answer = prepare(asdict(BOUNDS))(FULL[name])

    assert len(head_of({"id": 1 << 40, "answer": answer}, 0)) < ANSWER_BYTES_MAX
    assert sum(map(len, answer["texts"])) <= BOUNDS.text_length_max
    assert len(answer["parts"]) <= BOUNDS.parts_max
    json.loads(json.dumps(answer, ensure_ascii=False).encode())  # nothing that is no text


def test_of_plain_text_the_worker_says_what_the_helper_would() -> None:
    text = "Dear all,\r\nthis is https://a.example/ and more\r\n\r\n" + "many other words " * 9
    message = b"Subject: x\r\nContent-Type: text/plain\r\n\r\n" + text.encode()

    assert content_of_plain(message, BOUNDS) == read(message)


@pytest.mark.parametrize(
    "message",
    [
        b"Subject: x\r\nContent-Type: text/HTML\r\n\r\n<p>x",
        b"Subject: x\r\n\r\n" + b"long " * 4_000,
        b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD",
        MIXED,
    ],
)
def test_other_mail_is_not_for_the_worker(message: bytes) -> None:
    assert content_of_plain(message, BOUNDS) is None


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        (b"caf\xe9", "iso-8859-1", "caf\xe9"),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "UTF-8", "caf\xe9"),
        (b"caf\xc3\xa9", "", "caf\xe9"),
        (b"caf\xe9", "us-ascii", "caf\xe9"),
        (b"h\0i\0", "utf-16le", "hi"),
        (b"\0h\0i", "utf-16", "hi"),
        (b"\xff\xfeh\0i\0", "utf-16", "hi"),
        (b"h+AOk-", "unicode-1-1-utf-7", "h\xe9"),
        (b"h+2ADYAA-", "utf-7", "h\ufffd\ufffd"),
        (b"\xcf\xf0", "windows-1251", "\u041f\u0440"),
        (b"x", "zlib_codec", "x"),
        (b"\xff", "utf-8", "\ufffd"),
    ],
)
def test_a_text_is_read_by_its_character_set_or_as_most_are(
    content: bytes, charset: str, text: str
) -> None:
    assert decoded(content, charset) == text


def test_in_whatever_way_a_file_is_wrapped_it_is_told_or_said_to_be_unread() -> None:
    """Its octets, the name that does harm, its text; or why nobody knows."""
    missed = {
        name for (_, name), message in catalogue().items() if not tells_of_file(read(message))
    }

    assert missed == set()


def tells_of_file(answer: dict[str, Any]) -> bool:
    parts = answer["parts"]
    return (
        bool(answer["unread"])
        or any(one["sha256"] == sha256(EICAR).hexdigest() or one["named_type"] for one in parts)
        or any(EICAR.decode()[:40] in text for text in answer["texts"])
    )


def test_the_digest_of_a_mailing_does_not_change_with_its_links_and_names() -> None:
    words = " ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(200))
    one, other = (
        read(page(f"<p>Dear {name},<p>{words}<p><a href=https://x.example/{name}>go</a>"))
        for name in ("Anna", "Bert")
    )

    assert distance(one["fuzzy"], other["fuzzy"]) <= NEAR_MAX
