"""From a file at the core to its use at all sites, and what is poisoned reaches none.

A core, three satellites and a real clamd for each of them.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.cluster.cluster import CORE, Cluster, cluster
from tests.support.cluster.town import NODES, tree
from tests.support.scanning.clamd import EICAR, Clamd, clamd_binary
from tests.support.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed"),
]

IN_USE_S = 30.0  # from the file at the core to all sites
SITES = ("oslo", "rome", "copenhagen")
TEST_FILE = f"Eicar-Test:0:*:{EICAR.hex()}\n"
NEWS = b"what nobody has ever written"


def signature(name: str, octets: bytes) -> str:
    return f"{name}:0:*:{octets.hex()}\n"


@dataclass(frozen=True, slots=True)
class Sites:
    """The cluster, the folder that its core mirrors, and the clamd of each node."""

    cluster: Cluster
    mirror: Path
    clamds: dict[str, Clamd]

    async def status(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.cluster.ask("GET", "/definitions")
        return found

    async def serials(self) -> set[int]:
        """Return what the nodes say that they use."""
        return {
            shard["serial"]
            for site in (await self.status())["sites"]
            for node in site["nodes"]
            for shard in node["shards"]
        }

    async def done(self, *, since: int, deadline_s: float = IN_USE_S) -> int:
        """Return the serial in use once it is another one, and every site uses it."""

        async def look() -> int | None:
            status = await self.status()
            serial = status["current"]["serial"] if status["current"] else 0
            stands = [site["state"] for site in status["sites"]]
            is_done = serial != since and stands == ["done"] * len(SITES)
            return serial if is_done else None

        try:
            return await until(look, "all sites use the new set", deadline_s=deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {await self.status()}") from None

    async def refused(self, reason: str) -> None:
        """Return once the core says that it refuses what the mirror has."""

        async def look() -> bool:
            return any(reason in problem for problem in (await self.status())["problems"])

        try:
            await until(look, f"a refusal: {reason}", deadline_s=60)
        except AssertionError as error:
            raise AssertionError(f"{error}: {await self.status()}") from None

    def found(self, octets: bytes) -> set[str]:
        """Return what the clamds of the nodes say of a text."""
        return {said_by(clamd.socket, octets) for clamd in self.clamds.values()}


def said_by(path: Path, octets: bytes) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        chunk = struct.pack("!I", len(octets)) + octets
        connection.sendall(b"zINSTREAM\0" + chunk + struct.pack("!I", 0))
        return connection.recv(4096).decode().rstrip("\0")


@contextlib.contextmanager
def clamds() -> Iterator[dict[str, Clamd]]:
    """Run a clamd for each node; a socket's path is short."""
    with contextlib.ExitStack() as stack:
        found = {}
        for node in NODES:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clamd-")))
            clamd = stack.enter_context(Clamd(folder))
            (folder / "database" / "test.ndb").unlink()  # what it has from now on is the core's
            found[node] = clamd
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sites]:
    folder = tmp_path_factory.mktemp("definitions")
    mirror = folder / "mirror"
    mirror.mkdir()
    with clamds() as running:
        settings: dict[str, Any] = {
            node: {
                "engines": [{"name": "clamav", "kind": "clamd", "address": clamd.address}],
                "definitions": [
                    {"engine": "clamav", "folder": str(clamd.folder / "database")},
                ],
            }
            for node, clamd in running.items()
        }
        settings[CORE] = {"definitions": {"mirror": str(mirror)}}
        async with cluster(folder, tree("127.0.0.1:9"), settings=settings) as made:
            yield Sites(made, mirror, running)


