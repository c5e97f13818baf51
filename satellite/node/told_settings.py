"""What did the core tell a worker of the node's settings, and what does the worker report of them?

Touches nothing but memory. The worker finds the settings in its preferences, and hands them to the
parent, who takes them; a telling that the parent has not taken when the worker ends is lost, and
whoever told it sees that nothing changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import structlog

from common.link import SettingsOrder
from common.preferences import Kind, Preferences
from common.preferences.bodies import NodeBody
from common.reports import SettingsState
from satellite.node.settings_question import SettingsAnswer, SettingsQuestion

log = structlog.get_logger()

SPEAKING_SHARD = 0  # says the node's problems of this kind, once for all
_WORDS = {
    SettingsState.REFUSED: "were refused",
    SettingsState.ROLLED_BACK: "were tried and taken back",
}


class ToldSettings:
    """A worker's part in it.

    Args:
        node: whose settings are meant.
        shard: of this worker.
        preferences: returns those that are in force.
    """

    def __init__(self, node: str, *, shard: int, preferences: Callable[[], Preferences]) -> None:
        self._standing: SettingsQuestion | None = None  # as the parent said last
        self._node = node
        self._shard = shard
        self._preferences = preferences
        self._told = SettingsAnswer()

    def told(self, order: SettingsOrder) -> None:
        """The core says which settings the node shall take."""
        digest = order.digest
        document = self._preferences().document(Kind.NODE, self._node)
        body = document.body_as(NodeBody) if document is not None else None
        tree = body.settings if body is not None and body.digest == digest else None
        log.info("link.settings_told", digest=digest, found=tree is not None)
        self._told = SettingsAnswer(
            token=secrets.token_hex(8), digest=digest, tree=tree, drain_s=order.drain_s
        )

    def asked(self, standing: SettingsQuestion) -> SettingsAnswer:
        """Hear how the node stands, and return what the core told."""
        self._standing = standing
        if standing.taken and standing.taken == self._told.token:
            self._told = SettingsAnswer()
        return self._told

    def of_report(self) -> dict[str, Any]:
        """Return what stands in a report of how the node stands."""
        standing = self._standing
        if standing is None:
            return {}
        return {
            "settings_digest": standing.in_force,
            "settings_told": standing.told,
            "settings_state": standing.state,
            "settings_problem": standing.problem,
        }

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know, a sentence each."""
        standing = self._standing
        if standing is None or self._shard != SPEAKING_SHARD or standing.state not in _WORDS:
            return ()
        return (
            f"settings that the core told it to take {_WORDS[standing.state]}: {standing.problem}",
        )
