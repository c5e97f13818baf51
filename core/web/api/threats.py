"""Which threats are spam rather than virus, and which are none?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from common.preferences import CheckedDocument, Kind
from common.preferences.bodies import ThreatBody
from common.preferences.documents import new_document
from common.preferences.threats import ALL_ENGINES, split_threat_key, threat_key
from common.records.bounds import TIME_US_MAX
from core.web.request.caller import Caller
from core.web.request.one_document import document_removed, document_set
from core.web.request.problems import Problem
from core.web.request.services import Core

router = APIRouter(prefix="/api/v1/threats", tags=["threats"])

Engine = Annotated[str, Query(max_length=64)]
Name = Annotated[str, Query(max_length=300)]


class ThreatRequest(BaseModel):
    """What threats of one name are."""

    model_config = ConfigDict(extra="forbid")  # a misspelt order must not be half an order

    name: str = Field(max_length=300, description="of the threat; * for any characters")
    action: Literal["ignore", "spam"]
    engine: str = Field(default=ALL_ENGINES, max_length=64, description="*: whichever names it")
    score: float = Field(
        default=10.0, gt=0, le=100, allow_inf_nan=False, description="of spam: its points"
    )
    reason: str = Field(default="", max_length=500)
    until_us: int = Field(
        default=0, ge=0, le=TIME_US_MAX, description="microseconds since 1970 UTC; 0: for good"
    )


@router.get("", summary="What is said of threats")
async def show(core: Core, _caller: Caller) -> dict[str, Any]:
    return {
        "threats": [
            _entry(document)
            for document in core.database.preferences.current.documents(Kind.THREAT)
        ]
    }


@router.post("", summary="Say what threats of a name are")
async def add(core: Core, who: Caller, entry: ThreatRequest) -> dict[str, Any]:
    key = _key(entry.engine, entry.name)
    document = new_document(Kind.THREAT, key, entry.model_dump(exclude={"engine", "name"}))
    return await document_set(core, document, who=who, shown=_entry)


@router.delete("", summary="Take back what was said of a threat")
async def remove(
    core: Core, who: Caller, name: Name, engine: Engine = ALL_ENGINES
) -> dict[str, Any]:
    key = _key(engine, name)
    missing = Problem(
        404, f"nothing is said of the threat {key}", "see them with: borderscout threat list"
    )
    return await document_removed(core, Kind.THREAT, key, who=who, missing=missing)


def _entry(document: CheckedDocument) -> dict[str, Any]:
    """Return what is said of a threat as it is shown."""
    engine, name = split_threat_key(document.key)
    body = document.body_as(ThreatBody).model_dump()
    return {"engine": engine, "name": name, **body, "revision": document.revision}


def _key(engine: str, name: str) -> str:
    try:
        return threat_key(engine, name)
    except ValueError as error:
        raise Problem(400, str(error), "name the threat as its engine does") from None
