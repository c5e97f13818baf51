"""Which nodes are there, and which certificates of each are let in?

Pure. The settings say it, and may say something else while the core runs. A node whose certificates
they name is let in with one of those alone, so that one that was stolen is worth nothing as soon as
they name it no more.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.settings.core import NodeEntry


class Roster:
    """The nodes that may speak.

    Args:
        nodes: of the settings.
    """

    def __init__(self, nodes: Sequence[NodeEntry]) -> None:
        self._certificates: dict[str, frozenset[str]] = {}
        self.take(nodes)

    def take(self, nodes: Sequence[NodeEntry]) -> None:
        """Go by other settings from here on."""
        self._certificates = {node.name: frozenset(node.certificates) for node in nodes}

    def __contains__(self, node: str) -> bool:
        """Say whether the settings name a node."""
        return node in self._certificates

    def why_not(self, node: str, serial: str) -> str:
        """Return why somebody is not let in; empty: it is.

        Args:
            node: whose name its certificate bears.
            serial: of that certificate, as ``common.certificate.serial_text``.
        """
        named = self._certificates.get(node)
        if named is None:
            return f"{node} is not in the settings"
        if named and serial not in named:
            return f"the settings of {node} name other certificates than {serial}"
        return ""
