"""Which ports does the front end need: of the spool, judging, filters, delivery and the settings?

Pure: seven ports. The spool fits two of them, judging the third, delivery the fourth, the settings
of a program the fifth, what filters counted the sixth, DNS lists the seventh; tests put a list in
their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from common.envelope import Envelope
from common.ids import MessageId
from common.preferences import Preferences
from common.settings.satellite import SmtpSettings
from satellite.overload.pressure import RefusalCause
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Judgement, Stored


class FrontEndSettings(Protocol):
    """The settings of whatever program takes mail."""

    @property
    def hostname(self) -> str:
        """What we call ourselves."""
        ...

    @property
    def mail_domain(self) -> str:
        """The domain of our own mail."""
        ...

    @property
    def smtp(self) -> SmtpSettings:
        """The limits of the front end."""
        ...


class PutsOff(Protocol):
    """What says whether a recipient is to be put off, since too little or too much was seen."""

    def __call__(self, client_address: str, sender: str, recipient: str, /) -> RefusalCause | None:
        """Return why, or None: the recipient is taken."""
        ...


def puts_nobody_off(client_address: str, sender: str, recipient: str, /) -> None:
    """Take every recipient."""


class ConnectLists(Protocol):
    """Who knows which clients are on lists for which they are refused before the greeting."""

    def lets_in(self, client_address: str) -> bool:
        """Say whether a client is let in without anybody being asked."""
        ...

    async def refusal(self, client_address: str) -> str | None:
        """Return why a client is refused, printable, or None; whoever is silent refuses nobody."""
        ...


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

    def offered(self, *, envelope: Envelope, trace: bytes) -> tuple[Stored, Body]:
        """Return message and body as they came, before anything of them is durable."""
        ...

    async def commit(
        self, *, envelope: Envelope, trace: bytes, judgement: Judgement | None = None
    ) -> None:
        """Return when the message is durable, with its judgement if it has one already.

        Raises:
            DiskFull, EnvironmentFailure: it is not, and nothing was taken.
        """
        ...

    async def reject(self, *, envelope: Envelope, trace: bytes, judgement: Judgement) -> None:
        """Return when it is on record why the message is not taken.

        Raises:
            DiskFull, EnvironmentFailure: it is not.
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


class Verification(Protocol):
    """Who knows which mailboxes a customer's server takes mail for."""

    def at_hand(self, address: str) -> bool | None:
        """Return whether there is such a mailbox if that is known already, else None."""
        ...

    async def verify(self, address: str) -> bool | None:
        """Ask whether there is such a mailbox; None: nobody knows now."""
        ...


class BlockLists(Protocol):
    """Who knows which clients are on lists for which a recipient's policy refuses them.

    An envelope has client, HELO name, sender, and one recipient.
    """

    @property
    def is_wanted(self) -> bool:
        """Whether any policy refuses somebody so."""
        ...

    def at_hand(self, envelope: Envelope) -> bool | None:
        """Return whether the client is refused if that is known already, else None."""
        ...

    async def is_refused(self, envelope: Envelope) -> bool:
        """Find it out; whoever does not answer in time refuses nobody."""
        ...


class ScanBeforeAnswer(Protocol):
    """Who scans a message before it is answered, where a policy asks for it."""

    def budget_s(self, recipients: Sequence[str]) -> float | None:
        """Return the seconds that a sender may wait for it, or None to answer at once."""
        ...

    async def judge_before_answer(self, stored: Stored, body: Body) -> Judgement | None:
        """Return the judgement of a message that is not accepted yet, or None: judge it later."""
        ...
