"""Is the core alive, ready, and how busy?

Without a token: probes and scrapers have none, and nothing here tells of anybody's mail.
"""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from core.records.late import LateAlarm
from core.web.metrics import CoreMetrics
from core.web.request.services import Core, Services

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Alive", response_class=PlainTextResponse)
async def healthz() -> str:
    return "alive\n"


@router.get("/readyz", summary="Would take links and answer now", response_class=PlainTextResponse)
async def readyz(core: Core) -> PlainTextResponse:
    await core.database.audit.recent(limit=1)  # the database answers
    problem = core.database.room.problem
    if problem:
        return PlainTextResponse(f"{problem}\n", status_code=503)
    return PlainTextResponse("ready\n")


@router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
async def metrics(core: Core) -> Response:
    late = await core.database.late.alarm()
    lost = await core.database.lost.unseen()
    return Response(_exposition(core, late, sum(lost.values())), media_type=CONTENT_TYPE_LATEST)


def _exposition(core: Services, late: LateAlarm, lost_copies: int) -> bytes:
    registry = CollectorRegistry()
    CoreMetrics(registry).show(core, late, lost_copies=lost_copies)
    return generate_latest(registry)
