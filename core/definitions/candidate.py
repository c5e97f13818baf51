"""What does a set that is put together hold, and may it follow the one in use?

Touches the first octets of its files. What the trial cannot see is seen here: a mirror that went
back to older definitions, or lost most of them. Both load well, find the test file and stop nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from common.definitions import MADE_US_MAX, DefinitionsFile, Manifest
from core.definitions.clamav_files import (
    HEADER_BYTES,
    Container,
    read_container,
    version_text,
)
from core.definitions.trial_clamd import DefinitionsRefused

SHRUNK_SIGNATURES_MIN = 1_000  # of fewer, half is no sign of anything
_DAILY = "daily"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedSet:
    """A set that is put together and has no serial yet.

    Args:
        files: in the order of their names.
        containers: what each official database says of itself, by its name without the ending.
        made_us: when the definitions were made; 0: unknown.
    """

    files: tuple[DefinitionsFile, ...]
    containers: Mapping[str, Container]
    made_us: int

    @property
    def version(self) -> str:
        """Its version, for people."""
        said = [(f"{name}.", container) for name, container in self.containers.items()]
        beside = sum(not file.name.endswith(".sign") for file in self.files) - len(said)
        return version_text(said, beside)

    @property
    def content(self) -> str:
        """What stands for all that the mirror gave of it."""
        return content_of(file for file in self.files if not file.is_custom)

    def manifest(self, *, family: str, serial: int) -> Manifest:
        """Return the manifest under which it is kept."""
        return Manifest(
            family=family,
            serial=serial,
            made_us=self.made_us,
            version=self.version,
            files=self.files,
        )


def candidate_in(
    folder: Path, files: tuple[DefinitionsFile, ...], *, otherwise_us: int
) -> StagedSet:
    """Return what stands in a folder.

    Args:
        otherwise_us: when the definitions were made, where no official database says it.

    Raises:
        OSError: it cannot be read.
    """
    containers: dict[str, Container] = {}
    for file in files:
        with (folder / file.name).open("rb") as content:
            said = read_container(content.read(HEADER_BYTES))
        if said is not None:
            containers[file.name.partition(".")[0]] = said
    daily = containers.get(_DAILY)
    newest = max((said.built_us for said in containers.values()), default=0)
    made_us = (daily.built_us if daily is not None else newest) or otherwise_us
    return StagedSet(files=files, containers=containers, made_us=min(made_us, MADE_US_MAX))


def content_of(files: Iterable[DefinitionsFile]) -> str:
    """Return what stands for a number of files: one SHA-256 over names and digests, in hex."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.sha256}\n".encode())
    return digest.hexdigest()


def refuse_older(new: StagedSet, current: StagedSet) -> None:
    """Accept that no official database is older than the one in use.

    Raises:
        DefinitionsRefused: one is.
    """
    for name, said in new.containers.items():
        known = current.containers.get(name)
        if known is not None and said.version < known.version:
            raise DefinitionsRefused(
                f"the mirror went back from {name} {known.version} to {said.version}"
            )
    gone = sorted(current.containers.keys() - new.containers.keys())
    if gone:
        raise DefinitionsRefused(f"the mirror has no {gone[0]} any more")


def refuse_shrunk(signatures: int, *, before: int) -> None:
    """Accept that no more than half of the signatures are gone; 0: unknown.

    Raises:
        DefinitionsRefused: they are.
    """
    if signatures and before >= SHRUNK_SIGNATURES_MIN and signatures * 2 < before:
        raise DefinitionsRefused(f"they have {signatures} signatures; those in use have {before}")


def next_serial(highest: int, now_us: int) -> int:
    """Return the serial of a new set: the time in UTC, as YYYYMMDDhhmmss.

    By the time, so that a core that was restored from yesterday gives no number a second time.
    """
    return max(highest + 1, serial_at(now_us))


def serial_at(now_us: int) -> int:
    """Return the serial of a set that is taken at a time, microseconds since the epoch."""
    now = datetime.fromtimestamp(now_us / 1_000_000, tz=UTC)
    return int(f"{now:%Y%m%d%H%M%S}")
