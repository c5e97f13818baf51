"""Which messages are engines shown, and where do they lie?

Touches a folder of its own. As in a spool: what is small is in memory, what is larger is a file.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from common.ids import MessageId
from satellite.scanning.sample import Sample
from satellite.spool.model.messages import INLINE_BYTES_MAX
from tests.bench.templates import MIXES, SEED, TOKEN, messages

INFECTED = "eicar"


def drawn(mix: str, count: int) -> list[str]:
    """Return the kinds of so many messages of a mix, the same each time."""
    shares = MIXES[mix]
    return random.Random(SEED).choices(
        [share.message for share in shares], [share.weight for share in shares], k=count
    )


@contextmanager
def scanned_mail() -> Iterator[ScannedMail]:
    """Give what makes messages; they are gone at the end of the block."""
    with TemporaryDirectory(prefix="bench") as folder:
        yield ScannedMail(Path(folder))


class ScannedMail:
    """The messages that engines are shown.

    Args:
        folder: where the large ones lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def named(self, kinds: Sequence[str], tag: str) -> list[Sample]:
        """Return a message of each kind, as it comes over the wire; no other tag gives the same."""
        return [self._message(kind, f"{tag} {number}") for number, kind in enumerate(kinds)]

    def _message(self, kind: str, name: str) -> Sample:
        token = sha256(f"{kind} {name}".encode()).hexdigest()
        data = _templates()[kind].replace(TOKEN.encode(), token[: len(TOKEN)].encode())
        message = MessageId(f"{kind}-{token[:16]}")  # like all ids, it can stand in an address
        sample = Sample(id=message, size=len(data), sha256=sha256(data).digest(), data=data)
        if len(data) <= INLINE_BYTES_MAX:
            return sample
        return replace(sample, data=None, path=self._written(token, data))

    def _written(self, name: str, data: bytes) -> Path:
        """Return a file with some octets, on the disk: nothing is left to be written meanwhile."""
        path = self._folder / name
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return path


@cache
def _templates() -> dict[str, bytes]:
    return {name: text.replace("\n", "\r\n").encode() for name, text in messages().items()}
