"""What does the node's own log say of what became of mail, whether or not the core is there?

Touches stdout. One line for the recipients of a message that ended alike in one step, in the form
of every diagnostic; the lines of one commit leave in one write. They are put together here, since
structlog takes four times as long, and this is on the way of every message.

What strangers said stands in a line as JSON in ASCII: no octet of it ends the line or moves a
cursor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted

import structlog

from common.clock import Clock
from common.records import EndedRecipient
from common.states import State
from common.telemetry import put_lines
from satellite.spool.listeners import MailEnd

RECIPIENTS_MAX = 50  # in one line: journald cuts lines of 48 KiB
TEXT_LENGTH_MAX = 500  # characters of a reply or a reason; the record has all


class MailLog:
    """Writes a line for each message that ended.

    Args:
        clock: the time.
        write: takes whole lines.
    """

    def __init__(self, clock: Clock, write: Callable[[str], None] = put_lines) -> None:
        self._clock = clock
        self._write = write
        facts = {
            "event": "message.ended",
            "level": "info",
        } | structlog.contextvars.get_contextvars()
        self._facts = "".join(
            [f",{quoted(name)}:{json.dumps(value, default=str)}" for name, value in facts.items()]
        )

    def ended(self, ends: Sequence[MailEnd]) -> None:
        """Tell what became of mail."""
        now = datetime.fromtimestamp(self._clock.now_us() / 1_000_000, UTC).replace(tzinfo=None)
        rest = f'{self._facts},"time":"{now.isoformat(timespec="microseconds")}Z"}}\n'
        self._write("".join([line + rest for end in ends for line in _lines(end)]))


def _lines(end: MailEnd) -> Iterator[str]:
    """Yield the beginning of each line for what became of one message in one step."""
    begin = f'{{"message":{quoted(end.message)},"sender":{quoted(end.sender)},"recipients":['
    for ending, addresses in _alike(end.recipients):
        for start in range(0, len(addresses), RECIPIENTS_MAX):
            shown = ",".join(map(quoted, addresses[start : start + RECIPIENTS_MAX]))
            yield f'{begin}{shown}]{ending},"ms":{end.ms}'


def _alike(recipients: Sequence[EndedRecipient]) -> list[tuple[str, list[str]]]:
    """Return how recipients ended, as JSON, each with the addresses of those that did so."""
    if len(recipients) == 1:
        return [(_ending(recipients[0]), [recipients[0].address])]
    alike: dict[str, list[str]] = {}
    for one in recipients:
        alike.setdefault(_ending(one), []).append(one.address)
    return list(alike.items())


def _ending(one: EndedRecipient) -> str:
    said = f',"outcome":{quoted(one.outcome)},"reply":{quoted(one.reply[:TEXT_LENGTH_MAX])}'
    if one.outcome == State.DELIVERED:
        return said  # by its reply; by which rule it was judged, its records tell
    return f'{said},"reason":{quoted(one.reason[:TEXT_LENGTH_MAX])}'
