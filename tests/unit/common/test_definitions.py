"""A manifest comes back the same, and one that could choose a path or fill a disk does not pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.definitions import (
    FILES_MAX,
    DefinitionsFile,
    Manifest,
    ManifestBroken,
    is_file_name,
    manifest_octets,
    read_manifest,
)

SHA = "0" * 64
MANIFEST = Manifest(
    family="clamav",
    serial=7,
    made_us=1_700_000_000_000_000,
    version="daily 27807",
    files=(
        DefinitionsFile(name="daily.cvd", size=5, sha256=SHA),
        DefinitionsFile(name="local.hdb", size=1, sha256=SHA, is_custom=True),
    ),
)


def changed(**keys: Any) -> bytes:
    told = json.loads(manifest_octets(MANIFEST))
    return json.dumps(told | keys).encode()


def test_a_manifest_comes_back() -> None:
    assert read_manifest(manifest_octets(MANIFEST)) == MANIFEST
    assert MANIFEST.size == 6


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert read_manifest(changed(colour="blue")) == MANIFEST


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b" " * 262_145,
        changed(family="../etc"),
        changed(serial=0),
        changed(serial=True),
        changed(serial=1 << 63),
        changed(made_us=-1),
        changed(made_us=253_402_300_799_000_001),
        changed(version="a\nb"),
        changed(version="v" * 201),
        changed(files=[]),
        changed(files=["daily.cvd"]),
        changed(files=[{"name": "../a.hdb", "size": 1, "sha256": SHA}]),
        changed(files=[{"name": "a.hdb", "size": -1, "sha256": SHA}]),
        changed(files=[{"name": "a.hdb", "size": 1, "sha256": "A" * 64}]),
        changed(files=[{"name": "a.hdb", "size": 1, "sha256": SHA}] * 2),
        changed(files=[{"name": n, "size": 1, "sha256": SHA} for n in ("b.hdb", "a.hdb")]),
        changed(
            files=[{"name": f"{n}.hdb", "size": 2_147_483_648, "sha256": SHA} for n in range(3)]
        ),
        changed(
            files=[{"name": f"{n:04}.hdb", "size": 1, "sha256": SHA} for n in range(FILES_MAX + 1)]
        ),
    ],
)
def test_what_breaks_a_bound_is_no_manifest(octets: bytes) -> None:
    with pytest.raises(ManifestBroken):
        read_manifest(octets)


@pytest.mark.parametrize("name", ["daily.cvd", "bytecode.cvd.sign", "main-62.cvd.sign", "x_1.yar"])
def test_names_of_definitions(name: str) -> None:
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", ".hdb", "a", "a/b.hdb", "a..hdb", "a.hdb\n", "ä.hdb", "manifest.json"),
        *("a" * 97 + ".hdb", "a b.hdb", "-a.hdb", "a.b.c.d.e"),
    ],
)
def test_names_that_are_none(name: str) -> None:
    assert not is_file_name(name)
