"""What does a node do when twice as much mail comes as it can deal with?

Touches a node, its core, the load generator and the clock. Goodput is what arrives behind the node,
from the first connection to the last arrival; what is put off with 4xx comes again in real life,
and does not count here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench.generator import Generator
from tests.bench.loads import LOADS
from tests.bench.peers.catalogue import PEERS
from tests.bench.peers.peer import SINK
from tests.bench.peers.scout import Scout

WARM_UP_MESSAGES = 500
AT_PEAK_S = 15.0
OVER_S = 30.0
TIMES = 2.0  # the rate that is kept up
SESSIONS = 400  # so many that nobody waits for a free one: the senders do not slow down


def run(work: Path, *, name: str) -> dict[str, Any]:
    """Measure a node's peak, put twice of it on it, measure again, and return the record.

    Args:
        work: folder.
        name: of one of our ways to run.

    Raises:
        PeerFailed: the node did not start.
        GeneratorFailed: mail could not be sent.
    """
    scout = PEERS[name](work)
    assert isinstance(scout, Scout)
    generator = Generator(work / "load")

    def at_peak(messages: int) -> dict[str, Any]:
        result = generator.send(
            LOADS["i"], target=scout.target, sink=SINK, messages=messages, seconds_max=120
        )
        scout.settle()
        return result

    try:
        scout.start()
        messages = int(at_peak(WARM_UP_MESSAGES)["rate"] * AT_PEAK_S)
        before = at_peak(messages)
        offered = TIMES * before["rate"]
        flood = replace(LOADS["i"], sessions=SESSIONS, rate_per_s=offered)
        over = generator.send(
            flood,
            target=scout.target,
            sink=SINK,
            messages=int(offered * OVER_S),
            seconds_max=OVER_S,
        )
        scout.settle()
        after = at_peak(messages)
        return {
            "peer": name,
            "peak": before["rate"],
            "offered": round(offered, 1),
            "goodput": over["rate"],
            "accept_ms": over["accept_ms"],
            "accepted": over["accepted"],
            "tempfail_4xx": over["tempfail_4xx"],
            "errors": over["errors"],
            "missing": over["missing"],
            "duplicates": over["duplicates"],
            "peak_after": after["rate"],
        }
    finally:
        scout.stop()
