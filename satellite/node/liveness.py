"""Is a node ready, and is it alive, as its workers answer?

Pure: the time arrives as ``now_s``. A worker that has a process and does not answer any more hangs:
nobody but the service manager ends that. One without a process is started again by the parent, and
the others go on meanwhile.

A process that has not answered yet is opening its spool, which may take minutes. One that takes no
mail and says why has come as far as it can: what it waits for is outside, such as a core that has
not given it any preferences, and no other start of it would help (P4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from common.supervisor import ServiceCondition
from satellite.node.health import StatusAnswer
from satellite.node.question import ErrorAnswer
from satellite.node.readiness import why_not_listening

SILENT_S_MAX = 60.0  # of a worker that has answered before; a step of its event loop takes less
OPENING_S_MAX = 1_800.0  # until the first answer: a spool of millions is looked through


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeen:
    """One worker at one look.

    Attributes:
        starts: how many processes it has had; tells them apart.
        is_running: it has a process.
        has_failed: a process of it ended, and nobody had asked for that.
        is_retiring: its shard is one too many, and takes no mail.
        answer: what it said; None: nothing.
    """

    starts: int
    is_running: bool
    has_failed: bool
    is_retiring: bool
    answer: StatusAnswer | ErrorAnswer | None


@dataclass(slots=True)
class _Heard:
    """When one process was first seen or last heard, and what has come of it."""

    starts: int
    since_s: float
    has_answered: bool = False
    has_settled: bool = False


class Liveness:
    """What is known of the workers from one look to the next."""

    def __init__(self) -> None:
        self._heard: dict[int, _Heard] = {}

    def look(self, workers: Mapping[int, WorkerSeen], *, now_s: float) -> ServiceCondition:
        """Return how the node stands.

        Args:
            workers: by shard.
            now_s: monotonic seconds.
        """
        for shard, seen in workers.items():
            self._hear(shard, seen, now_s)
        hanging = sorted(
            shard for shard, seen in workers.items() if self._hangs(shard, seen, now_s)
        )
        opening = [shard for shard, seen in workers.items() if self._opens(shard, seen)]
        settled = [shard for shard in workers if self._heard[shard].has_settled]
        is_ready = bool(settled) and not opening and not hanging
        return ServiceCondition(
            is_ready=is_ready,
            is_starting=bool(opening) and not hanging,
            is_alive=not hanging,
            status=_status(workers, hanging),
        )

    def _hear(self, shard: int, seen: WorkerSeen, now_s: float) -> None:
        known = self._heard.get(shard)
        if known is None or known.starts != seen.starts or not seen.is_running:
            known = self._heard[shard] = _Heard(seen.starts, now_s)
        if seen.answer is not None:
            known.since_s, known.has_answered = now_s, True
            known.has_settled = known.has_settled or _has_settled(seen.answer)

    def _hangs(self, shard: int, seen: WorkerSeen, now_s: float) -> bool:
        known = self._heard[shard]
        longest_s = SILENT_S_MAX if known.has_answered else OPENING_S_MAX
        return seen.is_running and now_s - known.since_s > longest_s

    def _opens(self, shard: int, seen: WorkerSeen) -> bool:
        """Say whether something is still to be expected of a first start."""
        return not self._heard[shard].has_settled and not seen.has_failed and not seen.is_retiring


def _has_settled(answer: StatusAnswer | ErrorAnswer) -> bool:
    if isinstance(answer, ErrorAnswer):
        return True
    return answer.listening or bool(answer.not_accepting_reason)


def _status(workers: Mapping[int, WorkerSeen], hanging: list[int]) -> str:
    if hanging:
        return f"shard {min(hanging)} hangs"
    due = [shard for shard, seen in workers.items() if not seen.is_retiring]
    said = {shard: seen.answer for shard, seen in workers.items()}
    why = why_not_listening(said, retiring=[one for one in workers if one not in due])
    if not why:
        return f"{len(due)} of {len(due)} shards take mail"
    first = min(why)
    return f"{len(due) - len(why)} of {len(due)} shards take mail; shard {first}: {why[first]}"
