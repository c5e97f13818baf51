"""Which files make up a set of virus definitions, and how does one know that they are whole?

Pure. The core makes a manifest once and gives it out octet by octet: its SHA-256 names the set, and
each file's digest stands in it. Names of files are bounded here, since both sides make files by
them; nothing else in a manifest chooses a path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import PeerError

MANIFEST = "manifest.json"  # the name under which it is stored and served, beside its files
MANIFEST_BYTES_MAX = 262_144
FILES_MAX = 500
FILE_BYTES_MAX = 2_147_483_648  # ClamAV's own limit of what it maps
SET_BYTES_MAX = 4_294_967_296
SERIAL_MAX = (1 << 63) - 1
MADE_US_MAX = 253_402_300_799_000_000  # the end of the year 9999
VERSION_LENGTH_MAX = 200  # characters
FAMILY = re.compile(r"[a-z][a-z0-9-]{0,31}")

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,95}(?:\.[A-Za-z0-9_-]{1,40}){1,3}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ManifestBroken(PeerError):
    """What should be a manifest is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsFile:
    """One file of a set.

    Args:
        name: a plain name.
        size: octets.
        sha256: of them, in lower-case hex.
        is_custom: whether an operator put it in, and not the mirror.
    """

    name: str
    size: int
    sha256: str
    is_custom: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a set of definitions is made of.

    Args:
        family: whose definitions they are, such as ``clamav``.
        serial: the core's number of the set, from 1; it never gives one number to two sets.
        made_us: when the definitions were made, microseconds since the epoch; 0: unknown.
        version: of the definitions, for people.
        files: in the order of their names, at least one.
    """

    family: str
    serial: int
    made_us: int
    version: str
    files: tuple[DefinitionsFile, ...]

    @property
    def size(self) -> int:
        """The octets of all files."""
        return sum(file.size for file in self.files)


def is_file_name(name: str) -> bool:
    """Say whether a file of a set may be called so: letters, digits, ``-``, ``_``, and an ending.

    No name has a slash, begins with a dot or is the manifest's.
    """
    return _FILE_NAME.fullmatch(name) is not None and name != MANIFEST


def manifest_octets(manifest: Manifest) -> bytes:
    """Return a manifest as the octets that are stored, digested and served."""
    told = {
        "family": manifest.family,
        "serial": manifest.serial,
        "made_us": manifest.made_us,
        "version": manifest.version,
        "files": [_told(file) for file in manifest.files],
    }
    return (json.dumps(told, indent=1, ensure_ascii=True) + "\n").encode()


def read_manifest(octets: bytes) -> Manifest:
    """Return what a manifest says; keys that a later version adds are passed over.

    Raises:
        ManifestBroken: it is none, or breaks a bound.
    """
    if len(octets) > MANIFEST_BYTES_MAX:
        raise ManifestBroken(f"a manifest of {len(octets)} octets")
    try:
        told = json.loads(octets)
    except (ValueError, RecursionError):
        raise ManifestBroken("the manifest is no JSON") from None
    if not isinstance(told, dict):
        raise ManifestBroken("the manifest is no object")
    files = told.get("files")
    if not isinstance(files, list) or not 1 <= len(files) <= FILES_MAX:
        raise ManifestBroken(f"a manifest names 1 to {FILES_MAX} files")
    manifest = Manifest(
        family=_text(told, "family", FAMILY),
        serial=_number(told, "serial", 1, SERIAL_MAX),
        made_us=_number(told, "made_us", 0, MADE_US_MAX),
        version=_version(told),
        files=tuple(_file(file) for file in files),
    )
    names = [file.name for file in manifest.files]
    if names != sorted(set(names)):
        raise ManifestBroken("the files are not in the order of their names, or one is there twice")
    if manifest.size > SET_BYTES_MAX:
        raise ManifestBroken(f"a set of {manifest.size} octets; at most {SET_BYTES_MAX}")
    return manifest


def _told(file: DefinitionsFile) -> dict[str, Any]:
    told = {"name": file.name, "size": file.size, "sha256": file.sha256}
    return {**told, "custom": True} if file.is_custom else told


def _file(told: object) -> DefinitionsFile:
    if not isinstance(told, dict):
        raise ManifestBroken("a file of the manifest is no object")
    name = told.get("name")
    if not isinstance(name, str) or not is_file_name(name):
        raise ManifestBroken(f"{str(name)[:40]!r} is no name of a file of definitions")
    return DefinitionsFile(
        name=name,
        size=_number(told, "size", 0, FILE_BYTES_MAX),
        sha256=_text(told, "sha256", _SHA256),
        is_custom=told.get("custom") is True,
    )


def _text(told: Mapping[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    value = told.get(key)
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ManifestBroken(f"the manifest's {key} is none")
    return value


def _number(told: Mapping[str, Any], key: str, lowest: int, highest: int) -> int:
    value = told.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ManifestBroken(f"the manifest's {key} is no number from {lowest} to {highest}")
    return value


def _version(told: Mapping[str, Any]) -> str:
    value = told.get("version")
    if not isinstance(value, str) or len(value) > VERSION_LENGTH_MAX or not value.isprintable():
        raise ManifestBroken("the manifest's version is none")
    return value
