"""What is a set of definitions called on a node?

Pure. By the core's number and the digest of its manifest: a core that was restored from yesterday
may give a number again, and what was fetched under it before is another set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_TEXT = re.compile(r"([1-9][0-9]{0,18})-([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, order=True)
class SetName:
    """One set of definitions.

    Args:
        serial: the core's number of it.
        digest: SHA-256 of its manifest's octets, in lower-case hex.
    """

    serial: int
    digest: str

    def __str__(self) -> str:
        return f"{self.serial}-{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the set of that name; None when it is the name of none."""
        match = _TEXT.fullmatch(text)
        return cls(int(match[1]), match[2]) if match else None
