"""Does the core keep what it vouched for, and nothing by halves, when it is killed? (P2, P3)"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.core.vouched import Vouched
from tests.support.node.processes import Process

MOMENTS = (1, 2, 3, 5, 8, 13, 21, 4, 6, 7, 9, 30)  # the n-th acknowledgement after each start


@pytest.mark.faults
async def test_whatever_was_vouched_for_is_there_after_a_kill_at_any_moment(
    tmp_path: Path,
) -> None:
    vouched = Vouched()

    for moment in MOMENTS:
        command = [sys.executable, "-m", "tests.support.core.crash_writer", str(tmp_path)]
        async with Process(command) as writer:
            await writer.says(moment)
            await writer.kill()
            vouched.hear(writer.lines)

        await vouched.check(tmp_path)

    assert vouched.revision > len(MOMENTS) / 3
