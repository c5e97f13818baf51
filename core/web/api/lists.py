"""Whose mail is let through, and whose is not?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from common.address import AddressError, canonical_ip, parse_address
from common.preferences import CheckedDocument, Kind, ListColour, ListHit, Preferences, Scope
from common.preferences.bodies import ListBody
from common.preferences.documents import new_document, new_tombstone
from common.preferences.list_keys import list_key, split_list_key
from common.preferences.policy import WhitelistProof
from common.records.bounds import TIME_US_MAX
from core.preferences.warnings import refuse_unknown, warnings
from core.web.request.caller import Caller
from core.web.request.problems import Problem
from core.web.request.request_body import RequestBody
from core.web.request.services import Core

router = APIRouter(prefix="/api/v1/lists", tags=["lists"])

ENTRIES_MAX = 5_000  # in one change; a larger import is several revisions
PAGE_MAX = 5_000
SEEN_MAX = 20_000  # entries that one request looks through for a text
WHO_LENGTH_MAX = 100


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


class ImportedEntry(RequestBody):
    """One of many list entries."""

    colour: ListColour
    scope: str = Field(max_length=300)
    pattern: str = Field(max_length=300)
    reason: str = Field(default="", max_length=500)
    until_us: int = Field(default=0, ge=0, le=TIME_US_MAX)


class ListImportRequest(RequestBody):
    """List entries to add or replace, all in one revision; of two for the same the last one."""

    entries: Annotated[list[ImportedEntry], Field(max_length=ENTRIES_MAX)]
    comment: str = Field(default="", max_length=500)


@router.get("/explain", summary="Which entry decides for one recipient and sender, and which next")
async def explain(
    core: Core,
    _caller: Caller,
    recipient: Annotated[str, Query(max_length=320)],
    sender: Annotated[str, Query(max_length=320)] = "",
    client: Annotated[str, Query(max_length=64)] = "",
) -> dict[str, Any]:
    current = core.database.preferences.current
    whom = str(parse_address(recipient))
    address = _address(client)
    by = str(parse_address(sender)) if sender else ""
    search = current.list_search(sender=by, client_address=address, now_us=core.clock.now_us())
    trusts = current.policy(whom).whitelist_proof is WhitelistProof.ENVELOPE
    return {
        "recipient": whom,
        "sender": by,
        "client": address,
        "revision": current.position.revision,
        "proof": str(current.policy(whom).whitelist_proof),
        "entries": [
            _told(current, hit) | {"needs_proof": hit.needs_proof and not trusts}
            for hit in islice(search.hits(whom), PAGE_MAX)
        ],
    }


@router.get("/{colour}", summary="The entries of one colour, a page after the other")
async def show(
    core: Core,
    _caller: Caller,
    colour: ListColour,
    scope: Annotated[str | None, Query(max_length=300)] = None,
    contains: Annotated[str, Query(max_length=300, description="in pattern or reason")] = "",
    after: Annotated[str, Query(max_length=700, description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_MAX,
) -> dict[str, Any]:
    beginning = f"{colour}/{Scope.parse(scope)}/" if scope else f"{colour}/"
    current = core.database.preferences.current
    return await asyncio.to_thread(_page, current, beginning, after, contains.casefold(), limit)


def _page(
    current: Preferences, beginning: str, after: str, text: str, limit: int
) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    documents = current.list_documents(beginning, after=after)
    last = ""
    for document in islice(documents, SEEN_MAX if text else limit):
        last = document.key
        entry = _entry(document)
        if text in f"{entry['pattern']}\n{entry['reason']}".casefold():
            found.append(entry)
        if len(found) == limit:
            break
    more = next(documents, None) if last else None
    return {"entries": found, "next": last if more is not None else None}


@router.post("", summary="Add or replace many entries as one revision")
async def add_many(core: Core, who: Caller, change: ListImportRequest) -> dict[str, Any]:
    now_us = core.clock.now_us()
    wanted = await asyncio.to_thread(_wanted, change.entries, who, now_us)
    new = replaced = 0

    def revision(current: Preferences) -> list[CheckedDocument]:
        nonlocal new, replaced
        stood = {one.key: current.document(Kind.LIST, one.key) for one in wanted}
        changed = [one for one in wanted if not _says_the_same(stood[one.key], one)]
        new = sum(1 for one in changed if stood[one.key] is None)
        replaced = len(changed) - new
        return changed

    made = await core.database.preferences.revise(revision, who=who, comment=change.comment)
    return {
        "revision": made.position.revision,
        "added": new,
        "replaced": replaced,
        "unchanged": len(wanted) - new - replaced,
        "warnings": await asyncio.to_thread(warnings, made, wanted),
    }


def _wanted(entries: Sequence[ImportedEntry], who: str, now_us: int) -> list[CheckedDocument]:
    found: dict[str, CheckedDocument] = {}
    for number, one in enumerate(entries, start=1):
        try:
            document = _document(one.colour, one, who, now_us)
        except Problem as problem:
            raise Problem(400, f"entry {number}: {problem.what}", problem.hint) from None
        except AddressError as error:
            raise Problem(400, f"entry {number}: {error.what}") from None
        found[document.key] = document
    return list(found.values())


@router.post("/{colour}", summary="Add or replace an entry")
async def add(
    core: Core, who: Caller, colour: ListColour, entry: ListEntryRequest
) -> dict[str, Any]:
    document = _document(colour, entry, who, core.clock.now_us())
    stood: CheckedDocument | None = None

    def revision(current: Preferences) -> list[CheckedDocument]:
        nonlocal stood  # the last time that it is asked is the one that counts
        if not entry.force:
            refuse_unknown(current, Scope.parse(entry.scope))
        stood = current.document(Kind.LIST, document.key)
        return [] if _says_the_same(stood, document) else [document]

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


def _document(
    colour: ListColour, entry: ListEntryRequest | ImportedEntry, who: str, now_us: int
) -> CheckedDocument:
    body = {
        "reason": entry.reason,
        "until_us": entry.until_us,
        "by": who[:WHO_LENGTH_MAX],
        "added_us": now_us,
    }
    return new_document(Kind.LIST, _key(colour, entry.scope, entry.pattern), body)


def _says_the_same(stood: CheckedDocument | None, wanted: CheckedDocument) -> bool:
    """Say whether an entry stood so already, whoever added it and when."""
    if stood is None:
        return False
    was, becomes = stood.body_as(ListBody), wanted.body_as(ListBody)
    return (was.reason, was.until_us) == (becomes.reason, becomes.until_us)


def _told(current: Preferences, hit: ListHit) -> dict[str, Any]:
    document = current.document(Kind.LIST, f"{hit.colour}/{hit.scope}/{hit.pattern}")
    assert document is not None
    return _entry(document)


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
        "by": body.by,
        "added_us": body.added_us,
        "revision": document.revision,
    }


def _address(client: str) -> str:
    try:
        return canonical_ip(client) if client else ""
    except ValueError:
        raise Problem(
            400, f"{client[:80]!r} is no address", "write one such as 192.0.2.7 or 2001:db8::1"
        ) from None


def _key(colour: ListColour, scope: str, pattern: str) -> str:
    whose = Scope.parse(scope)
    try:
        return list_key(colour, whose, pattern)
    except AddressError as error:
        raise Problem(
            400,
            error.what,
            "a pattern is an address, a domain, .domain, a network or header:NAME:EXPRESSION",
        ) from None
