"""How does one node fare while something about it is broken?

Touches a cluster of one site. Letters of every size, clean and not, are sent until each has its
answer; meanwhile the test breaks what it likes. At the end the three witnesses are held against
each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cluster.cluster import Cluster, cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.smtp import corpus
from tests.support.smtp.sink import Sink
from tests.support.witnesses.checker import check
from tests.support.witnesses.counting import CountingLedger
from tests.support.witnesses.ledger import read_lines
from tests.support.witnesses.load import Pace, Tally, letters, send_all

NODE = "one1"
DOMAIN = "fjord.example"
PATIENCE = Pace(concurrency=6, letters_per_connection=5, attempts_max=600, retry_wait_s=0.1)
NAMES = ("plain-text", "eicar-in-zip", "pdf-attached", "line-of-900-kilobytes", "html-only")
_QUICK = {"delivery": {"first_wait_s": 0.5, "longest_wait_s": 1.0}, "waiting_retry_s": 0.5}


@dataclass(slots=True)
class OneNode:
    """A node, its core, its customer's server, and the load on it."""

    cluster: Cluster
    sink: Sink
    ledger: CountingLedger

    def worker(self) -> int:
        """Return the process id of its one worker."""
        (pid,) = self.cluster.shards(NODE).values()
        return pid

    def send(
        self, count: int, *, names: Sequence[str] = NAMES, run: str = "one"
    ) -> asyncio.Task[Tally]:
        """Send so many letters of the corpus, each until it has its answer."""
        chosen = itertools.islice(itertools.cycle(names), count)
        return self.send_these(map(corpus.message, chosen), run=run)

    def send_these(self, messages: Iterable[bytes], *, run: str = "one") -> asyncio.Task[Tally]:
        """Send these messages, each until it has its answer."""
        pile = letters(messages, run=run, recipients=[f"a@{DOMAIN}", f"b@{DOMAIN}"])
        targets = [self.cluster.smtp(NODE)]
        return asyncio.create_task(
            send_all(pile, targets=targets, ledger=self.ledger, pace=PATIENCE)
        )

    async def answers(self, count: int) -> None:
        """Return so many answers from now."""
        await self.ledger.reaches(self.ledger.answers + count)

    def lines(self) -> list[dict[str, Any]]:
        """Return what the senders have heard so far."""
        return read_lines(self.ledger.path)

    async def check(self, *, syncs_failed: bool = False) -> list[dict[str, Any]]:
        """Wait until all has ended, and return the messages that the core knows.

        Args:
            syncs_failed: a commit whose sync fails is answered 451, and nobody knows whether it
                is on the disk: then such an answer is none.

        Raises:
            AssertionError: the witnesses disagree.
        """
        await self.cluster.at_rest()
        export = await self.cluster.export(DOMAIN)
        lines = self.lines()
        if syncs_failed:
            lines = [line | {"reply": None} if _is_451(line) else line for line in lines]
        found = check(ledger=lines, arrived=self.sink.lines, **export)
        assert found == [], "\n".join(map(str, found))
        return export["messages"]


def _is_451(line: Mapping[str, Any]) -> bool:
    return bool(line.get("dot_sent")) and str(line.get("reply") or "").startswith("451")


@contextlib.asynccontextmanager
async def one_node(
    folder: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    core: Mapping[str, Any] | None = None,
) -> AsyncIterator[OneNode]:
    """Run a node for the length of a block.

    Args:
        settings: of the node, beyond the rendered ones.
        core: of the core.
    """
    async with Sink() as sink:
        server = f"127.0.0.1:{sink.port}"
        tree = inventory(
            name="one",
            sites=[site("one", NODE, number=1)],
            customers=[customer("fjord", [server], DOMAIN)],
            smarthost=server,
        )
        wanted = {NODE: {**_QUICK, **(settings or {})}, "core": core or {}}
        async with cluster(folder, tree, settings=wanted) as running:
            with CountingLedger(folder / "ledger.jsonl") as ledger:
                yield OneNode(running, sink, ledger)
