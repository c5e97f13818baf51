"""What is an engine given of a message to scan?

Touches the file that a large body lies in. A sample is the octets of DATA exactly as they came,
without the headers that we add; engines read it and never change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.ids import MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One message as the engines see it.

    Args:
        id: of the message; for log lines.
        size: octets of the body.
        sha256: of the body, 32 octets.
        data: the body when it is at hand, else None.
        path: the spool's file of a large body, else None. At least one of the two is there.
    """

    id: MessageId
    size: int
    sha256: bytes
    data: bytes | None = None
    path: Path | None = None

    def __post_init__(self) -> None:
        assert self.data is not None or self.path is not None

    def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` octets from ``offset`` on; fewer only at the end.

        Raises:
            OSError: the file cannot be read.
        """
        if self.data is not None:
            return self.data[offset : offset + length]
        assert self.path is not None
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
