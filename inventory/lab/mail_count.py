"""How much mail did the lab's sender send, and what became of it?

Touches the sender's log and queue, and what the customers' servers wrote down.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from inventory.lab import sender
from inventory.lab.topology import LabRole, Machine

BOOK = "mail.jsonl"  # of what the customers' servers got
TRIAL = "trial"  # with this the Message-ID begins of what shows that a node takes mail

_END = re.compile(
    r"/smtp\[\d+\]: \w+: to=<[^>]*>,.* relay=[^\[,]*\[?(?P<relay>[0-9a-fA-F.:]*)\]?.*"
    r" status=(?P<status>sent|bounced|expired)\b"
)
_QUEUES = ("maildrop", "incoming", "active", "deferred", "hold")


@dataclass(slots=True)
class MailCount:
    """Recipients, each counted once, as far as nothing else is said.

    Attributes:
        taken: by node: whom a node took mail for.
        refused: whom no node will ever take mail for, as it said: 5xx.
        waiting: messages in the sender's queue.
        returned: messages that came back to the sender.
        delivered: by node: what the customers' servers got; one message for several counts once.
        message_ids: of what the customers' servers got, each with how often.
    """

    taken: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    waiting: int = 0
    returned: int = 0
    delivered: Counter[str] = field(default_factory=Counter)
    message_ids: Counter[str] = field(default_factory=Counter)


def mail_count(machines: Iterable[Machine], own: Path) -> MailCount:
    """Return what stands in the files of a lab's machines.

    Args:
        own: the folder of the machines' own files.
    """
    counted = MailCount()
    nodes = {address: machine.name for machine in machines for address in machine.addresses}
    queue = own / LabRole.SENDER / "queue"
    for line in _lines(queue / Path(sender.LOG).name):
        if (match := _END.search(line)) is None:
            continue
        if match["status"] == "sent":
            counted.taken[nodes.get(match["relay"], match["relay"])] += 1
        else:
            counted.refused += 1
    counted.waiting = sum(
        1 for name in _QUEUES for file in (queue / name).rglob("*") if file.is_file()
    )
    counted.returned = sum(1 for _ in (queue / Path(sender.RETURNED).name / "new").glob("*"))
    for line in _lines(own / LabRole.CUSTOMERS / "mail" / BOOK):
        got = json.loads(line)
        if got["message_id"].startswith(f"<{TRIAL}-"):
            continue  # it came by no MX
        counted.delivered[got["node"] or got["from"]] += 1
        counted.message_ids[got["message_id"]] += 1
    return counted


def _lines(path: Path) -> list[str]:
    """Return the whole lines of a file that may be written to just now; none when it is not."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return text[: text.rfind("\n") + 1].splitlines()