async def test_a_new_file_at_the_core_is_in_use_at_all_sites_within_half_a_minute(
    sites: Sites, record_property: Any
) -> None:
    assert (await sites.status())["current"] is None
    begun_s = time.monotonic()
    (sites.mirror / "main.ndb").write_text(TEST_FILE)
    first = await sites.done(since=0)
    first_s = time.monotonic() - begun_s
    assert sites.found(NEWS) == {"stream: OK"}

    begun_s = time.monotonic()
    (sites.mirror / "news.ndb").write_text(signature("News", NEWS))
    second = await sites.done(since=first)
    second_s = time.monotonic() - begun_s

    assert second > first
    assert sites.found(b"See: " + NEWS) == {"stream: News.UNOFFICIAL FOUND"}
    assert max(first_s, second_s) < IN_USE_S
    record_property("seconds_to_all_sites", f"{first_s:.1f} {second_s:.1f}")
    print(f"from the file at the core to all sites: {first_s:.1f} s, then {second_s:.1f} s")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("miss.ign2", "Eicar-Test\n", "they miss the test file in 10 of 10 wrappings"),
        ("flag.ndb", signature("Flag", b"Hello Bob"), "they find Flag.UNOFFICIAL in harmless mail"),
        ("bad.hdb", "this is no database\n", "clamd does not load them"),
        ("cut.ndb", TEST_FILE + TEST_FILE[:9], "clamd does not load them"),
    ],
)
async def test_what_is_poisoned_reaches_no_site(
    sites: Sites, name: str, content: str, reason: str
) -> None:
    before = await sites.serials()
    (sites.mirror / name).write_text(content)
    try:
        await sites.refused(reason)

        assert len(before) == 1
        assert await sites.serials() == before
        assert sites.found(NEWS) == {"stream: News.UNOFFICIAL FOUND"}
        said = await sites.cluster.run("definitions", "status")
        assert reason in said.out
        audit = (await sites.cluster.ask("GET", "/audit"))["entries"]
        assert (audit[0]["who"], audit[0]["what"]) == ("core", "definitions.refuse")
    finally:
        (sites.mirror / name).unlink()


async def test_a_database_of_the_operators_comes_and_goes_back(
    sites: Sites, tmp_path: Path
) -> None:
    (before,) = await sites.serials()
    own = tmp_path / "own.ndb"
    own.write_text(signature("Own", b"our own secret plan"))

    said = await sites.cluster.run("definitions", "add", own, "--json")
    added = await sites.done(since=before)
    assert said.json()["serial"] == added
    assert sites.found(b"our own secret plan") == {"stream: Own.UNOFFICIAL FOUND"}

    said = await sites.cluster.run("definitions", "rollback", "--json")
    assert said.json()["serial"] == before
    assert await sites.done(since=added) == before
    assert sites.found(b"our own secret plan") == {"stream: OK"}
    assert sites.found(NEWS) == {"stream: News.UNOFFICIAL FOUND"}


async def test_a_core_that_was_killed_in_the_middle_goes_on(sites: Sites, tmp_path: Path) -> None:
    (before,) = await sites.serials()
    own = tmp_path / "more.ndb"
    own.write_text(signature("More", b"even more than that"))
    added = (await sites.cluster.run("definitions", "add", own, "--json")).json()["serial"]

    await sites.cluster.kill(CORE)
    await sites.cluster.restart(CORE)

    assert await sites.done(since=before) == added
    assert sites.found(b"even more than that") == {"stream: More.UNOFFICIAL FOUND"}


async def test_a_core_that_was_restored_from_a_backup_takes_nothing_back_silently(
    sites: Sites, tmp_path: Path
) -> None:
    (before,) = await sites.serials()
    kept = sites.cluster.state(CORE) / "definitions"
    shutil.copytree(kept, tmp_path / "backup")
    own = tmp_path / "later.ndb"
    own.write_text(signature("Later", b"later than the backup"))
    await sites.cluster.run("definitions", "add", own)
    added = await sites.done(since=before)
    await sites.cluster.stop(CORE)
    shutil.rmtree(kept)
    shutil.copytree(tmp_path / "backup", kept)
    await sites.cluster.restart(CORE)

    async def look() -> bool:
        return {site["state"] for site in (await sites.status())["sites"]} == {"ahead"}

    await until(look, "the core sees that the sites are ahead of it")
    assert await sites.serials() == {added}
    assert "was it restored from a backup?" in (await sites.cluster.run("status")).out
    assert sites.found(b"later than the backup") == {"stream: Later.UNOFFICIAL FOUND"}

    await sites.cluster.run("definitions", "rollback", "--to", str(before))
    assert await sites.done(since=added) == before
    assert sites.found(b"later than the backup") == {"stream: OK"}
