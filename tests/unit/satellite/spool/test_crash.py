"""P1, P2, P3: what was said to be durable is there after ``kill -9`` at any moment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.node.processes import Process
from tests.support.spool.vouched import Vouched

DEADLINE_S = 60.0
MOMENTS = (1, 2, 3, 7, 20, 41, 80, 133, 250, 400)


@pytest.mark.scenario(row=1, checks="a process killed at its n-th acknowledgement: all is there")
@pytest.mark.scenario(row=5, checks="what was acknowledged and taken up by nobody is found")
@pytest.mark.parametrize("lines", MOMENTS)
async def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path, lines: int) -> None:
    command = [sys.executable, "-m", "tests.support.spool.writer", str(tmp_path)]
    vouched = Vouched()

    async with Process(command) as writer:
        await writer.wait_for_line(rf"^(accepted|ended) \S+ {lines}$", deadline_s=DEADLINE_S)
        await writer.kill()
        vouched.hear(writer.lines)

    await vouched.check(tmp_path)
    assert vouched.accepted
