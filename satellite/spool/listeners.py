"""Which stages does the spool tell that there is work for them?

Pure. A listener is told after what it is told of is durable. It hears no more than that there is
something: losing a call costs nothing that a restart does not find in the spool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.frozen import dataclass
from common.ids import MessageId
from common.records import EndedRecipient


@dataclass(frozen=True, slots=True, kw_only=True)
class MailEnd:
    """What became of recipients of one message, in one step.

    Attributes:
        message: our id.
        sender: reverse-path; empty for a notice.
        recipients: who has ended, and how.
        ms: milliseconds from the message's arrival to this step.
    """

    message: str
    sender: str
    recipients: tuple[EndedRecipient, ...]
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolListeners:
    """All that are told; each is named, so that none can be forgotten.

    Attributes:
        received: of a message that is to be judged.
        queued: of a message that is to be delivered.
        ended: of what became of mail, step by step; of all that one commit has made durable.
        outgoing: of records that the core is to have.
        broken: that only another process can go on with this disk.
    """

    received: Callable[[MessageId], None]
    queued: Callable[[MessageId], None]
    ended: Callable[[Sequence[MailEnd]], None]
    outgoing: Callable[[], None]
    broken: Callable[[], None]

    def committed(self, ends: Sequence[MailEnd]) -> None:
        """Tell of records that are durable now, and of the ends that some of them tell of."""
        if ends:
            self.ended(ends)
        self.outgoing()
