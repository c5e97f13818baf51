"""What does one load do to one gateway?

Touches the gateway, the load generator, control groups and the clock. The result is one flat record
(``docs/benchmarks.md`` is made from many of them).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.bench.generator import Generator
from tests.bench.groups import Group, machine_busy_s
from tests.bench.loads import Load, messages_of, warm_up_of
from tests.bench.peers.peer import SINK, Peer

SAMPLE_S = 0.5


class Memory(threading.Thread):
    """Samples the memory of control groups until it is told to stop."""

    def __init__(self, groups: Mapping[str, Group]) -> None:
        super().__init__(name="memory", daemon=True)
        self.peak_mib: dict[str, float] = {}
        self._groups = dict(groups)
        self._enough = threading.Event()

    def run(self) -> None:
        while not self._enough.wait(SAMPLE_S):
            self.sample()

    def sample(self) -> None:
        for name, group in self._groups.items():
            now_mib = round(group.pss_mib(), 1)
            self.peak_mib[name] = max(now_mib, self.peak_mib.get(name, 0.0))

    def stop(self) -> dict[str, float]:
        """Return the most that each group had."""
        self._enough.set()
        self.join()
        self.sample()
        return self.peak_mib


def measure(
    peer: Peer, load: Load, generator: Generator, *, aim_s: float, round_: int
) -> dict[str, Any]:
    """Warm a gateway up, put a load on it, and return the record of it.

    Args:
        peer: started already.
        load: what to send.
        generator: sends it.
        aim_s: how long the run should take.
        round_: which time this is, from 1.

    Raises:
        GeneratorFailed: the load could not be sent.
    """

    def send(messages: int, seconds_max: float) -> dict[str, Any]:
        return generator.send(
            load, target=peer.target, sink=SINK, messages=messages, seconds_max=seconds_max
        )

    warm = send(warm_up_of(load), 30)
    peer.settle()
    messages = messages_of(load, warm_rate=warm["rate"], aim_s=aim_s)
    groups = peer.parts.groups
    before = {name: group.cpu_s() for name, group in groups.items()}
    memory = Memory(groups)
    memory.start()
    (busy, steal), begun = machine_busy_s(), time.monotonic()
    result = send(messages, aim_s * 8)
    wall_s = time.monotonic() - begun
    busy, steal = (now - then for now, then in zip(machine_busy_s(), (busy, steal), strict=True))
    used = {name: round(group.cpu_s() - before[name], 3) for name, group in groups.items()}
    foreign_s = busy - sum(used.values()) - result["source_cpu_s"] - result["sink_cpu_s"]
    return {
        "peer": peer.name,
        "load": load.name,
        "round": round_,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        **result,
        "cpu_s": {name: s for name, s in used.items() if name not in peer.apart},
        "apart_cpu_s": {name: s for name, s in used.items() if name in peer.apart},
        "pss_mib": memory.stop(),
        "machine_busy": round(busy / wall_s / (os.cpu_count() or 1), 3),
        "foreign_cpus": round(max(0.0, foreign_s) / wall_s, 3),
        "steal": round(steal / wall_s / (os.cpu_count() or 1), 4),
        **peer.settle(),
    }
