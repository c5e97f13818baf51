"""How much mail is kept for its zero hour, so that it takes no more than its share?

Pure. Nobody works on it until its minutes are over, as nobody works on mail for a server that is
away: it counts like that, in octets, and not as work. After a restart a message is known once its
turn has come to be looked at, which is within minutes.
"""

from __future__ import annotations

from common.ids import MessageId


class ZeroHourMail:
    """The messages of one shard that are kept, with their sizes."""

    def __init__(self) -> None:
        self._kept: dict[MessageId, tuple[int, int]] = {}
        self.octets = 0
        self.recipients = 0

    def add(self, message: MessageId, *, octets: int, recipients: int) -> None:
        """Count a message, or count it anew."""
        self.remove(message)
        self._kept[message] = octets, recipients
        self.octets += octets
        self.recipients += recipients

    def remove(self, message: MessageId) -> None:
        """Count a message no longer, if it was."""
        octets, recipients = self._kept.pop(message, (0, 0))
        self.octets -= octets
        self.recipients -= recipients
