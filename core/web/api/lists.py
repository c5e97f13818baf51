"""Whose mail is let through, and whose is not?"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from common.address import AddressError
from common.preferences import CheckedDocument, Kind, ListColour, Preferences, Scope
from common.preferences.bodies import ListBody
from common.preferences.documents import new_document, new_tombstone
from common.preferences.list_keys import list_key, split_list_key
from common.records.bounds import TIME_US_MAX
from core.preferences.warnings import refuse_unknown, warnings
from core.web.request.caller import Caller
from core.web.request.problems import Problem
from core.web.request.request_body import RequestBody
from core.web.request.services import Core

router = APIRouter(prefix="/api/v1/lists", tags=["lists"])


class ListEntryRequest(RequestBody):
    """One list entry."""

    scope: str = Field(max_length=300)
    pattern: str = Field(max_length=300)
    reason: str = Field(default="", max_length=500)
    until_us: int = Field(
        default=0, ge=0, le=TIME_US_MAX, description="microseconds since 1970 UTC; 0: for good"
    )
    force: bool = Field(
        default=True, description="false: refuse for a customer, domain or recipient nobody has"
    )


@router.get("/{colour}", summary="The entries of one colour")
async def show(
    core: Core,
    _caller: Caller,
    colour: ListColour,
    scope: Annotated[str | None, Query(max_length=300)] = None,
) -> dict[str, Any]:
    wanted = str(Scope.parse(scope)) if scope else None
    found = []
    for document in core.database.preferences.current.documents(Kind.LIST):
        its_colour, its_scope, _pattern = split_list_key(document.key)
        if its_colour is colour and wanted in (None, str(its_scope)):
            found.append(_entry(document))
    return {"entries": found}


@router.post("/{colour}", summary="Add or replace an entry")
async def add(
    core: Core, who: Caller, colour: ListColour, entry: ListEntryRequest
) -> dict[str, Any]:
    document = new_document(
        Kind.LIST,
        _key(colour, entry.scope, entry.pattern),
        {"reason": entry.reason, "until_us": entry.until_us},
    )
    stood: CheckedDocument | None = None

    def revision(current: Preferences) -> list[CheckedDocument]:
        nonlocal stood  # the last time that it is asked is the one that counts
        if not entry.force:
            refuse_unknown(current, Scope.parse(entry.scope))
        stood = current.document(Kind.LIST, document.key)
        return [document]

    made = await core.database.preferences.revise(revision, who=who)
    return {
        "revision": made.position.revision,
        "key": document.key,
        "replaced": _entry(stood) if stood is not None else None,
        "warnings": await asyncio.to_thread(warnings, made, [document]),
    }


@router.delete("/{colour}", summary="Remove an entry")
async def remove(
    core: Core,
    who: Caller,
    colour: ListColour,
    scope: Annotated[str, Query(max_length=300)],
    pattern: Annotated[str, Query(max_length=300)],
) -> dict[str, Any]:
    key = _key(colour, scope, pattern)
    if core.database.preferences.current.document(Kind.LIST, key) is None:
        raise Problem(404, f"there is no entry {key}", "see them with: borderscout list show")
    position = await core.database.preferences.publish([new_tombstone(Kind.LIST, key)], who=who)
    return {"revision": position.revision, "key": key}


def _entry(document: CheckedDocument) -> dict[str, Any]:
    """Return a list entry as it is shown."""
    colour, scope, pattern = split_list_key(document.key)
    body = document.body_as(ListBody)
    return {
        "colour": colour,
        "scope": str(scope),
        "pattern": pattern,
        "reason": body.reason,
        "until_us": body.until_us,
        "revision": document.revision,
    }


def _key(colour: ListColour, scope: str, pattern: str) -> str:
    whose = Scope.parse(scope)
    try:
        return list_key(colour, whose, pattern)
    except AddressError as error:
        raise Problem(
            400, error.what, "a pattern is an address, a domain, .domain or a network"
        ) from None
