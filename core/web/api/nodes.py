"""How does one node stand, and which settings shall it take?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as PathPart
from pydantic import Field

from common.link import DRAIN_S_MAX
from common.preferences import Kind
from common.preferences.bodies import NodeBody
from common.reports import SettingsState, is_draining
from core.fleet.fleet import NodeStatus, SatelliteState
from core.fleet.node_settings import why_not_told
from core.records.search import iso_time
from core.web.api.status import node_json
from core.web.request.caller import Caller
from core.web.request.problems import Problem
from core.web.request.request_body import RequestBody
from core.web.request.services import Core, Services

router = APIRouter(prefix="/api/v1", tags=["status"])

NodeName = Annotated[str, PathPart(max_length=63)]


class SettingsRequest(RequestBody):
    """Which of its settings a node shall take."""

    digest: str = Field(
        pattern="^[0-9a-f]{64}$", description="of its document of the kind node, as published"
    )
    drain_s: int = Field(
        default=0,
        ge=0,
        le=DRAIN_S_MAX,
        description="so long at most it takes no mail and empties itself before it begins anew",
    )


class DrainRequest(RequestBody):
    """Whether a node takes no mail from now on."""

    on: bool = Field(default=True, description="false: it takes mail again")


@router.get("/nodes/{node}", summary="One node, and which settings are published for it")
async def show(core: Core, _caller: Caller, node: NodeName) -> dict[str, Any]:
    document = core.database.preferences.current.document(Kind.NODE, node)
    published = document.body_as(NodeBody).digest if document is not None else ""
    return {**node_json(_status(core, node)), "settings_published": published}


@router.get("/nodes/{node}/last-report", summary="What a node said last, known or not any more")
async def last_report(core: Core, _caller: Caller, node: NodeName) -> dict[str, Any]:
    rows = [row for row in await core.database.fleet.shards() if row.node == node]
    if not rows:
        raise Problem(404, f"no node called {node} was ever heard", "borderscout status shows all")
    expected = int(max(rows, key=lambda row: row.last_seen_us).hello.get("shards", 1))
    reports = [row.report for row in rows]
    working = [row.report for row in rows if row.shard < expected]
    return {
        "node": node,
        "named": node in core.sites,
        "heard": iso_time(min(row.last_seen_us for row in rows)),
        "recipients": sum(sum(report.get("spool", {}).values()) for report in reports),
        "outbox": sum(
            report.get("outbox_records", 0) + report.get("outbox_quarantine", 0)
            for report in reports
        ),
        "drained": len(working) == expected and all(map(_is_drained, working)),
    }


def _is_drained(report: Mapping[str, Any]) -> bool:
    return is_draining(
        accepting=report.get("accepting", False), reason=report.get("not_accepting_reason", "")
    )


@router.post("/nodes/{node}/settings", summary="Let a node take the settings published for it")
async def take_settings(
    core: Core, who: Caller, node: NodeName, request: SettingsRequest
) -> dict[str, Any]:
    status = _status(core, node)
    _refuse(core, status, request.digest)
    standing = status.settings
    is_on_its_way = standing.state is SettingsState.TRYING
    is_there = is_on_its_way or (standing.in_force == request.digest and not standing.has_failed)
    is_told = not is_there and core.link.take_settings(
        node, request.digest, drain_s=request.drain_s
    )
    if not is_there and not is_told:
        raise Problem(409, f"{node} cannot be told now", "try again in some seconds")
    await core.database.audit.note(who=who, what="settings", subject=f"{node} {request.digest}")
    return {"node": node, "digest": request.digest, "told": is_told, "state": standing.state}


@router.post("/nodes/{node}/drain", summary="Let a node take no mail, and empty itself")
async def drain(core: Core, who: Caller, node: NodeName, request: DrainRequest) -> dict[str, Any]:
    if _status(core, node).state is SatelliteState.SILENT:
        raise Problem(409, f"{node} is silent", "it can be told once it is heard")
    told = core.link.drain(node, on=request.on)
    what = "drain" if request.on else "take mail"
    await core.database.audit.note(who=who, what=what, subject=node)
    return {"node": node, "on": request.on, "shards": told}


def _status(core: Services, node: str) -> NodeStatus:
    if node not in core.link.fleet.sites:
        raise Problem(404, f"no node is called {node}", "borderscout status shows those that are")
    return core.link.fleet.node(node, now_s=core.clock.monotonic_s())


def _refuse(core: Services, status: NodeStatus, digest: str) -> None:
    """Refuse what the node could not do.

    Raises:
        Problem: it is silent, or cannot take these settings now.
    """
    if status.state is SatelliteState.SILENT:
        raise Problem(409, f"{status.node} is silent", "it can be told once it is heard")
    document = core.database.preferences.current.document(Kind.NODE, status.node)
    found = why_not_told(digest, document, standing=status.settings, agreed=status.agreed)
    if found is not None:
        what, hint = found
        raise Problem(409, f"{status.node}: {what}", hint)
