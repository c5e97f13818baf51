"""What do customers teach the filters, and how far have those learned?"""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from common.lessons import CUSTOMER_LENGTH_MAX, LESSON_BYTES_MAX, Truth
from core.web.request.caller import Caller
from core.web.request.problems import Problem
from core.web.request.request_body import RequestBody
from core.web.request.services import Core

router = APIRouter(prefix="/api/v1/lessons", tags=["lessons"])

BASE64_LENGTH_MAX = LESSON_BYTES_MAX // 3 * 4 + 64
NODE_LENGTH_MAX = 63


class LessonRequest(RequestBody):
    """What somebody says of a message: of one that the quarantine has, or of one that is given."""

    truth: Truth
    customer: str = Field(
        default="",
        max_length=CUSTOMER_LENGTH_MAX,
        description="for whom; needed with a message, and where it is kept for several",
    )
    message_id: str = Field(default="", pattern=r"^([0-7][0-9A-HJKMNP-TV-Z]{25})?$")
    message: str = Field(default="", max_length=BASE64_LENGTH_MAX, description="base64")


class AgainRequest(RequestBody):
    """Whose learners are to hear all lessons anew."""

    node: str = Field(min_length=1, max_length=NODE_LENGTH_MAX)


@router.get("", summary="Who has told how many lessons, and how far each learner is")
async def show(core: Core, _caller: Caller) -> dict[str, Any]:
    return await core.learning.status()


@router.post("", summary="Say that a message is spam, or that it is honest")
async def tell(core: Core, who: Caller, request: LessonRequest) -> dict[str, Any]:
    if bool(request.message_id) == bool(request.message):
        raise Problem(400, "name either a message_id of the quarantine or a message")
    if request.message_id:
        told = await core.learning.report_case(
            request.message_id, customer=request.customer, truth=request.truth, who=who
        )
        return asdict(told)
    if not request.customer:
        raise Problem(400, "say for which customer")
    try:
        octets = base64.b64decode(request.message, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(400, "the message is no base64") from None
    told = await core.learning.report(
        octets, customer=request.customer, truth=request.truth, who=who
    )
    return asdict(told)


@router.post("/again", summary="Tell a node's learners all lessons anew")
async def again(core: Core, who: Caller, request: AgainRequest) -> dict[str, int]:
    told = await core.learning.again(request.node, who=who)
    if not told and request.node not in core.sites:
        raise Problem(404, f"there is no node {request.node}", "see them with: borderscout status")
    return {"lessons": told}


@router.delete("", summary="Remove a customer's lessons from the core")
async def forget(
    core: Core,
    who: Caller,
    customer: Annotated[str, Query(min_length=1, max_length=CUSTOMER_LENGTH_MAX)],
) -> dict[str, int]:
    removed = await core.database.lessons.forget(customer, who=who)
    if not removed:
        raise Problem(
            404, f"no lesson of {customer} is kept", "see them with: borderscout learn status"
        )
    return {"lessons": removed}
