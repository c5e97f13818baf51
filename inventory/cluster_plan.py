"""What would change at the core when an inventory is applied to it?

Pure. All documents of the kinds ``OWNED`` are the inventory's: what it does not have is removed,
and nothing else is ever touched. A plan has an id, the SHA-256 of what it would do and of what it
starts from, so that exactly the plan that somebody read is carried out, or none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from common.preferences.digest import EMPTY_DIGEST, changed, document_hash
from common.preferences.documents import Document, Kind, canonical_json

OWNED = (Kind.ROUTE, Kind.ENGINE, Kind.FILTER, Kind.NODE)
PLAN_VERSION = 1
ROUTES_SHARE_MAX = 0.3  # of the routes that go at once without somebody saying that it is meant
ROUTES_FEW = 3  # so many may always go, unless they are all that there are


@dataclass(frozen=True, slots=True)
class CoreState:
    """What the core has of the inventory's kinds, beside the documents.

    Args:
        epoch, revision: where its preferences are.
        digest: of all its documents of these kinds.
        routes: how many of them are routes.
    """

    epoch: str
    revision: int
    digest: str
    routes: int


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What becomes of one document.

    Args:
        kind, key: its.
        before: its body until now, canonical JSON; None: there is none.
        after: its body from then on; None: it is removed.
    """

    kind: Kind
    key: str
    before: bytes | None
    after: bytes | None

    @property
    def action(self) -> str:
        """What is done, in a word."""
        if self.before is None:
            return "add"
        return "change" if self.after is not None else "remove"

    def document(self) -> dict[str, Any]:
        """Return what is published."""
        if self.after is None:
            return {"kind": self.kind, "key": self.key, "removed": True}
        return {"kind": self.kind, "key": self.key, "body": json.loads(self.after)}


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """What applying an inventory would publish.

    Args:
        core: what it starts from.
        inventory: the digest of the documents that the inventory gives.
        changes: in the order of the kinds and then of the keys.
    """

    core: CoreState
    inventory: str
    changes: tuple[PlannedChange, ...]

    @property
    def id(self) -> str:
        """Name what would be done and what it starts from: 64 hexadecimal digits."""
        steps = [
            [change.kind, change.key, change.action, _sha256(change.after)]
            for change in self.changes
        ]
        content = {
            "version": PLAN_VERSION,
            "epoch": self.core.epoch,
            "from": self.core.digest,
            "inventory": self.inventory,
            "changes": steps,
        }
        return _sha256(canonical_json(content))

    def removed(self, kind: Kind) -> list[str]:
        """Return the keys of a kind that would go."""
        return [one.key for one in self.changes if one.kind is kind and one.after is None]

    @property
    def removes_many_routes(self) -> bool:
        """Whether so many routes would go that it may be the wrong file."""
        gone = len(self.removed(Kind.ROUTE))
        if gone <= ROUTES_FEW:
            return gone == self.core.routes > 1
        return gone > self.core.routes * ROUTES_SHARE_MAX


class PlanMaker:
    """Compares an inventory's documents with the core's, which may come one by one.

    Args:
        wanted: what the inventory gives.
        keeps_others: whether what it does not have is left at the core.
    """

    def __init__(self, wanted: Iterable[Document], *, keeps_others: bool = False) -> None:
        self._wanted = {(Kind(one.kind), one.key): one.body for one in wanted}
        self._inventory = _digest_of(
            document_hash(kind, key, body) for (kind, key), body in self._wanted.items()
        )
        self._keeps_others = keeps_others
        self._changes: list[PlannedChange] = []
        self._known = 0
        self._routes = 0

    def take(self, kind: Kind, key: str, body: bytes) -> None:
        """Compare one document of the core's.

        Args:
            body: canonical JSON.
        """
        assert kind in OWNED
        self._known += document_hash(kind, key, body)
        self._routes += kind is Kind.ROUTE
        wanted = self._wanted.pop((kind, key), None)
        if wanted == body or (wanted is None and self._keeps_others):
            return
        self._changes.append(PlannedChange(kind, key, body, wanted))

    def plan(self, *, epoch: str, revision: int) -> ClusterPlan:
        """Return the plan, once all of the core's documents were compared."""
        added = [PlannedChange(*place, None, body) for place, body in self._wanted.items()]
        core = CoreState(epoch, revision, _digest_of((self._known,)), self._routes)
        order = {kind: number for number, kind in enumerate(OWNED)}
        changes = sorted([*self._changes, *added], key=lambda one: (order[one.kind], one.key))
        return ClusterPlan(core, self._inventory, tuple(changes))


def why_stale(saved: Mapping[str, Any], now: ClusterPlan) -> list[str]:
    """Return what has changed since a plan was written down, a line each.

    Empty: nothing has, or the plan was carried out already.

    Args:
        saved: as ``plan_json`` wrote it.
        now: what would be done by now.
    """
    is_done = saved.get("inventory") == now.inventory and not now.changes
    if saved.get("id") == now.id or (is_done and saved.get("epoch") == now.core.epoch):
        return []
    found = []
    if saved.get("epoch") != now.core.epoch:
        found.append("the core was restored, or its epoch was renewed")
    if saved.get("from") != now.core.digest:
        found.append(
            f"the core's documents of the kinds {', '.join(OWNED)} were changed after revision"
            f" {saved.get('revision')}; it is at {now.core.revision}"
        )
    if saved.get("inventory") != now.inventory:
        found.append("the inventory says something else by now")
    return found or ["it was made with other options"]


def plan_json(plan: ClusterPlan) -> dict[str, Any]:
    """Return the plan as it is written down; bodies are told by their digests alone."""
    return {
        "version": PLAN_VERSION,
        "id": plan.id,
        "epoch": plan.core.epoch,
        "revision": plan.core.revision,
        "from": plan.core.digest,
        "inventory": plan.inventory,
        "changes": [
            {
                "action": change.action,
                "kind": change.kind,
                "key": change.key,
                "before": _sha256(change.before),
                "after": _sha256(change.after),
            }
            for change in plan.changes
        ],
    }


def _digest_of(hashes: Iterable[int]) -> str:
    return changed(EMPTY_DIGEST, added=sum(hashes)).hex()


def _sha256(octets: bytes | None) -> str:
    return "" if octets is None else hashlib.sha256(octets).hexdigest()
