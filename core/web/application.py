"""What does the core serve over HTTP?

Touches nothing by itself: makes the application; ``core.app`` runs it.
"""

from __future__ import annotations

from fastapi import FastAPI

from core.web import health, reference
from core.web.api import (
    definitions,
    epoch,
    holds,
    lessons,
    lists,
    members,
    messages,
    nodes,
    preferences,
    probes,
    quarantine,
    status,
    threats,
    weights,
)
from core.web.request import problems
from core.web.request.authentication import Authentication
from core.web.request.services import Services

API = (
    status,
    messages,
    holds,
    preferences,
    lists,
    threats,
    weights,
    quarantine,
    lessons,
    definitions,
    members,
    epoch,
    nodes,
    probes,
)


def application_of(services: Services) -> FastAPI:
    """Return the application of one core."""
    application = FastAPI(
        title="Border Scout",
        version=services.version,
        docs_url=None,  # the stock page loads its scripts from a stranger's server
        redoc_url=None,
    )
    application.state.services = services
    problems.install(application)
    # Not include_router: it would make each route anew at its first request, 17 ms each.
    for room in (*API, health, reference):
        application.router.routes.extend(room.router.routes)
    application.add_middleware(Authentication, token=services.token)
    return application
