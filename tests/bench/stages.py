"""What does each stage of a node cost for one message?

Touches a node, its core, the load generator, ``/proc`` and control groups. Whole processes (the
helpers, the scanner, the core) are counted by the kernel; within the workers the stages are told
apart by a sampler that only this measurement puts into them, so that these figures go into no other
table.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from tests.bench.generator import Generator
from tests.bench.groups import TICKS_PER_S
from tests.bench.loads import LOADS, messages_of, warm_up_of
from tests.bench.peers.catalogue import PEERS
from tests.bench.peers.clamd import GROUP as ENGINES
from tests.bench.peers.peer import SINK
from tests.bench.peers.scout import Scout

SAMPLER = Path(__file__).parent / "sampling"
HELPER = b"satellite.scanning.helper_process"


def run(work: Path, *, name: str, loads: list[str], aim_s: float) -> dict[str, Any]:
    """Put loads on a node, and return the record of what each stage used.

    Args:
        work: folder.
        name: of one of our ways to run.
        loads: their names.
        aim_s: how long each should take.

    Raises:
        PeerFailed: the node did not start.
        GeneratorFailed: mail could not be sent.
    """
    scout = PEERS[name](work)
    assert isinstance(scout, Scout)
    folder = scout.folder / "stages"
    folder.mkdir()
    scout.node_env = {"BENCH_STAGES": str(folder), "PYTHONPATH": str(SAMPLER)}
    generator = Generator(work / "load")
    try:
        scout.start()
        found = {load: _under(scout, folder, generator, load=load, aim_s=aim_s) for load in loads}
        return {"peer": name, "loads": found}
    finally:
        scout.stop()


def _under(
    scout: Scout, folder: Path, generator: Generator, *, load: str, aim_s: float
) -> dict[str, float]:
    """Return the processor time of each stage in ms for a message, under one load."""

    def send(messages: int, seconds_max: float) -> dict[str, Any]:
        return generator.send(
            LOADS[load], target=scout.target, sink=SINK, messages=messages, seconds_max=seconds_max
        )

    warm = send(warm_up_of(LOADS[load]), 30)
    scout.settle()
    before = _used(scout, folder)
    result = send(messages_of(LOADS[load], warm_rate=warm["rate"], aim_s=aim_s), aim_s * 8)
    used = _used(scout, folder)
    scout.settle()
    handled = max(1, result["accepted"] + result["rejected_5xx"])
    return {
        stage: round((seconds - before.get(stage, 0.0)) / handled * 1000, 3)
        for stage, seconds in used.items()
    }


def _used(scout: Scout, folder: Path) -> dict[str, float]:
    """Return the seconds that each stage has used since the node was started.

    The kernel's count of the whole node stands: what the sampler did not see is shared out as what
    it saw.
    """
    groups = scout.parts.groups
    total_s = groups["node"].cpu_s()
    helpers_s = sum(_process_s(pid) for pid in groups["node"].pids() if _is_helper(pid))
    seen: dict[str, float] = {}
    workers_s = 0.0
    for file in folder.glob("*.json"):
        workers_s += _process_s(int(file.stem))
        for stage, seconds in json.loads(file.read_text(encoding="utf-8")).items():
            seen[stage] = seen.get(stage, 0.0) + seconds
    unseen = workers_s / (sum(seen.values()) or 1.0)
    used = {stage: seconds * unseen for stage, seconds in seen.items()}
    used["helper"] = helpers_s
    used["parent"] = total_s - helpers_s - workers_s
    used["engines"] = groups[ENGINES].cpu_s()
    used["core"] = groups["core"].cpu_s()
    return used


def _is_helper(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return HELPER in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _process_s(pid: int) -> float:
    """Return what a process has used itself; one that is gone nothing."""
    with contextlib.suppress(OSError):
        # Behind the name, which may hold anything: utime and stime are its 12th and 13th.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return 0.0
