"""Is all that ``writer`` was told is durable still there, and nothing by halves?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from common.clock import SystemClock
from common.ids import MessageId
from common.states import State
from satellite.spool.store import Spool


@dataclass(slots=True)
class Vouched:
    """What a spool said is durable."""

    accepted: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    def hear(self, lines: Iterable[str]) -> None:
        """Take the writer's lines; one that was cut off says nothing."""
        for words in map(str.split, lines):
            if len(words) == 3 and words[2].isdigit():
                match words[0]:
                    case "accepted":
                        self.accepted.add(words[1])
                    case "ended":
                        self.ended.add(words[1])

    async def check(self, folder: Path) -> int:
        """Open the spool and hold it against what was vouched for; return the messages in it.

        Raises:
            AssertionError: something is lost, doubled or torn (P1, P2, P3).
        """
        spool = await Spool.open(folder, node="lon1", shard=0, clock=SystemClock())
        try:
            return self._check(spool)
        finally:
            await spool.close()

    def _check(self, spool: Spool) -> int:
        records = spool.records(after=0, limit=1_000_000)
        assert [record.sequence for record in records] == list(range(1, len(records) + 1))
        told = {record.message_id for record in records if record.event == "accepted"}
        outcomes = [record.message_id for record in records if record.event == "ended"]
        assert len(outcomes) == len(set(outcomes)), "something ended twice"
        assert self.accepted <= told, f"lost: {sorted(self.accepted - told)}"
        found = 0
        for name in told:
            message = spool.message(MessageId(name))
            assert (message is None) == (name in outcomes), name
            if message is None:
                continue
            found += 1
            assert name not in self.ended, name
            assert message.recipients[0].state is not State.SENDING
            with spool.open_body(message) as body:
                assert hashlib.sha256(body.read(0, body.size)).digest() == message.sha256, name
        return found
