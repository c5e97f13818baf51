"""What happened to a message?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from core.records.reports import EVER_US, ReportGroup
from core.web.request.caller import Caller
from core.web.request.services import Core

router = APIRouter(prefix="/api/v1", tags=["messages"])


@router.get("/messages", summary="Track: by our id, a Message-ID in <>, an address or a domain")
async def track(
    core: Core,
    _caller: Caller,
    query: Annotated[str, Query(min_length=1, max_length=1000)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    return {"messages": await core.database.records.track(query, limit=limit)}


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
