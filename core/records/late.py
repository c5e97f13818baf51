"""What is told of mail that was delivered before anybody knew what it holds?

Pure: the shapes of a report, and the bounds of what one node's word may set off.

A node speaks of contents of other nodes' mail by their digests. A stolen one could condemn what is
in everybody's mail; what comes of it is a report and an alarm, never a change of mail, and no more
of it than these bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.records.search import iso_time

HOUR_US = 3600 * 1_000_000
CONDEMNED_PER_HOUR_MAX = 1_000  # contents by the word of one node; a bad day has some hundred
LATE_PER_HOUR_MAX = 10_000  # messages by the word of one node
LATE_OF_ONE_MAX = 1_000  # messages with one content that are named; the newest ones
KEPT_HOURS = 168.0  # for which a report names them
ALARM_HOURS = 24.0  # for which status and metrics point to them


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRecipient:
    """Somebody who got such mail, or is about to."""

    address: str
    customer: str
    state: str
    ended_us: int  # 0: not yet

    def as_json(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "state": self.state,
            "delivered": iso_time(self.ended_us) if self.ended_us else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LateMessage:
    """One message, and who says so since when.

    Args:
        digest: of the part that it shares with ``by_message``; empty: its satellite looked again.
        by_node, by_message: where the threat was named, and in which message.
    """

    id: str
    node: str
    received_us: int
    sender: str
    subject: str
    message_id_header: str
    found_us: int
    engine: str
    threat: str
    definitions: str
    digest: str
    by_node: str
    by_message: str
    recipients: tuple[LateRecipient, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "node": self.node,
            "received": iso_time(self.received_us),
            "sender": self.sender,
            "subject": self.subject,
            "message_id": self.message_id_header,
            "found": iso_time(self.found_us),
            "engine": self.engine,
            "threat": self.threat,
            "definitions": self.definitions,
            "digest": self.digest,
            "by": {"node": self.by_node, "id": self.by_message},
            "recipients": [one.as_json() for one in self.recipients],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAlarm:
    """Whether somebody should look at the report.

    Args:
        messages: that were found within the alarm's hours.
        newest_us: when the last one was; 0: there is none.
        silenced: nodes that have said so much within an hour that no more of it counts.
    """

    messages: int
    newest_us: int
    silenced: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        newest = iso_time(self.newest_us) if self.newest_us else None
        return {"messages": self.messages, "newest": newest, "silenced": list(self.silenced)}


def by_customer(messages: Iterable[LateMessage]) -> list[dict[str, Any]]:
    """Return the messages of each customer, with the recipients that are his; by his name."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for message in messages:
        of: dict[str, list[LateRecipient]] = {}
        for recipient in message.recipients:
            of.setdefault(recipient.customer, []).append(recipient)
        for customer, recipients in of.items():
            shown: Mapping[str, Any] = {"recipients": [one.as_json() for one in recipients]}
            groups.setdefault(customer, []).append({**message.as_json(), **shown})
    return [{"customer": name, "messages": groups[name]} for name in sorted(groups)]
