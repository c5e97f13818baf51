"""Which mail does the demonstration send, under which policies, and what must become of it?

Pure: the inventory, the policies, and the mail that is sent, each with what must become of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SITES = (
    ("london", "lon1", 51.51, -0.13),
    ("frankfurt", "fra1", 50.11, 8.68),
    ("madrid", "mad1", 40.42, -3.7),
)

# The industry's test string, in two parts so that no scanner stumbles over this file.
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class ExpectedOutcome(StrEnum):
    """What must become of a message."""

    DELIVERED = "delivered"
    MARKED = "marked"  # delivered, with the tag before its subject
    QUARANTINED = "quarantined"
    DROPPED = "dropped"
    REFUSED = "refused"  # 550 before it was accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoMessage:
    """One kind of message.

    Args:
        name: in the summary, and in the local part of the sender.
        recipient: to whom.
        subject, text: what it says.
        fate: what must become of it.
        decided: words that the reason must hold.
    """

    name: str
    recipient: str
    subject: str
    text: str
    fate: ExpectedOutcome
    decided: str


MESSAGES = (
    DemoMessage(
        name="plain",
        recipient="anna@acme.example",
        subject="Minutes of Tuesday",
        text="As agreed, here they are.",
        fate=ExpectedOutcome.DELIVERED,
        decided="clean",
    ),
    DemoMessage(
        name="lottery",
        recipient="anna@acme.example",
        subject="You won the lottery",
        text="Send us your bank details.",
        fate=ExpectedOutcome.MARKED,
        decided="LOTTERY",
    ),
    DemoMessage(
        name="pills",
        recipient="ben@bolt.example",
        subject="cheap pills",
        text="Buy now.",
        fate=ExpectedOutcome.QUARANTINED,
        decided="PILLS",
    ),
    DemoMessage(
        name="virus",
        recipient="ben@bolt.example",
        subject="Your invoice",
        text=EICAR,
        fate=ExpectedOutcome.QUARANTINED,
        decided="Eicar",
    ),
    DemoMessage(
        name="flood",
        recipient="anna@acme.example",
        subject="FLOOD FLOOD FLOOD",
        text="Nobody wants this.",
        fate=ExpectedOutcome.DROPPED,
        decided="FLOOD",
    ),
    DemoMessage(
        name="friend",
        recipient="cleo@acme.example",
        subject="cheap pills",
        text="The leaflet of your pharmacy.",
        fate=ExpectedOutcome.DELIVERED,
        decided="white",
    ),
    DemoMessage(
        name="enemy",
        recipient="cleo@acme.example",
        subject="Hello again",
        text="We met before.",
        fate=ExpectedOutcome.QUARANTINED,
        decided="black",
    ),
    DemoMessage(
        name="stranger",
        recipient="x@elsewhere.example",
        subject="Relay this",
        text="Please.",
        fate=ExpectedOutcome.REFUSED,
        decided="550 5.7.1",
    ),
)

MARK = "[spam?] "
SENDERS = "sender.example"  # the domain of all


def sender_of(planned: DemoMessage) -> str:
    """Return the sender of an act; lists go by it."""
    return f"{planned.name}@{SENDERS}"


def inventory(deliver_to: str, *, engines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the demonstration's inventory.

    Args:
        deliver_to: HOST:PORT of the customers' mail server.
        engines: of every satellite.
    """
    return {
        "cluster": {
            "name": "demo",
            "mail_domain": "mx.scout.example",
            "vpn": "10.77.0.0/16",
        },
        "core": {"name": "core", "public": "core.scout.example", "vpn_address": "10.77.0.1"},
        "workers": 1,
        "engines": list(engines),
        "sites": [
            {
                "name": site,
                "location": [latitude, longitude],
                "capacity": 100,
                "state": "active",
                "nodes": [
                    {
                        "name": node,
                        "public": f"{network}.10",
                        "vpn_address": f"10.77.{number}.1",
                    }
                ],
            }
            for number, ((site, node, latitude, longitude), network) in enumerate(
                zip(SITES, ("192.0.2", "198.51.100", "203.0.113"), strict=True), start=1
            )
        ],
        "customers": [
            {
                "name": customer,
                "domains": [{"name": domain, "deliver_to": [deliver_to], "location": [52.4, 4.9]}],
            }
            for customer, domain in (("acme", "acme.example"), ("bolt", "bolt.example"))
        ],
    }


def documents() -> list[dict[str, Any]]:
    """Return the policies, rules and list entries that give each act its fate."""

    def rule(name: str, pattern: str, score: float) -> dict[str, Any]:
        body = {"field": "subject", "pattern": pattern, "score": score}
        return {"kind": "rule", "key": name, "body": body}

    def entry(colour: str, sender: str, reason: str) -> dict[str, Any]:
        key = f"{colour}/customer/acme/{sender}"
        return {"kind": "list", "key": key, "body": {"reason": reason}}

    return [
        rule("lottery", "(?i)lottery", 6),
        rule("pills", "(?i)cheap pills", 12),
        rule("flood", "FLOOD", 40),
        entry("white", "friend@sender.example", "the pharmacy"),
        entry("black", "enemy@sender.example", "asked us to stop him"),
        # No DNS knows the senders, so that nobody could prove that it is the pharmacy.
        {
            "kind": "policy",
            "key": "cluster",
            "body": {"score.drop": 30.0, "subject_tag": MARK, "whitelist.proof": "envelope"},
        },
    ]


def message(planned: DemoMessage, *, number: int) -> bytes:
    """Return the octets of one message, with a Message-ID that tells it from all others."""
    lines = (
        f"From: <{sender_of(planned)}>",
        f"To: <{planned.recipient}>",
        f"Subject: {planned.subject}",
        f"Message-ID: {message_id(planned, number=number)}",
        "Date: Tue, 24 Nov 2026 09:00:00 +0000",
        "",
        planned.text,
        "",
    )
    return "\r\n".join(lines).encode("ascii")


def message_id(planned: DemoMessage, *, number: int) -> str:
    """Return the Message-ID of one message."""
    return f"<{planned.name}.{number}@{SENDERS}>"


def picked(numbers: Sequence[int]) -> list[DemoMessage]:
    """Return an act for each number, the plain one most often: as mail comes in the world."""
    weighted = [MESSAGES[0]] * 6 + list(MESSAGES)
    return [weighted[number % len(weighted)] for number in numbers]
