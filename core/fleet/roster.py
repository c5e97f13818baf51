"""Which nodes are there, and which certificates of each are let in?

Pure. The core's settings and the documents of nodes say it together, and may say something else
while the core runs. A node whose certificates the settings name is let in with one of those alone,
so that one that was stolen is worth nothing as soon as they name it no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from common.identity import JOIN_AGAIN
from common.preferences import CheckedDocument
from common.preferences.bodies import NodeBody
from common.settings.core import NodeEntry


def all_nodes(
    settings: Sequence[NodeEntry], documents: Iterable[CheckedDocument]
) -> list[NodeEntry]:
    """Return the nodes of the settings, then those that documents alone name.

    Where both name a node, the document says its site and its addresses, and the settings which of
    its certificates are let in.

    Args:
        settings: the nodes that ``core.yaml`` names.
        documents: of the kind node, sorted by key.
    """
    known = {node.name: node for node in settings}
    for document in documents:
        body = document.body_as(NodeBody)
        before = known.get(document.key)
        known[document.key] = NodeEntry(
            name=document.key,
            site=body.site,
            addresses=list(body.addresses),
            certificates=before.certificates if before is not None else [],
        )
    return list(known.values())


class Roster:
    """The nodes that may speak.

    Args:
        nodes: all that there are.
    """

    def __init__(self, nodes: Sequence[NodeEntry]) -> None:
        self._certificates: dict[str, frozenset[str]] = {}
        self._members: Mapping[str, frozenset[str]] = {}
        self.take(nodes)

    def take(self, nodes: Sequence[NodeEntry]) -> None:
        """Go by these nodes from here on."""
        self._certificates = {node.name: frozenset(node.certificates) for node in nodes}

    def take_members(self, members: Mapping[str, frozenset[str]]) -> None:
        """Go by who has joined, and with which certificates each is let in; none: not at all.

        What a member showed before it joined is let in no more, whatever the settings name.
        """
        self._members = members

    def __contains__(self, node: str) -> bool:
        """Say whether there is such a node."""
        return node in self._certificates

    def why_not(self, node: str, serial: str) -> str:
        """Return why somebody is not let in; empty: it is.

        Args:
            node: whose name its certificate bears.
            serial: of that certificate, as ``common.certificate.serial_text``.
        """
        named = self._certificates.get(node)
        if named is None:
            return f"{node} is not in the settings, and no document names it"
        joined = self._members.get(node)
        if joined is not None and not joined:
            return f"{node} was revoked, or its certificates have ended; {JOIN_AGAIN}"
        if joined is not None:
            return "" if serial in joined else f"{node} has joined, and not with {serial}"
        if named and serial not in named:
            return f"the settings of {node} name other certificates than {serial}"
        return ""
