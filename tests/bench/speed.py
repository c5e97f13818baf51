"""How do gateways compare under the same loads?

Touches gateways and the results' folder. They alternate: each round starts every gateway once, and
puts every load on it, so that a machine that drifts within the hour drifts for all of them. A
gateway that fails is named, and the others go on; what is measured already can be kept.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.generator import Generator, GeneratorFailed
from tests.bench.loads import LOADS
from tests.bench.measure import measure
from tests.bench.parts import PeerFailed
from tests.bench.peers.catalogue import PEERS
from tests.bench.peers.peer import Peer
from tests.bench.profile import profiled
from tests.bench.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure.

    Args:
        peers: names, in the order in which they take turns.
        loads: names, in the order in which each gateway gets them.
        rounds: how often.
        aim_s: how long one run should take.
        work: folder for everything that is not a result.
        results: where the records go; what is in them already is not measured again.
        profiles: folder for profiles; None: none are made.
    """

    peers: Sequence[str]
    loads: Sequence[str]
    rounds: int
    aim_s: float
    work: Path
    results: Results
    profiles: Path | None = None


def run(plan: Plan) -> list[str]:
    """Measure, and return what failed."""
    generator = Generator(plan.work / "load")
    done = {_key(record) for record in plan.results.speed()[1]}
    failed: list[str] = []
    begun, total = time.monotonic(), plan.rounds * len(plan.peers)
    turns = [(round_, name) for round_ in range(1, plan.rounds + 1) for name in plan.peers]
    for turn, (round_, name) in enumerate(turns, start=1):
        loads = [load for load in plan.loads if (name, load, round_) not in done]
        minutes = (time.monotonic() - begun) / 60
        print(f"[{turn}/{total}, {minutes:.0f} min] round {round_}: {name}", flush=True)
        if loads:
            failed += _turn(plan, generator, name=name, loads=loads, round_=round_)
    return failed


def _turn(
    plan: Plan, generator: Generator, *, name: str, loads: Sequence[str], round_: int
) -> list[str]:
    peer = PEERS[name](plan.work)
    try:
        peer.start()
        for load in loads:
            with _spy(plan, peer, load):
                record = measure(peer, LOADS[load], generator, aim_s=plan.aim_s, round_=round_)
            plan.results.add_speed(record)
            print(line_of(record), flush=True)
    except (PeerFailed, GeneratorFailed, OSError) as error:
        print(f"{name}: {error}", flush=True)
        return [f"{name}, round {round_}"]
    finally:
        peer.stop()
    return []


def _spy(plan: Plan, peer: Peer, load: str) -> contextlib.AbstractContextManager[None]:
    if plan.profiles is None:
        return contextlib.nullcontext()
    return profiled(peer, plan.profiles, load=load)


def line_of(record: dict[str, Any]) -> str:
    """Return a record as one line for the terminal."""
    accept, end = record["accept_ms"] or {}, record["e2e_ms"] or {}
    handled = max(1, record["accepted"] + record["rejected_5xx"])
    cpu = {name: round(s / handled * 1000, 2) for name, s in record["cpu_s"].items()}
    apart = {name: round(s / handled * 1000, 2) for name, s in record["apart_cpu_s"].items()}
    return (
        f"  {record['peer']} {record['load']}: {record['rate']:.0f} msg/s, accepted "
        f"{record['accept_rate']:.0f}/s in {_ms(accept)}, end to end {_ms(end)}\n"
        f"    CPU s/1000 {sum(cpu.values()):.2f} {cpu}, apart {apart}, PSS MiB "
        f"{record['pss_mib']}, busy {record['machine_busy']:.2f}, foreign "
        f"{record['foreign_cpus']:.2f}, missing {record['missing']}, errors "
        f"{record['errors'] + record['tempfail_4xx']}, duplicates {record['duplicates']}, "
        f"backlog {record.get('backlog', '-')} in {record.get('backlog_s', '-')} s"
    )


def _ms(quantiles: dict[str, float]) -> str:
    if not quantiles:
        return "- ms"
    return f"{quantiles['p50']:.1f}/{quantiles['p99']:.1f} ms"


def _key(record: dict[str, Any]) -> tuple[str, str, int]:
    return record["peer"], record["load"], record["round"]
