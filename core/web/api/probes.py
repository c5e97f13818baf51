"""What have the nodes measured to the customers' servers?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from common.round_trips import WINDOW_S
from core.records.search import iso_time
from core.store.round_trips import KeptRoundTrip
from core.web.request.caller import Caller
from core.web.request.services import Core, Services

router = APIRouter(prefix="/api/v1", tags=["probes"])

PAGE_MAX = 1_000


@router.get("/probes", summary="What nodes measured to the customers' servers, page by page")
async def probes(
    core: Core,
    _caller: Caller,
    after: Annotated[str, Query(max_length=400, description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_MAX,
) -> dict[str, Any]:
    node, _, target = after.partition("/")
    found = await core.database.round_trips.page(after=(node, target), limit=limit + 1)
    shown = found[:limit]
    last = f"{shown[-1].node}/{shown[-1].target}" if len(found) > limit else None
    now_us = core.clock.now_us()
    return {
        "made": iso_time(now_us),
        "window_s": WINDOW_S,
        "probes": [_told(core, one, now_us) for one in shown],
        "next": last,
    }


def _told(core: Services, one: KeptRoundTrip, now_us: int) -> dict[str, Any]:
    return {
        "node": one.node,
        "site": core.sites.get(one.node),  # null: nobody names that node any more
        "target": one.target,
        "rtt_us": one.rtt_us,
        "tries": one.tries,
        "failures": one.failures,
        "measured": iso_time(one.measured_us),
        "age_s": (now_us - one.measured_us) // 1_000_000,  # below 0: our clock was set back
    }
