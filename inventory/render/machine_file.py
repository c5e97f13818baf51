"""How does one file of a rendered cluster come to its place?

Touches the rendered folder. A file is written whole or not at all, and not when it is there
already.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.durable import write_file
from common.issuing import Credential
from inventory.render.node import TLS

SECRET = 0o600
PUBLIC = 0o644
PROGRAM = 0o755
FOLDER = 0o700
BLOCK = 1 << 16  # octets that are compared at once


@dataclass(frozen=True, slots=True)
class File:
    """One file to be written, with its place below the rendered folder."""

    name: str
    content: bytes
    mode: int


def text_file(name: str, text: str) -> File:
    """Return a text that everybody may read."""
    return File(name, text.encode(), PUBLIC)


def json_file(name: str, tree: Any) -> File:
    """Return a tree as JSON that everybody may read."""
    return File(name, (json.dumps(tree, indent=2) + "\n").encode(), PUBLIC)


def pair(folder: str, name: str, found: Credential) -> Iterator[File]:
    """Yield a certificate and its key."""
    # The key first: a certificate without its key would be found good by nobody.
    yield File(f"{folder}/{TLS}/{name}.key", found.key, SECRET)
    yield File(f"{folder}/{TLS}/{name}.crt", found.certificate, PUBLIC)


def write(out: Path, file: File) -> None:
    """Write a file where it is not there as it should be.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    path = out / file.name
    for folder in reversed([parent for parent in path.parents if parent.is_relative_to(out)]):
        folder.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    if not _is_there(path, file):
        write_file(path, file.content, mode=file.mode)


def _is_there(path: Path, file: File) -> bool:
    try:
        said = path.stat()
        if stat.S_IMODE(said.st_mode) != file.mode or said.st_size != len(file.content):
            return False
        rest = memoryview(file.content)
        with path.open("rb") as there:  # a block at a time: the first revision is large
            while block := there.read(BLOCK):
                if block != rest[: len(block)]:
                    return False
                rest = rest[len(block) :]
        return not rest
    except FileNotFoundError:
        return False
