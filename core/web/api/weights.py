"""How many points do filters' tests have, instead of their own?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from common.address import AddressError
from common.preferences import CheckedDocument, Kind
from common.preferences.bodies import WeightBody
from common.preferences.documents import new_document
from common.preferences.scopes import Scope
from common.preferences.weights import split_weight_key, weight_key
from core.web.request.caller import Caller
from core.web.request.one_document import document_removed, document_set
from core.web.request.problems import Problem
from core.web.request.services import Core

router = APIRouter(prefix="/api/v1/weights", tags=["weights"])

OfScope = Annotated[str, Query(alias="scope", max_length=300)]
OfTest = Annotated[str, Query(alias="test", max_length=96)]


class WeightRequest(BaseModel):
    """The points of a test in one scope."""

    model_config = ConfigDict(extra="forbid")  # a misspelt order must not be half an order

    test: str = Field(max_length=96, description="as the header shows it; * at its end: all such")
    scope: str = Field(default="cluster", max_length=300)
    score: float | None = Field(default=None, description="its points; 0 switches it off")
    factor: float | None = Field(default=None, description="or: its own points times this")
    reason: str = Field(default="", max_length=500)


@router.get("", summary="The weights of tests")
async def show(core: Core, _caller: Caller) -> dict[str, Any]:
    current = core.database.preferences.current
    return {"weights": [_entry(document) for document in current.documents(Kind.WEIGHT)]}


@router.put("", summary="Give a test other points")
async def put(core: Core, who: Caller, entry: WeightRequest) -> dict[str, Any]:
    key = _key(entry.scope, entry.test)
    body = entry.model_dump(exclude={"scope", "test"}, exclude_none=True)
    document = new_document(Kind.WEIGHT, key, body)
    return await document_set(core, document, who=who, shown=_entry)


@router.delete("", summary="Give a test its own points back")
async def remove(
    core: Core, who: Caller, test: OfTest, scope: OfScope = "cluster"
) -> dict[str, Any]:
    key = _key(scope, test)
    missing = Problem(404, f"there is no weight {key}", "see them with: borderscout weight list")
    return await document_removed(core, Kind.WEIGHT, key, who=who, missing=missing)


def _entry(document: CheckedDocument) -> dict[str, Any]:
    """Return a weight as it is shown."""
    scope, test = split_weight_key(document.key)
    body = document.body_as(WeightBody).model_dump()
    return {"scope": str(scope), "test": test, **body, "revision": document.revision}


def _key(scope: str, test: str) -> str:
    try:
        return weight_key(Scope.parse(scope), test)
    except (AddressError, ValueError) as error:
        raise Problem(400, str(error), "track shows the names of tests") from None
