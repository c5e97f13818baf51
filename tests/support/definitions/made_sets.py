"""What is a set of definitions that a test can make up in a line?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from common.definitions import DefinitionsFile, Manifest, manifest_octets
from satellite.definitions.kept_sets import KeptSets
from satellite.definitions.marker import MARKER, marker_octets
from satellite.definitions.set_name import SetName

MADE_US = 1_767_000_000_000_000


@dataclass(frozen=True, slots=True)
class MadeSet:
    """A set, with the octets of its manifest and of its files by their names."""

    name: SetName
    manifest: bytes
    files: Mapping[str, bytes]


def made_set(serial: int, files: Mapping[str, bytes], *, made_us: int = MADE_US) -> MadeSet:
    """Return a set with these files."""
    manifest = manifest_octets(
        Manifest(
            family="clamav",
            serial=serial,
            made_us=made_us,
            version=f"test {serial}",
            files=tuple(
                DefinitionsFile(name=name, size=len(octets), sha256=sha256(octets).hexdigest())
                for name, octets in sorted(files.items())
            ),
        )
    )
    return MadeSet(SetName(serial, sha256(manifest).hexdigest()), manifest, dict(files))


def bring(sets: KeptSets, made: MadeSet) -> None:
    """Let a set be there as if it had been fetched."""
    incoming = sets.incoming(made.name)
    incoming.mkdir()
    for name, octets in made.files.items():
        (incoming / name).write_bytes(octets)
    (incoming / MARKER).write_bytes(marker_octets(made.name))
    (incoming / "manifest.json").write_bytes(made.manifest)
    sets.accept(made.name)


def in_folder(folder: Path) -> dict[str, bytes]:
    """Return the files that an engine would read, but for the marker."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MARKER
    }
