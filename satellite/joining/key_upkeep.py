"""Who sees to it that a member's certificates never end?

Touches the node's folder and the join door, from the parent: it looks each minute, and starts a
process of its own for what is due. What fails is told once, and tried again. So the node also hears
which machines can be the core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from common.clock import Clock
from common.errors import BorderScoutError
from satellite.joining.core_following import WITHIN
from satellite.joining.core_peers import TunnelNotFollowed
from satellite.joining.due_keys import is_anything_due

log = structlog.get_logger()

LOOK_S = 60.0
LONGEST_PAUSE_S = 3_600.0  # between two tries of what fails; the first one is a minute
RENEWAL_S = 300.0  # for one renewal, the trial of a tunnel included


class KeyUpkeep:
    """Looks after the keys of a node that has joined.

    Args:
        folder: the node's.
        command: what runs one renewal.
        clock: for the time and the waits.
        within: root's file of what the tunnel may lead to.
    """

    def __init__(
        self, folder: Path, *, command: Sequence[str], clock: Clock, within: Path = WITHIN
    ) -> None:
        self._folder = folder
        self._within = within
        self._command = command
        self._clock = clock
        self._problem = ""
        self._pause_s = LOOK_S

    async def run(self) -> None:
        """Look each minute, until cancelled."""
        while True:
            await self._clock.sleep(self._pause_s)
            await self.look()

    async def look(self) -> None:
        """Renew what is due."""
        now_s = self._clock.now_us() / 1e6
        try:
            if not await asyncio.to_thread(
                is_anything_due, self._folder, now_s=now_s, within=self._within
            ):
                self._problem, self._pause_s = "", LOOK_S
                return
        except TunnelNotFollowed as error:  # of the keys nothing is due
            self._pause_s = LOOK_S
            self._tell(str(error), event="tunnel.not_followed")
            return
        except BorderScoutError as error:
            self._tell(str(error))
            return
        status, said, wrong = await self._renewed()
        if status == 0:
            self._problem, self._pause_s = "", LOOK_S
            log.info("keys.renewed", outcome=said)
        else:
            # A trial of a tunnel that fails costs a minute of it: not every minute.
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            self._tell(wrong or f"ended with {status}")

    async def _renewed(self) -> tuple[int, str, str]:
        """Run one renewal; return its exit status, what it said, and what went wrong."""
        process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(RENEWAL_S):
                said, wrong = await process.communicate()
        except TimeoutError:
            return 1, "", f"took longer than {RENEWAL_S:.0f} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        lines = wrong.decode("utf-8", "replace").strip().splitlines()
        return process.returncode or 0, said.decode("ascii", "replace").strip(), "".join(lines[-1:])

    def _tell(self, problem: str, *, event: str = "keys.not_renewed") -> None:
        if problem != self._problem:
            log.warning(event, reason=problem[:500], hint="it is tried again")
        self._problem = problem
