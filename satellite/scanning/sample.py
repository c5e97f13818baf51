"""What is an engine given of a message to scan?

Touches the file that a large body lies in. A sample is the octets of DATA exactly as they came,
without the headers that we add; engines read it and never change it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from common.errors import EnvironmentFailure
from common.frozen import dataclass
from common.ids import MessageId

CHUNK_BYTES = 256 * 1024


class SampleUnreadable(EnvironmentFailure):
    """The message itself cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One message as the engines see it.

    Args:
        id: of the message; for log lines.
        size: octets of the body.
        sha256: of the body, 32 octets.
        data: the body when it is at hand, else None.
        path: the spool's file of a large body, else None. At least one of the two is there.
        client: the address that it came from, in canonical text; empty: it is our own. Whose mail
            has cost much of late waits for its turn behind others'.
        may_leave: engines in somebody's cloud may be shown it.
        said_within_s: no verdict is remembered of it, or of its like, that is older, in seconds.
    """

    id: MessageId
    size: int
    sha256: bytes
    data: bytes | None = None
    path: Path | None = None
    client: str = ""
    may_leave: bool = False
    said_within_s: float = math.inf

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

    def chunks(self, offset: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the octets from ``offset`` to ``end``, or all that follow, 256 KiB at a time.

        Raises:
            SampleUnreadable: the file cannot be read, or has not as many as it had.
        """
        stop = self.size if end is None else end
        for start in range(offset, stop, CHUNK_BYTES):
            length = min(CHUNK_BYTES, stop - start)
            try:
                chunk = self.read(start, length)
            except OSError as error:
                raise SampleUnreadable(f"the body cannot be read: {error.strerror}") from None
            if len(chunk) != length:  # the beginning of a message may be clean when it is not
                raise SampleUnreadable("the body is shorter than it was")
            yield chunk
