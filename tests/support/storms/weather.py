"""How does a healthy customer's mail fare at a node while a storm goes on?

Touches a cluster of one node with one worker. One customer is well: her mail is sent steadily, one
message after the other, and is timed from the beginning of its transaction to its arrival. The
others are the storm's. Of the node, the longest step of the loop and the memory are watched.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from common.clock import SystemClock
from tests.bench.groups import pss_mib
from tests.support.cluster.cluster import Cluster, cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.cluster.town import message
from tests.support.loop_steps import longest_step_s
from tests.support.node import family
from tests.support.smtp.sink import Sink
from tests.support.smtp.smtp_client import Broken, Letter, SmtpClient, Transaction
from tests.support.storms.report import Measured
from tests.support.waiting import until
from tests.support.witnesses.ledger import Ledger
from tests.support.witnesses.load import Pace, Tally, marked, send_all

NODE = "one1"
HEALTHY = "tiber.example"
PAUSE_S = 0.05  # between two of her mails, and before a refused one is tried again
WATCH_S = 0.5
LOOP_LOOKS = 40  # looks at the memory for one at the loop, whose longest step is told for a minute
ARRIVES_S = 120.0  # the last of her mails; claims are about less


@dataclass(slots=True)
class Healthy:
    """The mail of a customer who has nothing to do with the storm.

    Attributes:
        sent: how many were accepted so far.
        refusals: answers that made a mail be tried again.
    """

    target: tuple[str, int]
    sink: Sink
    sent: int = 0
    refusals: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)  # no mail has another's
    _began_us: dict[str, int] = field(default_factory=dict)
    _clock: SystemClock = field(default_factory=SystemClock)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def send_steadily(self) -> None:
        """Send one mail after the other, each until it is accepted, until cancelled."""
        for number in self._numbers:
            gid = f"healthy-{number:06}"
            self._began_us[gid] = self._clock.now_us()
            try:
                while not await self._send(gid):
                    await asyncio.sleep(PAUSE_S)
            except asyncio.CancelledError:
                del self._began_us[gid]  # it was never accepted, or nobody heard that it was
                raise
            async with self._news:
                self.sent += 1
                self._news.notify_all()
            await asyncio.sleep(PAUSE_S)

    async def more(self, count: int, *, deadline_s: float = ARRIVES_S) -> None:
        """Return once so many more of her mails were accepted.

        Raises:
            TimeoutError: they were not, within the deadline.
        """
        wanted = self.sent + count
        async with asyncio.timeout(deadline_s), self._news:
            await self._news.wait_for(lambda: self.sent >= wanted)

    async def arrived_s(self) -> list[float]:
        """Return how long each accepted mail took, in seconds, once all have arrived.

        Raises:
            AssertionError: one did not arrive, or arrived twice.
        """

        async def look() -> bool:
            return self._began_us.keys() <= {line["gid"] for line in self.sink.lines}

        await until(look, f"all of {len(self._began_us)} mails arrive", deadline_s=ARRIVES_S)
        arrived = [(str(line["gid"]), int(line["time_us"])) for line in self.sink.lines]
        assert len(arrived) == len({gid for gid, _ in arrived}), "a mail arrived twice"
        return [(at - self._began_us[gid]) / 1e6 for gid, at in arrived if gid in self._began_us]

    async def _send(self, gid: str) -> bool:
        client = SmtpClient(*self.target, deadline_s=ARRIVES_S)
        heard = Transaction()
        letter = Letter(
            gid=gid,
            sender="a@sender.example",
            recipients=(f"x@{HEALTHY}",),
            data=marked(message(), gid),
        )
        try:
            await client.open()
            await client.transact(letter, heard)
        except Broken as error:
            heard.reply = heard.reply or str(error)
        finally:
            await client.quit()
        if (heard.reply or "").startswith("250"):
            return True
        self.refusals.append(str(heard.reply))
        return False


@dataclass(slots=True)
class Weather:
    """A node in a storm, and the customer who is well.

    Attributes:
        pss_mib: the most memory of the node's processes.
    """

    cluster: Cluster
    healthy: Healthy
    folder: Path
    pss_mib: float = 0.0
    _lag_s: float = 0.0

    async def pour(
        self, pile: Iterable[Letter], *, concurrency: int = 8, attempts_max: int = 1000
    ) -> Tally:
        """Hand the storm's own mail to the node; each letter until it has its answer."""
        pace = Pace(concurrency=concurrency, letters_per_connection=50, attempts_max=attempts_max)
        with Ledger(self.folder / "storm.jsonl", clock=SystemClock()) as ledger:
            return await send_all(pile, targets=[self.cluster.smtp(NODE)], ledger=ledger, pace=pace)

    def begin_pouring(self, pile: Iterable[Letter], *, concurrency: int = 8) -> asyncio.Task[Tally]:
        """Hand it over in the background."""
        return asyncio.create_task(self.pour(pile, concurrency=concurrency), name="storm")

    async def measure(self, what: str) -> Measured:
        """Wait until the healthy customer's mail has arrived, and return how it fared."""
        took_s = sorted(await self.healthy.arrived_s())
        assert took_s, "no mail was sent in this storm: it proves nothing"
        return Measured(
            what=what,
            mails=len(took_s),
            p50_s=statistics.median(took_s),
            p99_s=took_s[min(len(took_s) - 1, int(len(took_s) * 0.99))],
            lag_ms=await self.lag_ms(),
            pss_mib=self.pss_mib,
        )

    async def lag_ms(self) -> float:
        """Return the longest step of a worker's loop since the watch began, in milliseconds."""
        await self._look_at_the_loop()
        return self._lag_s * 1000

    async def _look_at_the_loop(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=30.0) as client:
            scrape = await client.get(f"{self.cluster.web(NODE)}/metrics")
        self._lag_s = max(self._lag_s, longest_step_s(scrape.text))

    async def watch(self) -> None:
        """Look at the node's memory again and again, until cancelled."""
        pid = self.cluster.processes[NODE].pid
        for look in itertools.count(1):
            pids = [pid, *(one.pid for one in family.descendants(pid))]
            self.pss_mib = max(self.pss_mib, await asyncio.to_thread(pss_mib, pids))
            if not look % LOOP_LOOKS:
                await self._look_at_the_loop()
            await asyncio.sleep(WATCH_S)

    @contextlib.asynccontextmanager
    async def healthy_mail(self) -> AsyncIterator[Healthy]:
        """Send the healthy customer's mail for the length of a block."""
        tasks = [
            asyncio.create_task(self.healthy.send_steadily(), name="healthy mail"),
            asyncio.create_task(self.watch(), name="watch"),
        ]
        try:
            yield self.healthy
        finally:
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            for error in done:
                if isinstance(error, Exception):
                    raise error


