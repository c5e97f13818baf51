"""Does the core keep what it vouched for, and nothing by halves, when it is killed? (P2, P3)"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.core.vouched import Vouched
from tests.support.node.processes import Process

# The n-th acknowledgement after each start.
SOME = (1, 3, 8, 21, 4, 7)
MOMENTS = (1, 2, 3, 5, 8, 13, 21, 4, 6, 7, 9, 30)


@pytest.mark.faults
@pytest.mark.parametrize("moments", [SOME, pytest.param(MOMENTS, marks=pytest.mark.long)])
async def test_whatever_was_vouched_for_is_there_after_a_kill_at_any_moment(
    tmp_path: Path, moments: tuple[int, ...]
) -> None:
    vouched = Vouched()

    for moment in moments:
        command = [sys.executable, "-m", "tests.support.core.crash_writer", str(tmp_path)]
        async with Process(command) as writer:
            await writer.says(moment)
            await writer.kill()
            vouched.hear(writer.lines)

        await vouched.check(tmp_path)

    assert vouched.revision > len(moments) / 3
