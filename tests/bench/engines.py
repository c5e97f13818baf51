"""What does scanning cost with three engines, beside the slowest alone, and from the cache?

Touches engines, which it starts for itself (clamd, c-icap before a clamd of its own, our helper),
and ``/proc``. There is no node around them: what a whole message costs stands in ``stages``. But
messages lie where a spool has them, and event loop and garbage collector are those of a worker. Who
is measured takes turns with the others every few messages, so that a machine that drifts, or that
somebody else uses, drifts for all of them.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.ids import MessageId
from common.pacing import settle_memory
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.scanning.engine import EngineContext, EngineHealth, Fitted, build_engines
from satellite.scanning.engines.clamav import Clamav
from satellite.scanning.helper import Helper
from satellite.scanning.run import Scanner
from satellite.scanning.sample import Sample
from tests.bench.children import Spent, machine_s
from tests.bench.document import ALL
from tests.bench.scanned_mail import INFECTED, drawn, scanned_mail
from tests.bench.templates import SEED
from tests.support.scanning.c_icap import CIcap
from tests.support.scanning.clamd import Clamd

AT_ONCE = 4  # as a worker does
AWAY_MS = (20, 15, 10)
SMALL, MIDDLE = "plain4k", "multi60k"

ICAP: dict[str, Any] = {"profile": "generic", "service": "antivirus_module"}

Scanners = dict[str, Scanner]


class NotScanned(Exception):
    """An engine did not do its work, so that there is nothing to measure."""


class Versioned(Clamav):
    """A clamd that tells a version of its definitions, as one with ClamAV's own databases does."""

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        said = await super().scan(sample, deadline_s=deadline_s)
        return Verdict(  # not ``replace``, which costs more than all that the engine does here
            by=said.by,
            outcome=said.outcome,
            version=said.version,
            definitions="bench",
            threats=said.threats,
            detail=said.detail,
        )

    async def probe(self) -> EngineHealth:
        return replace(await super().probe(), definitions="bench")


def run(*, count: int, repeats: int) -> dict[str, Any]:
    """Measure, and return the record.

    Args:
        count: messages of the mixed load, and of those of 4 KiB.
        repeats: of the message that is scanned again and again.

    Raises:
        NotScanned: an engine gave no verdict.
    """
    with _servers() as (clamd, icap), _settled():
        return uvloop.run(_measured(clamd, icap, count=count, repeats=repeats))


@contextmanager
def _servers() -> Iterator[tuple[str, str]]:
    """Give the addresses of a clamd and of a c-icap."""
    with TemporaryDirectory(prefix="bench") as folder:
        one, other = Clamd(Path(folder) / "1"), Clamd(Path(folder) / "2")
        with one, other, CIcap(other) as icap:
            yield f"unix:{one.socket}", icap.address


