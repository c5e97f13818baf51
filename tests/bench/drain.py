"""How fast does held mail leave, and how soon is a node with much of it ready?

Touches a node, its core, and the clock. The customer's server is away while mail is accepted; the
node holds it. It is stopped and started, killed and started, and then the server comes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.generator import Generator, GeneratorFailed, Sending
from tests.bench.groups import Group
from tests.bench.loads import LOADS
from tests.bench.node import spool_bytes, states, time_to_ready
from tests.bench.parts import PeerFailed
from tests.bench.peers.catalogue import PEERS
from tests.bench.peers.peer import SINK
from tests.bench.peers.scout import Scout

HELD = frozenset({"held", "deferred"})
ACCEPT_RATE_MIN = 50.0  # messages a second; slower than that, something is wrong
BACK_S = 120.0  # a minute to begin, and as much again to be sure that none comes
POLL_S = 0.5
END_S = 60.0


def run(work: Path, *, name: str, messages: int) -> dict[str, Any]:
    """Fill a node, start it anew twice, let its mail go, and return the record of it.

    Args:
        work: folder.
        name: of one of our ways to run.
        messages: how many are held.

    Raises:
        PeerFailed: the node did not start, or does not hold what it accepted.
        GeneratorFailed: mail could not be sent.
    """
    scout = PEERS[name](work)
    assert isinstance(scout, Scout)
    generator = Generator(work / "load")
    try:
        scout.render()
        scout.start_core()
        process = scout.start_node()
        with generator.begin(_command(generator, scout, messages)) as sending:
            record = {"peer": name, **_fill(scout, sending, messages)}
            print(f"  held: {record}", flush=True)
            scout.parts.end(process)
            after_stop = time_to_ready(scout)
            process = after_stop.pop("process")
            scout.parts.kill(process, "node")
            after_kill = time_to_ready(scout)
            del after_kill["process"]
            record |= {"after_stop": after_stop, "after_kill": after_kill}
            print(f"  ready: {after_stop}, after a kill: {after_kill}", flush=True)
            return record | _let_go(scout.parts.groups["node"], sending, messages)
    finally:
        scout.stop()


def _command(generator: Generator, scout: Scout, messages: int) -> list[str]:
    command = generator.command(LOADS["i"], target=scout.target, sink=SINK)
    command += ["--accepted", str(messages), "--seconds", str(messages / ACCEPT_RATE_MIN)]
    return [
        *command,
        "--sink-waits",
        "--every",
        "1",
        "--idle-timeout",
        str(BACK_S),
        "--linger",
        "1",
    ]


def _fill(scout: Scout, sending: Sending, messages: int) -> dict[str, Any]:
    """Wait until everything is accepted, judged and held, and the core has the records of it."""
    fill_s = messages / ACCEPT_RATE_MIN + END_S
    accepted = int(sending.wait_for("loaded", deadline_s=fill_s))
    begun = time.monotonic()
    deadline = begun + fill_s

    def is_held() -> bool:
        now = states(scout)
        return set(now) <= HELD and sum(now.values()) >= accepted

    _until(is_held, sending, deadline, "what was accepted is held")
    judged_s = time.monotonic() - begun
    settled = scout.settle()
    sizes = spool_bytes(scout)
    return {
        "accepted": accepted,
        "accept_rate": sending.progress["accept_rate"],
        "judged_s": round(judged_s, 1),  # after the last was accepted
        "states": states(scout),
        "spool_mib": round(sum(s for f, s in sizes.items() if not f.startswith("core")) / 2**20),
        "pss_mib": round(scout.parts.groups["node"].pss_mib(), 1),
        **settled,
    }


def _let_go(node: Group, sending: Sending, messages: int) -> dict[str, Any]:
    sending.start_sink()
    peak_mib, shown = 0.0, time.monotonic()
    deadline = time.monotonic() + BACK_S + messages / ACCEPT_RATE_MIN
    while sending.is_running:
        if time.monotonic() > deadline:
            raise GeneratorFailed(f"held mail has not left: {sending.progress}")
        peak_mib = max(peak_mib, node.pss_mib())
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            print(f"  arrived: {sending.progress.get('arrived')}", flush=True)
        time.sleep(POLL_S)  # so often is its memory looked at
    result = sending.result()
    arrivals_s = result.get("arrivals_s") or 0.0
    return {
        "first_arrival_s": result.get("first_arrival_s"),
        "arrivals_s": arrivals_s,
        "arrived": result["arrived"],
        "drain_rate": round(result["arrived"] / arrivals_s, 1) if arrivals_s else 0.0,
        "drain_pss_mib": round(peak_mib, 1),
        "missing": result["missing"],
        "duplicates": result["duplicates"],
        "bounces": result["bounces"],
        "tempfail_4xx": result["tempfail_4xx"],
    }


def _until(look: Callable[[], bool], sending: Sending, deadline: float, what: str) -> None:
    while not look():
        if not sending.is_running:
            raise PeerFailed(f"{what}: {sending.result()}")
        if time.monotonic() > deadline:
            raise PeerFailed(f"{what}: not in time; {sending.progress}")
        time.sleep(POLL_S)  # a gateway tells only who asks
