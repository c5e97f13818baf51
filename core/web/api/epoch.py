"""How does somebody begin a new epoch of a running core?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from core.preferences.epochs import GENERATION_MAX
from core.web.request.caller import Caller
from core.web.request.request_body import RequestBody
from core.web.request.services import Core

router = APIRouter(prefix="/api/v1", tags=["status"])


class EpochRequest(RequestBody):
    """Which epoch to begin."""

    generation: int | None = Field(
        default=None,
        ge=1,
        le=GENERATION_MAX,
        description="left out: later than all that any node is heard to follow",
    )


@router.post("/epoch", summary="Begin a new epoch: every node takes this core's preferences whole")
async def renew(core: Core, who: Caller, request: EpochRequest) -> dict[str, Any]:
    heard = [one.follows.epoch.generation for one in core.link.fleet.other_epochs()]
    epoch = await core.database.preferences.renew_epoch(
        who=who, known=heard, generation=request.generation
    )
    return {
        "generation": epoch.generation,
        "epoch": epoch.identifier,
        "revision": core.database.preferences.position.revision,
    }
