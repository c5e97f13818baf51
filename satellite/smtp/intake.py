"""What does the front end need of the place where mail becomes durable?

Pure: two ports. The spool fits them; tests put a list in its place.
"""

from __future__ import annotations

from typing import Protocol

from common.envelope import Envelope
from common.ids import MessageId
from common.preferences import Preferences


class Incoming(Protocol):
    """One message that is being received."""

    @property
    def id(self) -> MessageId:
        """Ours, and in the reply to the final dot."""
        ...

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append octets of the body.

        Raises:
            DiskFull: there is no room.
            EnvironmentFailure: the disk said something else.
        """
        ...

    async def commit(self, *, envelope: Envelope, trace: bytes) -> None:
        """Return when the message is durable.

        Raises:
            DiskFull, EnvironmentFailure: it is not, and nothing was taken.
        """
        ...

    def abandon(self) -> None:
        """Forget it; harmless after a commit."""
        ...


class Intake(Protocol):
    """Where mail goes."""

    @property
    def preferences(self) -> Preferences:
        """What is applied now."""
        ...

    def begin(self) -> Incoming:
        """Open a message."""
        ...

    def refusal(self) -> str | None:
        """Say why nothing may be accepted now, or None."""
        ...
