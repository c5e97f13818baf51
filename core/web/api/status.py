"""How is the cluster?"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from common.wireguard.tunnel_told import told_health
from core.fleet.fleet import NodeStatus
from core.fleet.refused_callers import RefusedCaller
from core.preferences.epochs import OtherEpoch
from core.preferences.unused_filters import unused_filters
from core.web.request.caller import Caller
from core.web.request.request_body import RequestBody
from core.web.request.services import Core, Services

router = APIRouter(prefix="/api/v1", tags=["status"])

NUMBER_MAX = (1 << 63) - 1  # what a column holds
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/status", summary="Every node: applied revision, lag, engines, what is held")
async def status(core: Core, _caller: Caller) -> dict[str, Any]:
    position = core.database.preferences.position
    certificate = core.link.certificate_status()
    nodes = core.link.fleet.nodes(now_s=core.clock.monotonic_s())
    late = await core.database.late.alarm()
    await core.database.cases.room.know(now_s=core.clock.monotonic_s())
    return {
        "cluster": core.settings.cluster,
        "core": core.settings.name,
        "version": core.version,
        "revision": position.revision,
        "generation": position.epoch.generation,
        "epoch": position.epoch.identifier,
        "other_epochs": [_other(one) for one in core.link.fleet.other_epochs()],
        "certificates": {} if certificate is None else {"link": asdict(certificate)},
        "joining": {"problems": core.joining.problems()},
        "late": late.as_json(),
        "settings_file": asdict(core.settings_file),
        "preferences_problem": core.database.preference_rows.problem,
        "unused_filters": unused_filters(
            core.database.preferences.current, core.link.fleet.filters()
        ),
        "lost": await core.database.lost.unseen(),
        "quarantine": {
            "bytes_by_node": dict(core.database.cases.room.used),
            "bytes_per_node_max": core.database.cases.room.bytes_max,
        },
        "disk": {
            "problem": core.database.room.problem,
            "free_bytes": core.database.room.free_bytes,
        },
        "refused_callers": [_refused(core, one) for one in core.link.callers.shown()],
        "nodes": [
            {**node_json(node), "certificate_ends_s": core.link.certificate_ends.of(node.node)}
            for node in nodes
        ],
        "definitions": _definitions(core),
        "learners": await core.database.lessons.progress(),
        "retention": core.sweeper.report.as_json(),
        "tunnel": await asyncio.to_thread(_tunnel, core),
    }


def _tunnel(core: Services) -> dict[str, Any] | None:
    """Return how the core's tunnel fares, and so each node's; None: nobody tells, or has one."""
    health = told_health(core.settings.wireguard.state)
    return None if health is None else asdict(health)


def _other(other: OtherEpoch) -> dict[str, Any]:
    return {
        "node": other.node,
        "generation": other.follows.epoch.generation,
        "epoch": other.follows.epoch.identifier,
        "revision": other.follows.revision,
        "near": other.is_near,
        "problem": other.problem,
    }


def _refused(core: Services, caller: RefusedCaller) -> dict[str, Any]:
    return {
        "name": caller.name,
        "host": caller.host,
        "reason": caller.reason,
        "times": caller.times,
        "heard_s_ago": core.clock.monotonic_s() - caller.heard_s,
    }


def _definitions(core: Services) -> dict[str, Any]:
    """Return what stands in one line of the status; all of it is at /definitions."""
    found = core.definitions.status()
    manifest = found.current.manifest if found.current is not None else None
    return {
        "serial": manifest.serial if manifest is not None else 0,
        "version": manifest.version if manifest is not None else "",
        "made_us": manifest.made_us if manifest is not None else 0,
        "sites": {site: stand.value for site, stand in found.plan.sites.items()},
        "problems": list(found.problems),
    }


def node_json(node: NodeStatus) -> dict[str, Any]:
    """Return all that is told of a node."""
    shards = [
        {
            "shard": shard.shard,
            "state": shard.state,
            "applied": _revision(shard.applied),
            "agreed": _revision(shard.agreed),
            "accepting": shard.report.accepting,
            "not_accepting_reason": shard.report.not_accepting_reason,
        }
        for shard in node.shards
    ]
    return {
        "node": node.node,
        "site": node.site,
        "state": node.state,
        "applied": _revision(node.applied),
        "agreed": _revision(node.agreed),
        "lag": node.lag,
        "heard_s_ago": node.heard_s_ago,
        "shards_expected": node.shards_expected,
        "refused": asdict(node.refused) if node.refused is not None else None,
        "core_refused": node.core_refused,
        "accepting": node.accepting,
        "not_accepting_reason": node.not_accepting_reason,
        "spool": node.spool,
        "engines": [asdict(engine) for engine in node.engines],
        "holds": [asdict(hold) for hold in node.holds],
        "outbox_records": node.outbox_records,
        "outbox_quarantine": node.outbox_quarantine,
        "oldest_s": node.oldest_us / 1e6,
        "skew_s": None if node.skew_us is None else node.skew_us / 1e6,
        "versions": list(node.versions),
        "problems": list(node.problems),
        "settings": asdict(node.settings),
        "shards": shards,
    }


def _revision(position: Any) -> int | None:
    return None if position is None else position.revision


class FlushRequest(RequestBody):
    """Which deferred and held mail to try now."""

    destination: str = Field(default="", max_length=300, description="empty: everything")
    node: str | None = Field(default=None, max_length=63, description="one node; left out: all")


@router.post("/flush", summary="Try deferred and held mail now")
async def flush(core: Core, who: Caller, request: FlushRequest) -> dict[str, int]:
    told = core.link.flush(request.destination, node=request.node)
    subject = " at ".join(filter(None, (request.destination or "everything", request.node)))
    await core.database.audit.note(who=who, what="flush", subject=subject)
    return {"shards": told}


@router.get("/events", summary="What happened to nodes: starts, refusals, full disks")
async def events(
    core: Core,
    _caller: Caller,
    node: Annotated[str | None, Query(max_length=63)] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    found = await core.database.records.node_events(node=node, limit=limit)
    return {"events": found}


@router.get("/audit", summary="Who changed what")
async def audit(
    core: Core,
    _caller: Caller,
    before: Annotated[int | None, Query(ge=0, le=NUMBER_MAX)] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    entries = await core.database.audit.recent(before=before, limit=limit)
    return {"entries": [asdict(entry) for entry in entries]}
