"""What is in a backup of a core, and is it whole?

Touches the files of a backup. A backup is a folder with the database (``core.db``), the bodies of
the quarantine, each named by its SHA-256, a list of them (``bodies.list``) and ``manifest.json``,
which holds the digests of the first and the last; it is written when all else is on the disk.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.durable import write_file
from common.errors import LocalError
from common.message_bounds import MESSAGE_BYTES_MAX
from core.quarantine.cases import SHA256_BYTES
from core.store.snapshot import KeptBody

FORMAT = 1
DATABASE = "core.db"
BODIES = "bodies"
LIST = "bodies.list"
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 65_536
BLOCK_BYTES = 1 << 20

_LINE = re.compile(r"([0-9a-f]{64}) (\d{1,10})\n")


class BackupDamaged(LocalError):
    """A backup is not as it was written, or is none."""


class BackupManifest(BaseModel):
    """What a backup says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int = Field(ge=1)
    cluster: str
    core: str
    authority_keys: tuple[Annotated[str, Field(max_length=64)], ...] = Field((), max_length=16)
    version: str  # of the program
    schema_version: str  # of the database
    generation: int = Field(ge=0)
    epoch: str
    revision: int = Field(ge=0)
    made_us: int = Field(ge=0)  # microseconds since the epoch, UTC
    database_size: int = Field(ge=0)
    database_sha256: str
    bodies: int = Field(ge=0)
    bodies_size: int = Field(ge=0)
    bodies_sha256: str  # of their list
    lost: int = Field(ge=0)  # cases' bodies that were missing at the core already

    def write(self, folder: Path) -> None:
        """Write it, durably."""
        write_file(folder / MANIFEST, self.model_dump_json(indent=2).encode() + b"\n")

    @classmethod
    def read(cls, folder: Path) -> BackupManifest:
        """Return what a folder's manifest says.

        Raises:
            BackupDamaged: there is none, or it cannot be read, or is of a later version.
        """
        file = folder / MANIFEST
        try:
            with file.open("rb") as opened:
                content = opened.read(MANIFEST_BYTES_MAX + 1)
        except OSError as error:
            raise BackupDamaged(
                f"{file}: {error.strerror}", hint="name a folder that core backup has made"
            ) from None
        try:
            manifest = cls.model_validate_json(content[:MANIFEST_BYTES_MAX])
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"])
            raise BackupDamaged(
                f"{file}: {where + ': ' if where else ''}{first['msg']}",
                hint="take another backup, or the version of the program that made this one",
            ) from None
        if manifest.format != FORMAT:
            raise BackupDamaged(
                f"{file}: format {manifest.format}, where this program knows {FORMAT}",
                hint="take the version of the program that made it",
            )
        return manifest


def body_path(folder: Path, sha256: bytes) -> Path:
    """Return where a body is in a backup, and in the state of a core."""
    assert len(sha256) == SHA256_BYTES
    name = sha256.hex()
    return folder / BODIES / name[:2] / name


def write_list(folder: Path, bodies: Iterable[KeptBody]) -> tuple[int, int, str]:
    """Write the list of bodies; return how many they are, how large, and the list's SHA-256."""
    digest, count, size = hashlib.sha256(), 0, 0
    (folder / LIST).touch(0o600, exist_ok=False)
    with (folder / LIST).open("wb") as file:
        for body in bodies:
            line = f"{body.sha256.hex()} {body.size}\n".encode()
            digest.update(line)
            file.write(line)
            count, size = count + 1, size + body.size
    return count, size, digest.hexdigest()


def read_list(folder: Path, manifest: BackupManifest) -> Iterator[KeptBody]:
    """Yield the bodies that a backup has, once its list is found to be whole.

    Raises:
        BackupDamaged: it is not.
    """
    file = folder / LIST
    if digest_of(file) != manifest.bodies_sha256:
        raise BackupDamaged(f"{file}: its SHA-256 is another one", hint="take another backup")
    with file.open("rb") as lines:
        for line in lines:
            found = _LINE.fullmatch(line.decode("ascii", "replace"))
            if found is None or int(found[2]) > MESSAGE_BYTES_MAX:
                raise BackupDamaged(f"{file}: a line of it cannot be read")
            yield KeptBody(bytes.fromhex(found[1]), int(found[2]))


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        BackupDamaged: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with file.open("rb") as opened:
            while block := opened.read(BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise BackupDamaged(f"{file}: {error.strerror}", hint="take another backup") from None
    return digest.hexdigest()