@contextlib.asynccontextmanager
async def weather(
    folder: Path,
    *,
    customers: Sequence[Mapping[str, Any]] = (),
    before_her_server: Sequence[str] = (),
    her_name: str = "127.0.0.1",
    policy: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[Weather]:
    """Run a node for the length of a block.

    Args:
        customers: the storm's; the healthy one comes to them.
        before_her_server: servers (HOST:PORT) that the healthy customer has before her own.
        her_name: the host name of her server; her DNS must know it.
        policy: the healthy customer's, by key.
        settings: of the node, beyond the rendered ones.
        more: keys of the inventory.
    """
    async with Sink() as sink:
        hers = f"{her_name}:{sink.port}"
        tree = inventory(
            name="storm",
            sites=[site("one", NODE, number=1)],
            customers=[customer("tiber", [*before_her_server, hers], HEALTHY), *customers],
            **more,
        )
        async with cluster(folder, tree, settings={NODE: dict(settings or {})}) as running:
            if policy:
                await set_policy(running, "customer/tiber", policy)
            yield Weather(running, Healthy(running.smtp(NODE), sink), folder)


async def set_policy(running: Cluster, scope: str, policy: Mapping[str, str]) -> None:
    """Set keys of a policy, and return once every node has applied them."""
    keys = [f"{key}={value}" for key, value in policy.items()]
    said = await running.run("policy", "set", scope, *keys, "--json")
    await running.applied(said.json()["revision"])
