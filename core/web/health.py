"""Is the core alive, ready, and how busy?

Without a token: probes and scrapers have none, and nothing here tells of anybody's mail.
"""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from core.web.services import Core, Services

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Alive", response_class=PlainTextResponse)
async def healthz() -> str:
    return "alive\n"


@router.get("/readyz", summary="Would take links and answer now", response_class=PlainTextResponse)
async def readyz(core: Core) -> str:
    await core.database.audit.recent(limit=1)  # the database answers
    return "ready\n"


@router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
async def metrics(core: Core) -> Response:
    return Response(_exposition(core), media_type=CONTENT_TYPE_LATEST)


def _exposition(core: Services) -> bytes:
    registry = CollectorRegistry()
    revision = Gauge("borderscout_core_revision", "Newest revision", registry=registry)
    revision.set(core.database.preferences.position.revision)

    def gauge(name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, ["node"], registry=registry)

    live = gauge("borderscout_node_live", "Whether a node is heard")
    applied = gauge("borderscout_node_applied_revision", "Lowest over its shards")
    lag = gauge("borderscout_node_lag_revisions", "Absent while it is unknown")
    records = gauge("borderscout_node_outbox_records", "Records still to come")
    for node in core.link.fleet.nodes(now_s=core.clock.monotonic_s()):
        live.labels(node.node).set(node.state != "silent")
        records.labels(node.node).set(node.outbox_records)
        if node.applied is not None:
            applied.labels(node.node).set(node.applied.revision)
        if node.lag is not None:
            lag.labels(node.node).set(node.lag)
    return generate_latest(registry)
