"""A running core goes by the nodes of its settings and of the documents, together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.preferences import Document, Kind
from common.preferences.node_settings import settings_digest
from common.settings.core import NodeEntry
from core.preferences.ledger import LeadsBack
from core.running_nodes import RunningNodes
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.face import core_settings
from tests.support.core.preferences import document, tombstone


class FakeLink:
    """Remembers the nodes that it was told of; it fulfils ``NodesLink``."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []

    def take_nodes(self, nodes: Sequence[NodeEntry]) -> int:
        self.told.append(
            {node.name: f"{node.site} {','.join(node.certificates)}" for node in nodes}
        )
        return len(nodes)


def node(name: str, site: str, *addresses: str) -> Document:
    settings = {"node": name, "site": site}
    digest = settings_digest(settings)
    return document(
        Kind.NODE, name, site=site, addresses=addresses, settings=settings, digest=digest
    )


ROUTE: dict[str, Any] = {"customer": "acme", "deliver_to": ["192.0.2.77:25"]}


async def published(database: Database, *documents: Document) -> None:
    await database.preferences.publish(documents, who="t")


async def test_a_document_adds_a_node_and_its_removal_takes_it_out(tmp_path: Path) -> None:
    link, settings = FakeLink(), core_settings(tmp_path)
    async with await Database.open(tmp_path / "core.db", clock=FakeClock()) as database:
        nodes = RunningNodes(settings, link=link, preferences=database.preferences)
        assert (link.told, nodes.refresh()) == ([], 0)

        await published(database, node("fra1", "frankfurt", "192.0.2.77"))
        with capture_logs() as told:
            assert nodes.refresh() == 3
        assert link.told == [{"lon1": "london ", "par1": "paris ", "fra1": "frankfurt "}]
        assert told[0]["nodes_added"] == ["fra1"]

        with pytest.raises(LeadsBack, match="fra1"):
            await published(database, document(Kind.ROUTE, "a.example", **ROUTE))

        await published(database, tombstone(Kind.NODE, "fra1"))
        nodes.refresh()
        assert nodes.refresh() == 0
        assert link.told[1:] == [{"lon1": "london ", "par1": "paris "}]
        await published(database, document(Kind.ROUTE, "a.example", **ROUTE))


async def test_a_document_says_the_site_and_the_settings_say_the_certificates(
    tmp_path: Path,
) -> None:
    link, settings = FakeLink(), core_settings(tmp_path)
    named = [NodeEntry(name="lon1", site="london", certificates=["1f"])]
    async with await Database.open(tmp_path / "core.db", clock=FakeClock()) as database:
        nodes = RunningNodes(settings, link=link, preferences=database.preferences)
        await published(database, node("lon1", "slough"), node("par1", "paris"))

        nodes.take_settings(settings.model_copy(update={"nodes": named}))

        assert link.told == [{"lon1": "slough 1f", "par1": "paris "}]


async def test_what_was_published_before_the_start_holds_from_the_start(tmp_path: Path) -> None:
    link = FakeLink()
    async with await Database.open(tmp_path / "core.db", clock=FakeClock()) as database:
        await published(database, node("fra1", "frankfurt"))

        RunningNodes(core_settings(tmp_path), link=link, preferences=database.preferences)

        assert "fra1" in link.told[0]


async def test_a_publication_is_seen_by_who_watches(tmp_path: Path) -> None:
    link, clock = FakeLink(), FakeClock()
    seen = asyncio.Event()
    link.take_nodes = lambda nodes: seen.set() or 0  # type: ignore[method-assign, func-returns-value]
    async with await Database.open(tmp_path / "core.db", clock=clock) as database:
        nodes = RunningNodes(core_settings(tmp_path), link=link, preferences=database.preferences)
        watching = asyncio.create_task(nodes.watch())
        await asyncio.sleep(0)

        await published(database, node("fra1", "frankfurt"))

        async with asyncio.timeout(5):
            await seen.wait()
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def test_a_roll_back_turns_no_node_away(tmp_path: Path) -> None:
    async with await Database.open(tmp_path / "core.db", clock=FakeClock()) as database:
        await published(database, document(Kind.ROUTE, "a.example", **ROUTE))
        await published(database, node("fra1", "frankfurt"), tombstone(Kind.ROUTE, "a.example"))

        await database.preferences.rollback(1, who="t")

        current = database.preferences.current
        assert [one.key for one in current.documents(Kind.NODE)] == ["fra1"]
        assert [one.key for one in current.documents(Kind.ROUTE)] == ["a.example"]
