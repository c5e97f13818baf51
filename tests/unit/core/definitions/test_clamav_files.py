"""What official databases say of themselves is read; names of others are not."""

from __future__ import annotations

import pytest

from core.definitions.clamav_files import (
    Container,
    is_custom_name,
    is_mirrored,
    read_container,
    version_text,
)

HEADER = b"ClamAV-VDB:21 Jan 2026 08-30 +0100:27807:2076543:90:d41d8:sig:builder:1768980600"
BUILT_US = 1_768_980_600_000_000


def test_a_container_says_version_signatures_and_when_it_was_built() -> None:
    padded = HEADER.ljust(512, b" ") + b"\x1f\x8b"

    assert read_container(padded) == Container(
        version=27807, signatures=2_076_543, built_us=BUILT_US
    )


@pytest.mark.parametrize(
    "header",
    [
        *(b"", b"Eicar:0:*:4141", b"ClamAV-VDB:x", b"ClamAV-VDB:21 Jan 2026 08-30 +0100:a:1:90"),
        *(b"ClamAV-VDB:x:12345678901:1:90", b"\xff" * 512),
    ],
)
def test_what_is_no_container_says_nothing(header: bytes) -> None:
    assert read_container(header) is None


def test_a_time_that_cannot_be_read_is_unknown() -> None:
    assert read_container(b"ClamAV-VDB:yesterday:3:4:90") == Container(
        version=3, signatures=4, built_us=0
    )


def test_a_version_for_people() -> None:
    said = Container(version=62, signatures=1, built_us=0)

    assert version_text([("main.cvd", said), ("daily.cld", said)], 2) == (
        "daily 62, main 62, 2 custom"
    )
    assert version_text([], 1) == "1 custom"


@pytest.mark.parametrize(
    ("name", "mirrored", "custom"),
    [
        ("daily.cvd", True, False),
        ("daily.cvd.sign", True, False),
        ("daily-27807.cdiff", False, False),
        ("freshclam.dat", False, False),
        ("local.hdb", True, True),
        ("rules.YAR", False, False),
        ("../x.hdb", False, False),
        ("bytecode.cbc", True, False),
    ],
)
def test_names(name: str, mirrored: bool, custom: bool) -> None:
    assert (is_mirrored(name), is_custom_name(name)) == (mirrored, custom)
