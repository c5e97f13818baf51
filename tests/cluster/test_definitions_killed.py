"""Do nodes that are killed while they change their virus definitions come to the new ones?

The core and three sites as an operator starts them, with a clamd for each site.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.support.cluster.cluster import Cluster, cluster
from tests.support.cluster.inventories import YARA, customer, inventory, site
from tests.support.scanning.clamd import EICAR, Clamd, clamd_binary
from tests.support.smtp.sink import Sink
from tests.support.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed"),
]

SITES = {"london": "lon1", "rome": "rom1", "oslo": "osl1"}
GOOD = f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n".encode()
_numbers = itertools.count(1)


def another() -> bytes:
    """Return a database that finds the test file, and something that no other one does."""
    number = next(_numbers)
    harm = f"some harm of the kind {number}".encode().hex()
    return GOOD + f"Harm.{number}:0:*:{harm}\n".encode()


@dataclass(slots=True)
class Fed:
    """A cluster whose sites load what the core gives out."""

    cluster: Cluster
    clamds: dict[str, Clamd]

    async def put_in(self, content: bytes) -> int:
        """Give the core a database, and return the serial of the set that it made of it."""
        files = {"own.ndb": base64.b64encode(content).decode()}
        found = await self.cluster.ask("POST", "/definitions/custom", body={"files": files})
        return int(found["serial"])

    async def sites(self) -> dict[str, dict[str, Any]]:
        """Return what each site's one shard says."""
        found = await self.cluster.ask("GET", "/definitions")
        return {
            one["site"]: {"stand": one["state"], **one["nodes"][0]["shards"][0]}
            for one in found["sites"]
            if one["nodes"][0]["shards"]
        }

    async def all_use(self, serial: int) -> None:
        """Return once every site uses a set."""

        async def look() -> bool:
            found = await self.sites()
            return len(found) == len(SITES) and all(
                (one["serial"], one["state"], one["stand"]) == (serial, "current", "done")
                for one in found.values()
            )

        try:
            await until(look, f"all sites use {serial}")
        except AssertionError:
            stories = "\n\n".join(self.cluster.story(node) for node in SITES.values())
            raise AssertionError(f"{await self.sites()}\n{stories}") from None

    def content(self) -> dict[str, bytes]:
        """Return the database that each site's clamd reads."""
        return {
            name: (clamd.folder / "database" / "own.ndb").read_bytes()
            for name, clamd in self.clamds.items()
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fed]:
    folder = tmp_path_factory.mktemp("fed")
    async with contextlib.AsyncExitStack() as stack:
        sink = await stack.enter_async_context(Sink())
        clamds, sites, settings = {}, [], {}
        for number, (name, node) in enumerate(SITES.items(), start=1):
            clamd = stack.enter_context(Clamd(folder / f"c{number}"))
            (clamd.folder / "database" / "test.ndb").unlink()
            clamds[name] = clamd
            engine = {"name": "clamav", "kind": "clamd", "address": clamd.address}
            sites.append(site(name, node, number=number, engines=[YARA, engine]))
            settings[node] = {
                "definitions": [{"engine": "clamav", "folder": str(clamd.folder / "database")}]
            }
        tree = inventory(
            sites=sites,
            customers=[customer("fjord", [f"127.0.0.1:{sink.port}"], "fjord.example")],
        )
        running = await stack.enter_async_context(cluster(folder, tree, settings=settings))
        yield Fed(running, clamds)


async def test_nodes_that_were_killed_in_the_middle_come_to_the_new_ones(fed: Fed) -> None:
    await fed.all_use(await fed.put_in(another()))
    new = another()
    serial = await fed.put_in(new)

    for node in SITES.values():  # whichever has its turn now
        await fed.cluster.kill(node)
        await fed.cluster.restart(node)
    await fed.all_use(serial)

    assert set(fed.content().values()) == {new}
