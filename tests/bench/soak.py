"""Does a node stay as it is while very many messages pass, and is the end of each known?

Touches a node, its core, their folders and the clock. The rate is what node and core together can
keep up for ever: it is measured first, records included, so that nothing but a leak can grow.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.accounting import Account, since
from tests.bench.generator import Generator, GeneratorFailed, Sending
from tests.bench.loads import SOAK
from tests.bench.node import free_bytes, metric, spool_bytes, totals
from tests.bench.parts import PeerFailed
from tests.bench.peers.catalogue import PEERS
from tests.bench.peers.peer import SINK
from tests.bench.peers.scout import Scout, page

TRIAL_MESSAGES = 10_000
TRIAL_S = 120.0
SHARE = 0.8  # of the rate that was kept up in the trial
SAMPLES_MIN = 10  # a short run is looked at more often than once a minute
FREE_BYTES_MIN = 5 << 30
SETTLE_S = 1800.0  # for the core to take what is left at the end
POLL_S = 0.5


def run(
    work: Path, *, name: str, messages: int, rate_per_s: float | None, sample_s: float
) -> dict[str, Any]:
    """Let messages pass through a node, and return the record of it.

    Args:
        work: folder.
        name: of one of our ways to run.
        messages: how many.
        rate_per_s: how fast; None: as fast as node and core kept it up in a trial, less a fifth.
        sample_s: between looks at memory and files.

    Raises:
        PeerFailed: the node did not start, or the disk is nearly full.
        GeneratorFailed: mail could not be sent.
    """
    scout = PEERS[name](work)
    assert isinstance(scout, Scout)
    generator = Generator(work / "load")
    try:
        scout.start()
        trial = _trial(generator, scout)
        rate = rate_per_s or round(SHARE * trial, 1)
        before = totals(scout)
        print(f"  {messages} messages at {rate}/s: {messages / rate / 60:.0f} min", flush=True)
        command = generator.command(SOAK, target=scout.target, sink=SINK)
        command += ["--messages", str(messages), "--rate", str(rate)]  # the later --rate counts
        command += ["--every", "5", "--idle-timeout", "120", "--linger", "5"]
        deadline_s = messages / rate * 2 + 600
        with generator.begin(command) as sending:
            samples = _watch(
                scout, sending, deadline_s, min(sample_s, messages / rate / SAMPLES_MIN)
            )
            result = sending.result()
        settled = scout.settle(deadline_s=SETTLE_S)
        samples.append(_sample(scout, sending))
        account = _account(scout, result, since(before, totals(scout)))
        return {
            "peer": name,
            "messages": messages,
            "rate_per_s": rate,
            "kept_up_per_s": trial,
            "samples": samples,
            "growth": growth_of([sample["pss_mib"]["node"] for sample in samples]),
            "unaccounted": account.unaccounted,
            "complaints": account.complaints(),
            **{key: result[key] for key in ("accepted", "arrived", "duplicates", "total_s")},
            **{key: result[key] for key in ("tempfail_4xx", "errors", "infected_sent")},
            "core": dict(account.core),
            **settled,
        }
    finally:
        scout.stop()


def _trial(generator: Generator, scout: Scout) -> float:
    """Return the messages a second of a short run, from its start until the core has it all."""
    begun = time.monotonic()
    result = generator.send(
        SOAK, target=scout.target, sink=SINK, messages=TRIAL_MESSAGES, seconds_max=TRIAL_S
    )
    scout.settle(deadline_s=SETTLE_S)
    return round(float(result["accepted"]) / (time.monotonic() - begun), 1)


def _watch(
    scout: Scout, sending: Sending, deadline_s: float, sample_s: float
) -> list[dict[str, Any]]:
    begun = time.monotonic()
    samples: list[dict[str, Any]] = []
    while sending.is_running:
        passed_s = time.monotonic() - begun
        if passed_s > deadline_s:
            raise GeneratorFailed(f"the load has not ended: {sending.progress}")
        if free_bytes(scout.folder) < FREE_BYTES_MIN:
            raise PeerFailed("less than 5 GiB of the disk are free: ended before it fills")
        if passed_s >= len(samples) * sample_s:
            samples.append(_sample(scout, sending))
            print(f"  {_line_of(samples[-1])}", flush=True)
        time.sleep(POLL_S)  # a load tells nobody when it ends; its disk is watched meanwhile
    return samples


def _sample(scout: Scout, sending: Sending) -> dict[str, Any]:
    metrics = page(f"{scout.node_url}/metrics")
    groups = scout.parts.groups.items()
    return {
        **sending.progress,
        "pss_mib": {name: round(group.pss_mib(), 1) for name, group in groups},
        "files_bytes": spool_bytes(scout),
        "outbox_records": int(metric(metrics, "borderscout_outbox_records")),
        "outbox_quarantine": int(metric(metrics, "borderscout_outbox_quarantine")),
    }


def _line_of(sample: dict[str, Any]) -> str:
    files = {name: f"{size / 2**20:.1f}" for name, size in sample["files_bytes"].items()}
    return (
        f"{sample.get('accepted', 0)} accepted, {sample.get('arrived', 0)} arrived, PSS MiB "
        f"{sample['pss_mib']}, outbox {sample['outbox_records']}, files MiB {files}"
    )


def _account(scout: Scout, result: dict[str, Any], core: dict[str, int]) -> Account:
    ambiguous = metric(page(f"{scout.node_url}/metrics"), "borderscout_delivery_ambiguous_total")
    return Account(
        accepted=result["accepted"],
        unanswered=result["errors"],
        arrived=result["arrived"] + result["infected_delivered"],
        repeated=result["duplicates"],
        strange=result["unknown"] + result["bounces"],
        ambiguous=int(ambiguous),
        core=core,
    )


def growth_of(values: Sequence[float]) -> float | None:
    """Return the last tenth to the second tenth of a series; None when it is too short for that."""
    tenth = len(values) // 10
    if tenth == 0:
        return None
    second, last = values[tenth : 2 * tenth], values[-tenth:]
    return round(statistics.median(last) / statistics.median(second), 3)