@contextmanager
def _settled() -> Iterator[None]:
    """Have the garbage collector look as seldom as it does in a worker."""
    before = gc.get_threshold()
    settle_memory()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def _measured(clamd: str, icap: str, *, count: int, repeats: int) -> dict[str, Any]:
    mix = drawn("mix", count)
    async with _scanners(clamd, icap) as scanners:
        together = scanners[ALL]
        await _warm_up(scanners)
        began_s, busy_s, spent = time.monotonic(), machine_s(), Spent()
        one_ms = await _times(scanners, mix, at_once=1)
        foreign = (machine_s() - busy_s - spent.seconds()) / (time.monotonic() - began_s)
        return {
            "count": count,
            "ms": one_ms,
            "foreign_cpus": round(max(0.0, foreign), 2),
            "cpu_ms": {
                name: await _cpu_ms(scanner, mix, f"cpu {name}")
                for name, scanner in scanners.items()
            },
            "kinds": await _of_kinds(scanners, mix),
            "processors": os.cpu_count(),
            "busy_ms": await _times(scanners, mix, at_once=AT_ONCE),
            "busy_cpu_ms": await _cpu_ms(together, mix, "cpu busy", at_once=AT_ONCE),
            "away_ms": await _times(_elsewhere(), mix, at_once=1),
            "own_ms": await _own_ms(together, count),
            **await _repeated(together, max(1, count // 4), repeats),
        }


@asynccontextmanager
async def _scanners(clamd: str, icap: str) -> AsyncIterator[Scanners]:
    """Give a scanner for each engine, and one for all three."""
    clock = SystemClock()
    helper = Helper(clock=clock)
    settings = (
        EngineSettings(name="icap", kind="icap", address=icap, options=ICAP),
        EngineSettings(name="yara", kind="yara"),
    )
    fitted = {
        "clamav": Fitted(
            engine=Versioned("clamav", [clamd], clock=clock, sessions_max=8),
            settings=EngineSettings(name="clamav", kind="clamd", address=clamd),
        ),
        **{
            one.settings.name: one
            for one in build_engines(settings, EngineContext(clock=clock, helper=helper))
        },
    }
    made = partial(Scanner, clock=clock)
    scanners = {name: made([one], registry=CollectorRegistry()) for name, one in fitted.items()}
    scanners[ALL] = made(list(fitted.values()), registry=CollectorRegistry())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(helper.close)
        stack.push_async_callback(scanners[ALL].close)
        yield scanners


class Elsewhere:
    """An engine on another machine: it takes its time, and no processor of ours."""

    keeps_its_time = True

    def __init__(self, takes_ms: int) -> None:
        self.name = f"{takes_ms} ms"
        self._takes_s = takes_ms / 1000

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        await asyncio.sleep(self._takes_s)
        is_infected = sample.id.startswith(INFECTED)
        outcome = Outcome.INFECTED if is_infected else Outcome.CLEAN
        return Verdict(by=self.name, outcome=outcome)

    async def probe(self) -> EngineHealth:
        return EngineHealth(answering=True)

    async def close(self) -> None:
        """Do nothing."""


def _elsewhere() -> Scanners:
    """Return the same with engines that cost this machine nothing."""
    engines = [Elsewhere(ms) for ms in AWAY_MS]
    fitted = [
        Fitted(engine=engine, settings=EngineSettings(name=f"e{number}", kind="puppet"))
        for number, engine in enumerate(engines)
    ]
    clock = SystemClock()
    scanners = {
        engine.name: Scanner([one], clock, registry=CollectorRegistry())
        for engine, one in zip(engines, fitted, strict=True)
    }
    return {**scanners, ALL: Scanner(fitted, clock, registry=CollectorRegistry())}


async def _warm_up(scanners: Scanners) -> None:
    for name, scanner in scanners.items():
        healths = await scanner.probe_all()
        if silent := [one for one, health in healths.items() if not health.answering]:
            raise NotScanned(f"{silent[0]}: {healths[silent[0]].detail}")
        await _cpu_ms(scanner, drawn("mix", 20), f"warm {name}")


async def _times(scanners: Scanners, kinds: Sequence[str], *, at_once: int) -> dict[str, float]:
    """Return for each scanner the mean time of a message, of these kinds in this order.

    No engine is shown the same message twice: clamd and c-icap remember what they have seen.
    """
    source = random.Random(SEED)
    spent_s = dict.fromkeys(scanners, 0.0)
    step = at_once * 5
    with scanned_mail() as mail:
        tag = f"{at_once} of {len(kinds)}"
        sent = {name: mail.named(kinds, f"{tag} {name}") for name in scanners}
        for start in range(0, len(kinds), step):
            for name in source.sample(list(scanners), len(scanners)):
                began_s = time.perf_counter()
                await _scan_all(scanners[name], sent[name][start : start + step], at_once=at_once)
                spent_s[name] += time.perf_counter() - began_s
    return {name: round(seconds / len(kinds) * 1000, 3) for name, seconds in spent_s.items()}


async def _of_kinds(scanners: Scanners, mix: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what one message at a time takes, and uses of processors, for each kind of a mix."""
    return {
        kind: {
            "share": number / len(mix),
            "ms": await _times(scanners, [kind] * number, at_once=1),
            "cpu_ms": await _cpu_ms(scanners[ALL], [kind] * number, "cpu of a kind"),
        }
        for kind, number in Counter(mix).items()
    }


async def _scan_all(scanner: Scanner, sent: Sequence[Sample], *, at_once: int) -> None:
    left = iter(sent)

    async def work() -> None:
        for message in left:
            await _scan(scanner, message)

    await asyncio.gather(*(work() for _ in range(at_once)))


async def _own_ms(scanner: Scanner, count: int) -> float:
    """Return the processor time that this process uses for a message of 4 KiB; the median of ten.

    The helper is a process of its own, and plain mail does not need it.
    """
    rounds = []
    with scanned_mail() as mail:
        for number in range(10):
            sent = mail.named([SMALL] * (count // 10), f"own {number}")
            began_s = time.process_time()
            await _scan_all(scanner, sent, at_once=1)
            rounds.append((time.process_time() - began_s) / len(sent) * 1000)
    return round(median(rounds), 3)


async def _repeated(scanner: Scanner, count: int, repeats: int) -> dict[str, float]:
    """Return what different messages of 60 KiB cost, and one that comes again and again."""
    different_ms = await _cpu_ms(scanner, [MIDDLE] * count, "different")
    with scanned_mail() as mail:
        (again,) = mail.named([MIDDLE], "again")
        await _scan(scanner, again)
        copies = [replace(again, id=MessageId(f"copy-{number}")) for number in range(repeats)]
        return {"different_ms": different_ms, "repeated_ms": await _spent_ms(scanner, copies)}


async def _cpu_ms(scanner: Scanner, kinds: Sequence[str], tag: str, *, at_once: int = 1) -> float:
    """Return the processor time of a message of these kinds, that of all engines included."""
    with scanned_mail() as mail:
        return await _spent_ms(scanner, mail.named(kinds, tag), at_once=at_once)


async def _spent_ms(scanner: Scanner, sent: Sequence[Sample], *, at_once: int = 1) -> float:
    spent = Spent()
    await _scan_all(scanner, sent, at_once=at_once)
    return round(spent.seconds() / len(sent) * 1000, 4)


async def _scan(scanner: Scanner, message: Sample) -> None:
    due = Outcome.INFECTED if message.id.startswith(INFECTED) else Outcome.CLEAN
    for verdict in await scanner.scan(message):
        if verdict.outcome is not due:
            raise NotScanned(f"{verdict.by} says {verdict.outcome}: {verdict.detail}")
