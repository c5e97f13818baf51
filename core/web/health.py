"""Is the core alive, ready, and how busy?

Without a token: probes and scrapers have none, and nothing here tells of anybody's mail.
"""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from core.web.request.services import Core, Services

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
    away = gauge("borderscout_core_holds", "Destinations that a node holds mail for")
    held = gauge("borderscout_core_held_messages", "Messages held for them")
    held_bytes = gauge("borderscout_core_held_bytes", "Octets of these messages")
    damaged = gauge("borderscout_core_damaged_recipients", "Their mail's body cannot be read")
    frozen = gauge("borderscout_core_frozen_recipients", "Their mail was stopped by an operator")
    for node in core.link.fleet.nodes(now_s=core.clock.monotonic_s()):
        live.labels(node.node).set(node.state != "silent")
        records.labels(node.node).set(node.outbox_records)
        # Counts alone: whose mail waits, and for which server, is nobody's who only scrapes.
        away.labels(node.node).set(len(node.holds))
        held.labels(node.node).set(sum(hold.messages for hold in node.holds))
        held_bytes.labels(node.node).set(sum(hold.bytes for hold in node.holds))
        damaged.labels(node.node).set(node.spool.get("damaged", 0))
        frozen.labels(node.node).set(node.spool.get("frozen", 0))
        if node.applied is not None:
            applied.labels(node.node).set(node.applied.revision)
        if node.lag is not None:
            lag.labels(node.node).set(node.lag)
    return generate_latest(registry)
