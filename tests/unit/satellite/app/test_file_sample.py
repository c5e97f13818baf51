"""What do engines see of a file: a message with the ends of lines of the wire, or an attachment?"""

from __future__ import annotations

import io
from email import message_from_bytes
from pathlib import Path

import pytest

from common.ids import MessageId
from satellite.app import file_sample
from satellite.app.file_sample import IN_MEMORY_BYTES, FileTooLarge, sample_of
from satellite.scanning.sample import Sample


class Pipe(io.BytesIO):
    """Gives a few octets at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 7_919))


def seen(octets: bytes, folder: Path, *, bytes_max: int = 0) -> tuple[Sample, bytes]:
    copy = folder / "copy"
    sample = sample_of(Pipe(octets), copy, id=MessageId("x"), bytes_max=bytes_max)
    assert sample.read(0, sample.size + 1) == copy.read_bytes()
    return sample, copy.read_bytes()


MAIL = b"Received: x\nSubject: hi\n\nbody\r\nand\rmore\n"


@pytest.mark.parametrize("before", [b"", b"From a@b.example Mon Jan  1 00:00:00 2026\n"])
def test_mail_gets_the_ends_of_lines_that_it_has_on_the_wire(tmp_path: Path, before: bytes) -> None:
    _, octets = seen(before + MAIL, tmp_path)

    assert octets == (before + MAIL).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@pytest.mark.parametrize("shift", range(3))
def test_no_line_end_is_doubled_or_lost_where_a_chunk_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: int
) -> None:
    monkeypatch.setattr(file_sample, "CHUNK_BYTES", 57)
    monkeypatch.setattr(file_sample, "HEADER_BYTES_MAX", 100 + shift)
    mail = b"Subject: hi\r\n\r\n" + b"0\r\n" * 1000 + b"end\r"

    assert seen(mail, tmp_path)[1] == mail


@pytest.mark.parametrize(
    "octets",
    [b"", b"\0" * 300_001, b"PK\x03\x04 zip", b"key: value\nother: 1\n", b"hello\nSubject: hi\n"],
)
def test_what_is_no_mail_is_attached_to_a_message_whole(tmp_path: Path, octets: bytes) -> None:
    _, message = seen(octets, tmp_path)

    assert message_from_bytes(message).get_payload(decode=True) == octets
    assert max(map(len, message.split(b"\r\n"))) <= 78


def test_a_small_one_is_octets_and_a_large_one_a_file(tmp_path: Path) -> None:
    small, _ = seen(MAIL, tmp_path)
    large, _ = seen(MAIL + b"x" * IN_MEMORY_BYTES, tmp_path)

    assert small.data is not None
    assert (large.data, large.path) == (None, tmp_path / "copy")


def test_nothing_is_read_beyond_the_largest_message(tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge):
        seen(MAIL + b"x" * 10_000_000, tmp_path, bytes_max=100_000)

    assert (tmp_path / "copy").stat().st_size <= 100_000
