"""What does a test of backups begin with: a core's state, and what is taken from it?

Touches a folder: a real database and real bodies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from common.clock import Clock
from common.settings.core import CoreSettings
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody
from core.recovery.backup import MadeBackup, back_up
from core.recovery.places import database_target
from core.store.database import Database
from tests.support.core.face import core_settings
from tests.support.core.rooms import identity, told_case


def quiet(_what: str, _done: int, _total: int | None) -> None:
    """Take what a bar would show."""


@dataclass(frozen=True, slots=True)
class OpenState:
    """A core's rooms on its state folder."""

    database: Database
    bodies: BodyFolder
    custody: Custody
    arrivals: Arrivals

    async def hold(self, message_id: str, body: bytes) -> None:
        """Let a quarantined message arrive."""
        await self.arrivals.open_case(identity(), told_case(message_id, body))
        await self.arrivals.append(identity(), message_id, 0, body)
        await self.arrivals.complete(identity(), message_id)


@asynccontextmanager
async def open_state(settings: CoreSettings, clock: Clock) -> AsyncIterator[OpenState]:
    """Open a core's state, as a running core has it."""
    state = Path(settings.state)
    async with await Database.open(database_target(settings), clock=clock) as database:
        bodies = await BodyFolder.open(state / "bodies")
        yield OpenState(
            database,
            bodies,
            Custody(database=database, bodies=bodies, clock=clock),
            Arrivals(database=database, bodies=bodies, clock=clock),
        )


def settings_in(folder: Path) -> CoreSettings:
    """Return the settings of a core with its state in a folder."""
    return core_settings(folder / "state")


def saved(settings: CoreSettings, folder: Path, *, now_us: int = 5) -> MadeBackup:
    """Save a core."""
    return back_up(settings, folder, now_us=now_us, version="1.2.3", step=quiet)
