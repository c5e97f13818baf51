"""What happened to a message?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from common.identity import SHARDS_MAX
from core.records.counted_points import tell_points_that_counted
from core.records.held import tell_as_it_is_now
from core.records.look_report import LookGroup
from core.records.reports import EVER_US, ReportGroup
from core.web.request.caller import Caller
from core.web.request.problems import Problem
from core.web.request.request_body import RequestBody
from core.web.request.services import Core

router = APIRouter(prefix="/api/v1", tags=["messages"])


@router.get("/messages", summary="Track: by our id, a Message-ID in <>, address, domain or client")
async def track(
    core: Core,
    _caller: Caller,
    query: Annotated[str, Query(min_length=1, max_length=1000)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    found = await core.database.records.track(query, limit=limit)
    now_us = core.clock.now_us()
    preferences = core.database.preferences
    weights = await preferences.weights_at({message["revision"] for message in found})
    for message in found:
        if message["revision"] in weights:
            tell_points_that_counted(
                message, weights[message["revision"]], preferences.current.scopes
            )
        holds = core.link.fleet.holds_of(message["node"])
        for recipient in message["recipients"]:
            tell_as_it_is_now(recipient, holds, now_us=now_us)
    return {"messages": found}


@router.get("/messages/judged", summary="What the newest messages were judged by")
async def judged(
    core: Core,
    _caller: Caller,
    before: Annotated[str, Query(max_length=26)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    return await core.database.records.judged(before=before, limit=limit)


@router.get("/refusals", summary="What was refused, by an address, domain or client")
async def refusals(
    core: Core,
    _caller: Caller,
    query: Annotated[str, Query(min_length=1, max_length=1000)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    return {"refusals": await core.database.records.refusals(query, limit=limit)}


@router.get("/reports/refused", summary="What was refused, by reason, and which clients most")
async def refused(
    core: Core,
    _caller: Caller,
    since_us: Annotated[int, Query(ge=0, le=EVER_US)] = 0,
    until_us: Annotated[int, Query(ge=0, le=EVER_US)] = EVER_US,
) -> dict[str, Any]:
    return await core.database.records.refusal_report(since_us=since_us, until_us=until_us)


@router.get("/reports/late", summary="Mail that was delivered before it was known what it holds")
async def late(
    core: Core,
    _caller: Caller,
    since_us: Annotated[int, Query(ge=0, le=EVER_US)] = 0,
    until_us: Annotated[int, Query(ge=0, le=EVER_US)] = EVER_US,
    customer: Annotated[str | None, Query(max_length=63)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> dict[str, Any]:
    return await core.database.late.report(
        since_us=since_us, until_us=until_us, customer=customer, limit=limit
    )


@router.get("/reports/lost", summary="Mail that died with its spool, by customer")
async def lost(
    core: Core,
    _caller: Caller,
    customer: Annotated[str | None, Query(max_length=63)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> dict[str, Any]:
    return await core.database.lost.report(customer=customer, limit=limit)


class LostSeen(RequestBody):
    """Which shard's lost mail somebody has seen."""

    node: str = Field(max_length=63)
    shard: int = Field(ge=0, lt=SHARDS_MAX)


@router.post("/reports/lost/seen", summary="Say that somebody has seen what a shard lost")
async def seen(core: Core, who: Caller, request: LostSeen) -> dict[str, int]:
    seen = await core.database.lost.see(request.node, request.shard, who=who)
    if not seen and request.node not in core.sites:
        raise Problem(404, f"there is no node {request.node}", "see them with: borderscout status")
    return {"copies": seen}


@router.get("/reports/summary", summary="Accepted mail, outcomes, threats and senders by a group")
async def summary(
    core: Core,
    _caller: Caller,
    by: ReportGroup = ReportGroup.DAY,
    since_us: Annotated[int, Query(ge=0, le=EVER_US)] = 0,
    until_us: Annotated[int, Query(ge=0, le=EVER_US)] = EVER_US,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> dict[str, Any]:
    return await core.database.records.report(
        by, sites=core.sites, since_us=since_us, until_us=until_us, limit=limit
    )


@router.get("/reports/engines", summary="What engines find, how fast, and how often none answers")
async def engines(
    core: Core,
    _caller: Caller,
    by: LookGroup = LookGroup.DAY,
    site: Annotated[str | None, Query(max_length=63)] = None,
    since_us: Annotated[int, Query(ge=0, le=EVER_US)] = 0,
    until_us: Annotated[int, Query(ge=0, le=EVER_US)] = EVER_US,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> dict[str, Any]:
    return await core.database.records.look_report(
        by, sites=core.sites, site=site, since_us=since_us, until_us=until_us, limit=limit
    )
