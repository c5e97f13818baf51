"""What is scanned of a message: the raw one, both readings of it, and what archives hold."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from satellite.scanning import mime
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.skeleton import Skeleton
from satellite.scanning.unpack import Unit, Unpacking
from tests.support.scanning.messages import locked, plain, with_attachment, zipped

SECRET = b"the content that matters"


def unpacked(message: bytes, limits: UnfoldingLimits | None = None) -> tuple[list[Unit], Unpacking]:
    unpacking = Unpacking(limits or UnfoldingLimits())
    return list(unpacking.units(message)), unpacking


def both_readings(message: bytes) -> tuple[list[bytes], list[bytes]]:
    skeleton = Skeleton.of(message)
    limits = UnfoldingLimits()
    budget = CpuBudget(60, cpu_s=lambda: 0.0)
    one = mime.by_standard_library(skeleton, skeleton.text, mime.Known(), limits, budget)
    other = mime.by_fast_mail_parser(message, skeleton, limits, budget)
    return [content.octets for content in one], [content.octets for content in other]


def contents(message: bytes) -> list[bytes]:
    return [unit.content.strip() for unit in unpacked(message)[0]]


def test_the_raw_message_comes_first() -> None:
    message = with_attachment(SECRET)

    assert unpacked(message)[0][0] == Unit(message)


def test_text_without_a_header_section_is_scanned_once() -> None:
    message = b"text\r\nand nothing before it\r\n"

    assert unpacked(message)[0] == [Unit(message)]


@pytest.mark.parametrize(
    "encoded",
    [
        b"base64\r\n\r\n" + base64.b64encode(SECRET),
        b"quoted-printable\r\n\r\n" + b"".join(b"=%02X" % octet for octet in SECRET),
        b'x-uuencode\r\n\r\nbegin 644 a\r\n8=&AE(&-O;G1E;G0@=&AA="!M871T97)S\r\n`\r\nend',
    ],
)
def test_a_part_is_decoded(encoded: bytes) -> None:
    assert SECRET in contents(b"Content-Transfer-Encoding: " + encoded + b"\r\n")


def test_a_message_in_a_message_is_read() -> None:
    inner = with_attachment(SECRET)
    outer = b"Content-Type: message/rfc822\r\n\r\n" + inner

    assert SECRET in contents(outer)


def test_an_encoded_message_in_a_message_is_read() -> None:
    inner = base64.encodebytes(with_attachment(SECRET)).replace(b"\n", b"\r\n")
    outer = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + inner

    assert SECRET in contents(outer)


def test_what_only_one_reading_decodes_is_scanned() -> None:
    """Junk inside base64: one reader gives up, the other decodes as mail programs do."""
    encoded = base64.b64encode(SECRET)
    junk = encoded[:10] + b"!*!" + encoded[10:]
    message = b"Content-Transfer-Encoding: base64\r\n\r\n" + junk + b"\r\n"

    by_standard_library, by_fast_mail_parser = both_readings(message)

    assert (SECRET in by_standard_library) != (SECRET in by_fast_mail_parser)
    assert SECRET in contents(message)


def test_members_of_archives_are_scanned_as_deep_as_they_lie() -> None:
    inner = zipped(("deep.txt", SECRET))
    units, unpacking = unpacked(with_attachment(zipped(("Inner.ZIP", inner))))

    assert Unit(SECRET, "deep.txt", True) in units
    assert Unit(inner, "inner.zip", True) in units
    assert unpacking.limits_met == []


def test_an_archive_is_known_by_its_content_and_not_by_its_name() -> None:
    with_junk = b"junk before it" + zipped(("a", SECRET))

    assert SECRET in contents(with_attachment(with_junk))


def test_a_members_name_is_data() -> None:
    units, _ = unpacked(with_attachment(zipped(("../../etc/PASSWD\r\n\x1b", SECRET))))

    assert units[-1].name == "../../etc/passwd???"


def test_equal_contents_of_one_name_come_once() -> None:
    twice = zipped(("a", zipped(("c", SECRET))), ("b", zipped(("c", SECRET))))
    units, _ = unpacked(with_attachment(twice))

    assert sum(unit.content == SECRET for unit in units) == 1


def test_equal_contents_of_two_names_come_twice_since_a_name_alone_may_make_it_run() -> None:
    units, _ = unpacked(with_attachment(zipped(("a.txt", SECRET), ("a.lnk", SECRET))))

    assert [unit.name for unit in units if unit.content == SECRET] == ["a.txt", "a.lnk"]


def test_the_same_content_counts_anew_inside_an_archive() -> None:
    message = with_attachment(SECRET).replace(
        b"--b--",
        b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(zipped(("a", SECRET)))
        + b"--b--",
    )

    found = [unit.in_archive for unit in unpacked(message)[0] if unit.content == SECRET]

    assert found == [False, True]


def test_a_member_that_needs_a_password_is_noted() -> None:
    _, unpacking = unpacked(with_attachment(locked(zipped(("Secret.txt", SECRET)))))

    assert unpacking.encrypted == ["secret.txt"]
    assert unpacking.limits_met == []


@pytest.mark.parametrize(
    ("changed", "message", "why"),
    [
        ({"mime_parts_max": 2}, with_attachment(SECRET), "too many MIME parts"),
        ({"mime_depth_max": 0}, with_attachment(SECRET), "nested too deeply"),
        ({"header_bytes_max": 10}, plain(b""), "too many octets of header"),
        ({"mime_field_bytes_max": 5}, with_attachment(SECRET), "field is too long"),
        ({"lines_max": 3}, plain(b""), "too many lines"),
        ({"archive_depth_max": 0}, with_attachment(zipped(("a", b"b"))), "archives nested"),
        ({"archive_files_max": 1}, with_attachment(zipped(("a", b"b"), ("c", b"d"))), "files"),
        ({"member_bytes_max": 9}, with_attachment(zipped(("a", b"0123456789"))), "too large"),
        (
            {"unpacked_bytes_max": 15},
            with_attachment(zipped(("a", b"0123456789"), ("b", b"9876543210"))),
            "too many octets",
        ),
        (
            {"ratio_max": 2, "ratio_from_bytes": 10, "unpacked_bytes_max": 5000},
            with_attachment(zipped(("a", b"0" * 1000))),
            "unfolds too far",
        ),
    ],
)
def test_each_limit_is_said_when_it_is_met(
    changed: dict[str, int], message: bytes, why: str
) -> None:
    _, unpacking = unpacked(message, replace(UnfoldingLimits(), **changed))

    assert any(why in reason for reason in unpacking.limits_met)


def test_two_archives_share_one_budget() -> None:
    message = with_attachment(zipped(("a", b"1" * 600))) + with_attachment(
        zipped(("b", zipped(("c", b"2" * 600))))
    )
    message = with_attachment(zipped(("a", b"1" * 600), ("b.zip", zipped(("c", b"2" * 600)))))

    _, unpacking = unpacked(message, replace(UnfoldingLimits(), unpacked_bytes_max=1000))

    assert unpacking.limits_met == ["archives unfold to too many octets"]


def test_damage_in_one_member_does_not_hide_the_next() -> None:
    archive = bytearray(zipped(("bad", b"x" * 100), ("good", SECRET)))
    archive[archive.find(b"bad") + 5] ^= 0xFF
    units, unpacking = unpacked(with_attachment(bytes(archive)))

    assert SECRET in [unit.content for unit in units]
    assert unpacking.limits_met == ["a damaged archive: bad"]


def test_one_reading_that_is_given_up_does_not_end_the_other() -> None:
    """A field that is too long for the one says nothing against the other."""
    message = with_attachment(SECRET).replace(
        b"Content-Type: application",
        b"Content-ID: " + b"x" * 5000 + b"\r\nContent-Type: application",
    )

    with pytest.raises(LimitExceeded):
        both_readings(message)
    units, unpacking = unpacked(message)

    assert SECRET in [unit.content for unit in units]
    assert unpacking.limits_met == ["a MIME header field is too long"]
