"""P1, P2, P3: what was said to be durable is there after ``kill -9`` at any moment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.ids import MessageId
from satellite.spool.states import State
from satellite.spool.store import Spool
from tests.support.processes import Process

DEADLINE_S = 60.0
MOMENTS = (1, 2, 3, 7, 20, 41, 80, 133, 250, 400)


async def _kill_after(folder: Path, lines: int) -> list[str]:
    command = [sys.executable, "-m", "tests.support.spool_writer", str(folder)]
    async with Process(command) as writer:
        await writer.wait_for_line(rf"^(accepted|ended) \S+ {lines}$", deadline_s=DEADLINE_S)
        await writer.kill()
        return [str(line) for line in writer.lines]


@pytest.mark.parametrize("lines", MOMENTS)
async def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path, lines: int) -> None:
    said = [line.split() for line in await _kill_after(tmp_path, lines)]
    accepted = {words[1] for words in said if words[0] == "accepted" and len(words) == 3}
    ended = {words[1] for words in said if words[0] == "ended" and len(words) == 3}

    spool = await Spool.open(tmp_path, node="lon1", shard=0, clock=SystemClock())
    try:
        records = spool.records(after=0, limit=100_000)
        assert [record.sequence for record in records] == list(range(1, len(records) + 1))
        told = {record.message_id for record in records if record.event == "accepted"}
        assert accepted <= told
        for name in accepted:
            message = spool.message(MessageId(name))
            outcomes = [r for r in records if r.event == "ended" and r.message_id == name]
            assert (message is None) == (len(outcomes) == 1), name
            assert not (message and name in ended), name
            if message is not None:
                assert message.recipients[0].state is not State.SENDING
                with spool.open_body(message) as body:
                    assert body.read(0, 8) == b"Subject:"
    finally:
        await spool.close()
