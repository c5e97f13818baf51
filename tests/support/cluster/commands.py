"""How does a test run ``borderscout`` as a user does?

Touches processes: the installed console script, its exit status and what it says.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("borderscout")
DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Return its one object; the command must have done what it was asked."""
        assert self.status == 0, self
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        """Return its objects, one a line; the command must have done what it was asked."""
        assert self.status == 0, self
        return [json.loads(line) for line in self.out.splitlines()]


async def run(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Said:
    """Run ``borderscout`` as a user does, and return what came of it."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ) | dict(env or {}),
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())
