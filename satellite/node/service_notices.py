"""When does a node's parent tell the service manager how it stands?

Touches the workers, which are asked, and the service manager. From the parent's own event loop:
when that stands still nothing is told, which is told most clearly.
"""

from __future__ import annotations

from common.clock import Clock
from common.supervisor import STOPPING, ServiceCondition, Supervisor, keep_told
from satellite.node.health import StatusQuestion
from satellite.node.liveness import Liveness, WorkerSeen
from satellite.node.parent import Workers


class ServiceNotices:
    """What the service manager is told of a node.

    Args:
        workers: who is asked.
        manager: who is told.
        clock: the time.
    """

    def __init__(self, workers: Workers, *, manager: Supervisor, clock: Clock) -> None:
        self._workers = workers
        self._manager = manager
        self._clock = clock
        self._liveness = Liveness()

    async def run(self) -> None:
        """Tell it when the node is ready, and that it is alive while it is, for ever."""
        await keep_told(self._manager, self._look, clock=self._clock)

    async def say_end(self) -> None:
        """Tell it when the node was told to stop; one that begins anew goes on."""
        await self._workers.ending.wait()
        if self._workers.was_told_to_stop:
            self._manager.tell(STOPPING)

    async def _look(self) -> ServiceCondition:
        answers = await self._workers.ask_each(StatusQuestion())
        seen = {
            worker.shard: WorkerSeen(
                starts=worker.starts,
                is_running=worker.running_with is not None,
                has_failed=worker.failures > 0,
                is_retiring=worker.retiring,
                answer=answers[worker.shard],
            )
            for worker in self._workers.all
            if worker.shard in answers
        }
        return self._liveness.look(seen, now_s=self._clock.monotonic_s())
