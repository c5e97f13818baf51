"""Which nodes does a running core go by?

Touches the link and the preferences: it tells both when the settings or a document of a node say
something else. A document that is published lets its node in within moments, and one that is
removed ends the node's streams, without a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import structlog

from common.preferences import Kind, Preferences
from common.preferences.loops import OurHosts
from common.settings.core import CoreSettings, NodeEntry
from core.fleet.roster import all_nodes
from core.settings import our_hosts

log = structlog.get_logger()


class NodesLink(Protocol):
    """The link, as far as it goes by which nodes there are."""

    def take_nodes(self, nodes: Sequence[NodeEntry]) -> int: ...


class NodesPreferences(Protocol):
    """The store of preferences, which has the documents and must know where we take mail."""

    ours: OurHosts

    @property
    def current(self) -> Preferences: ...

    def subscribe(self) -> AbstractContextManager[asyncio.Event]: ...


class RunningNodes:
    """The nodes of the settings and of the documents, together.

    Args:
        settings: as they were read at the start.
        link: told which nodes there are.
        preferences: that have the documents; told where the nodes take mail.
    """

    def __init__(
        self, settings: CoreSettings, *, link: NodesLink, preferences: NodesPreferences
    ) -> None:
        self._settings = settings
        self._link = link
        self._preferences = preferences
        self._nodes = list(settings.nodes)
        self.refresh()

    def take_settings(self, settings: CoreSettings) -> int:
        """Go by other settings from here on; return how many calls ended."""
        self._settings = settings
        return self.refresh()

    async def watch(self) -> None:
        """Go by what is published, until cancelled."""
        with self._preferences.subscribe() as changed:
            while True:
                self.refresh()
                await changed.wait()
                changed.clear()

    def refresh(self) -> int:
        """Look at what settings and documents say by now; return how many calls ended."""
        current = self._preferences.current
        nodes = all_nodes(self._settings.nodes, current.each_document(Kind.NODE))
        if nodes == self._nodes:
            return 0
        before = {node.name: node for node in self._nodes}
        now = {node.name: node for node in nodes}
        self._nodes = nodes
        ended = self._link.take_nodes(nodes)
        self._preferences.ours = our_hosts(self._settings.mail_domain, nodes)
        log.info(
            "core.nodes",
            revision=current.position.revision,
            nodes_added=sorted(now.keys() - before.keys()),
            nodes_removed=sorted(before.keys() - now.keys()),
            nodes_changed=sorted(n for n in now.keys() & before.keys() if now[n] != before[n]),
            calls_ended=ended,
        )
        return ended
