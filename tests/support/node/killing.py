"""Who is killed, and are they all there again?

Touches processes of a cluster. A victim is drawn by the one source of chance of the run; it may be
about to start again when its turn comes, so it is waited for.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import StrEnum

from tests.support.cluster import cluster as clusters
from tests.support.cluster.cluster import CORE, Cluster
from tests.support.waiting import until


class Victim(StrEnum):
    """What is killed."""

    PARENT = "a satellite's parent"
    FORK_SERVER = "a fork server"
    WORKER = "a worker"
    HELPER = "a helper"
    CORE = "the core"


class Killer:
    """Kills parts of a cluster, and sees to it that what nobody restarts is started again.

    Args:
        running: the cluster.
        chance: draws the node and the shard.
    """

    def __init__(self, running: Cluster, chance: random.Random) -> None:
        self._cluster = running
        self._chance = chance
        self.killed: list[str] = []

    async def kill(self, victim: Victim) -> None:
        """Kill one of that kind somewhere, and return once all is ready again."""
        node = self._chance.choice(self._cluster.nodes)
        match victim:
            case Victim.CORE:
                node = CORE
                await self._cluster.kill(CORE)
                await self._cluster.restart(CORE)
            case Victim.PARENT:
                await self._cluster.kill(node)
                await self._cluster.restart(node)
            case Victim.FORK_SERVER:
                await self._kill_child(node, self._cluster.fork_server)
            case Victim.WORKER:
                await self._kill_child(node, self._some_worker)
            case Victim.HELPER:
                await self._kill_child(node, self._cluster.helper)
        self.killed.append(f"{victim} ({node})")

    def _some_worker(self, node: str) -> int | None:
        found = sorted(self._cluster.shards(node).values())
        return self._chance.choice(found) if found else None

    async def _kill_child(self, node: str, find: Callable[[str], int | None]) -> None:
        async def look() -> int | None:
            return find(node)

        clusters.kill(await until(look, f"{node} has such a process"))
        await self._cluster.ready(node)
