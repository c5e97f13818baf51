"""What is in the quarantine, and what becomes of it?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from common.message_bounds import MESSAGE_RECIPIENTS_MAX
from common.records.bounds import TIME_US_MAX
from core.quarantine.cases import CaseState, KeptCase, UnknownCase
from core.web.request.caller import Caller
from core.web.request.request_body import RequestBody
from core.web.request.services import Core, Services

router = APIRouter(prefix="/api/v1/quarantine", tags=["quarantine"])

MessageId = Annotated[str, Path(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$", description="ULID")]
Text = Annotated[str | None, Query(max_length=320)]
BLOCK_BYTES = 262_144


class ReleaseRequest(RequestBody):
    """How to release."""

    again: bool = False  # release anew although it was claimed: it may be delivered twice
    recipients: list[Annotated[str, Field(min_length=1, max_length=320)]] = Field(
        default_factory=list, max_length=MESSAGE_RECIPIENTS_MAX
    )  # to whom of those that it is kept for; none: to all


@router.get("", summary="Cases, newest first")
async def cases(
    core: Core,
    _caller: Caller,
    state: CaseState | None = None,
    customer: Text = None,
    domain: Text = None,
    recipient: Text = None,
    node: Text = None,
    before_us: Annotated[int | None, Query(ge=0, le=TIME_US_MAX)] = None,
    before_id: Annotated[str, Query(max_length=26)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> dict[str, Any]:
    found = await core.custody.cases(
        state=state,
        customer=customer,
        domain=domain,
        recipient=recipient,
        node=node,
        before=None if before_us is None else (before_us, before_id),
        limit=limit,
    )
    return {"cases": [case.as_json() for case in found]}


@router.get("/{message_id}", summary="One case with its releases")
async def case(core: Core, _caller: Caller, message_id: MessageId) -> dict[str, Any]:
    found = await _known(core, message_id)
    releases = await core.releases.of_case(message_id)
    return found.as_json() | {"releases": [asdict(release) for release in releases]}


@router.get(
    "/{message_id}/body", summary="The octets as they came", response_class=StreamingResponse
)
async def body(core: Core, who: Caller, message_id: MessageId) -> StreamingResponse:
    found = await _known(core, message_id)
    first = await core.custody.read(message_id, 0, BLOCK_BYTES)  # an error is still an answer here
    await core.database.audit.note(who=who, what="quarantine.read", subject=message_id)

    async def blocks() -> AsyncIterator[bytes]:
        yield first
        offset = len(first)
        while offset < found.told.size:
            block = await core.custody.read(message_id, offset, BLOCK_BYTES)
            if not block:
                return
            yield block
            offset += len(block)

    # Never shown by a browser as what the mail says it is.
    headers = {
        "Content-Disposition": f'attachment; filename="{message_id}.eml"',
        "X-Content-Type-Options": "nosniff",
        # A body that breaks off is seen as broken off.
        "Content-Length": str(found.told.size),
    }
    return StreamingResponse(blocks(), media_type="application/octet-stream", headers=headers)


@router.post(
    "/{message_id}/release", summary="Deliver it after all; twice clicked is once released"
)
async def release(
    core: Core, who: Caller, message_id: MessageId, request: ReleaseRequest
) -> dict[str, Any]:
    made = await core.releases.request(
        message_id, who=who, again=request.again, recipients=request.recipients
    )
    lessons = await core.learning.released(message_id, recipients=request.recipients, who=who)
    return asdict(made) | {"lessons": lessons}


@router.delete("/{message_id}", summary="Delete the body for good")
async def delete(core: Core, who: Caller, message_id: MessageId) -> dict[str, Any]:
    return (await core.custody.delete(message_id, who=who)).as_json()


async def _known(core: Services, message_id: str) -> KeptCase:
    found = await core.custody.case(message_id)
    if found is None:
        raise UnknownCase(message_id)
    return found
