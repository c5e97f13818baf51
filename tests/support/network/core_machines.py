"""How does a test have several machines that can be the core, and a shard that knows them all?

Touches a temporary folder and loopback: a machine is a folder and a port.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common import rpc
from common.clock import SystemClock
from core.store.database import Database
from satellite.link.core_choice import ChoiceWaits
from satellite.link.status import LinkStatus
from satellite.spool.store import Spool
from tests.support.core.rooms import route
from tests.support.network.link import (
    Certificates,
    Core,
    HurriedClock,
    Shard,
    satellite_settings,
    until,
)
from tests.support.network.ports import free_port
from tests.support.spool.listening import listen

# The link's clock runs faster than the wall's, by which cores answer: on trial an address has so
# long that a slow machine makes nobody move.
WAITS = ChoiceWaits(lost_s=40.0, trial_s=400.0, trial_longest_s=400.0, judged_s=400.0)
PATIENT = replace(WAITS, lost_s=1e6)


class CoreMachines:
    """Machines that can be one core, of which ``a`` is it at first.

    Args:
        folder: for all of them.
        names: of the machines, in the order in which the shard knows them.
    """

    def __init__(self, folder: Path, names: Sequence[str] = ("a", "b")) -> None:
        self.ports = {name: free_port() for name in names}
        self.running: dict[str, Core] = {}
        self._folder = folder
        self._certificates = Certificates(folder / "authority")
        self.spool: Spool
        self.shard: Shard

    async def begin(self, *, waits: ChoiceWaits = WAITS) -> None:
        """Let a shard follow the core at ``a``, which has one revision."""
        core = await self.start("a")
        await core.database.preferences.publish([route()], who="test")
        self.spool = await Spool.open(
            self._folder / "shard0", node="lon1", shard=0, clock=SystemClock()
        )
        self.start_shard(waits=waits)
        await until(lambda: self.shard.applied == [1], "it follows its core")
        await until(lambda: self.spool.backlog_sizes() == (0, 0), "its core has its records")

    def start_shard(self, *, waits: ChoiceWaits = WAITS) -> None:
        """Run a link that begins with the first address, as after a restart of its node."""
        first, *others = self.ports.values()
        settings = satellite_settings(self.certificate("lon1"), port=first)
        standbys = [f"127.0.0.1:{port}" for port in others]
        core = settings.core.model_copy(update={"standbys": standbys})
        self.shard = Shard.start(
            self.spool, settings.model_copy(update={"core": core}), waits=waits
        )
        listen(self.spool, outgoing=self.shard.link.outgoing)

    def certificate(self, node: str) -> rpc.TlsFiles:
        """Return where a node's certificate is."""
        return self._certificates.issue("satellite", node)

    async def start(self, name: str) -> Core:
        """Start the core on a machine."""
        core = await Core.start(
            self._folder / name, self._certificates.issue("core", "core"), port=self.ports[name]
        )
        self.running[name] = core
        return core

    async def stop(self, name: str) -> None:
        """Stop the core on a machine."""
        await self.running.pop(name).stop()

    async def bring(self, origin: str, to: str) -> None:
        """Bring the state of a core that is stopped to another machine, in a new epoch."""
        shutil.copytree(self._folder / origin, self._folder / to)
        place = self._folder / to / "core.db"
        async with await Database.open(place, clock=HurriedClock()) as database:
            await database.preferences.renew_epoch(who="restore")

    def status(self) -> LinkStatus:
        """Return how the shard's link is."""
        return self.shard.link.status(now_s=HurriedClock().monotonic_s())

    def is_at(self, name: str) -> bool:
        """Say whether the shard follows the core on a machine, and has all that it has."""
        link = self.status()
        return (
            link.core == f"127.0.0.1:{self.ports[name]}" and link.lag == 0 and not link.core_refused
        )

    async def end(self) -> None:
        """Stop the shard and all cores."""
        await self.shard.stop()
        await self.spool.close()
        for name in list(self.running):
            await self.stop(name)
