"""What is the policy, who changed it, and what does it say for one recipient?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import Field, SkipValidation, StrictFloat, StrictInt, StrictStr

from common.address import domain_of, parse_address
from common.pacing import lasting, paced
from common.preferences import (
    POLICY_KEYS,
    CheckedDocument,
    Document,
    Kind,
    ListColour,
    Position,
    Preferences,
    Scope,
)
from common.preferences.bodies import ListBody, PolicyBody, RouteBody
from common.preferences.documents import new_document, new_tombstone
from core.preferences.ledger import documents_json, documents_of
from core.preferences.warnings import refuse_unknown, refuse_unknown_engines, warnings
from core.web.api.holds import order_json
from core.web.request.caller import Caller
from core.web.request.long_body import LongBodyRoute
from core.web.request.problems import Problem
from core.web.request.request_body import RequestBody
from core.web.request.services import Core, Services

router = APIRouter(prefix="/api/v1", tags=["preferences"], route_class=LongBodyRoute)

NUMBER_MAX = (1 << 63) - 1  # what a column holds
ENTRIES_MAX = 1_000  # list entries that are told of a recipient; `list show` has them all
PART_DOCUMENTS = 500  # of an answer that are written at once
EPOCH_REMEDY = "look at what it has by now, and publish again"
DOCUMENTS_MAX = 200_000  # in one change: an inventory of a hundred thousand domains


class PolicyRequest(RequestBody):
    """Policy keys to set, and those to take out, so that the next scope outwards says them."""

    values: dict[str, StrictInt | StrictFloat | StrictStr | None] = Field(
        default_factory=dict, max_length=100, description="null is for score.drop: never"
    )
    unset: list[str] = Field(default_factory=list, max_length=100)
    comment: str = Field(default="", max_length=500)
    force: bool = Field(
        default=True,
        description="false: refuse for a customer, domain, recipient or engine that nobody has",
    )


class PublishRequest(RequestBody):
    """Documents to set or remove, all in one revision."""

    documents: Annotated[
        list[Annotated[dict[str, Any], SkipValidation]],  # each is checked as a document is
        Field(max_length=DOCUMENTS_MAX),
    ]
    comment: str = Field(default="", max_length=500)
    base: int | None = Field(
        default=None, ge=0, le=NUMBER_MAX, description="refuse unless this is the newest revision"
    )
    epoch: str | None = Field(
        default=None, max_length=36, description="refuse unless this is the core's epoch"
    )


class RollbackRequest(RequestBody):
    """Make the content of an older revision the newest one."""

    revision: int = Field(ge=0, le=NUMBER_MAX)
    comment: str = Field(default="", max_length=500)


@router.get("/documents", summary="The documents, as policy apply takes them")
async def documents(
    core: Core,
    _caller: Caller,
    kind: Annotated[
        list[Kind] | None, Query(max_length=len(Kind), description="left out: all of them")
    ] = None,
) -> StreamingResponse:
    # Written in a thread, some at a time: there may be a million list entries.
    text = _written(core.database.preferences.current, kind or list(Kind))
    return StreamingResponse(text, media_type="application/json")


def _written(current: Preferences, kinds: Collection[Kind]) -> Iterator[str]:
    found = chain.from_iterable(current.each_document(kind) for kind in Kind if kind in kinds)
    position = current.position
    epoch = json.dumps(position.epoch.identifier)
    yield f'{{"revision": {position.revision}, "epoch": {epoch}, "documents": ['
    comma = ""
    while part := list(islice(found, PART_DOCUMENTS)):
        yield comma + ", ".join(map(json.dumps, documents_json(part)))
        comma = ", "
    yield "]}"


@router.post("/documents", summary="Publish documents as one revision")
async def publish(core: Core, who: Caller, change: PublishRequest) -> dict[str, Any]:
    if change.epoch is not None and change.epoch != core.database.epoch.identifier:
        raise Problem(409, "the core has another epoch: it was restored or renewed", EPOCH_REMEDY)
    found = await asyncio.to_thread(_checked, change.documents)
    before = core.database.preferences.position
    position = await core.database.preferences.publish(
        found, who=who, comment=change.comment, base=change.base
    )
    return _published(position) | {
        "changed": position != before,
        "warnings": await _warnings(core, core.database.preferences.current, found),
    }


def _checked(documents: list[dict[str, Any]]) -> list[CheckedDocument]:
    with lasting():
        return documents_of(_emptied(documents))


def _emptied(documents: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield documents one after the other, and free what stood in them once they are read."""
    for document in paced(documents):
        yield document
        if isinstance(document, dict):  # nobody has looked so far
            document.clear()


@router.get("/policies/{scope:path}", summary="What one scope sets")
async def policy(core: Core, _caller: Caller, scope: str) -> dict[str, Any]:
    key = str(Scope.parse(scope))
    document = core.database.preferences.current.document(Kind.POLICY, key)
    values = json.loads(document.body) if document is not None else {}
    return {"scope": key, "values": values, "revision": document.revision if document else None}


@router.patch("/policies/{scope:path}", summary="Set policy keys of one scope")
async def set_policy(core: Core, who: Caller, scope: str, change: PolicyRequest) -> dict[str, Any]:
    whose = Scope.parse(scope)
    key = str(whose)
    for name in change.unset:
        if name not in POLICY_KEYS:
            raise Problem(400, f"{name!r} is no policy key", f"there are {', '.join(POLICY_KEYS)}")

    def revision(current: Preferences) -> list[CheckedDocument]:
        if change.values and not change.force:
            refuse_unknown(current, whose)
        values = _values(current, key) | change.values
        for name in change.unset:
            values.pop(name, None)
        if not values:
            return [new_tombstone(Kind.POLICY, key)]
        made = new_document(Kind.POLICY, key, values)
        if "virus.rule" in change.values and not change.force:
            refuse_unknown_engines(made, core.link.fleet.engine_names())
        return [made]

    made = await core.database.preferences.revise(revision, who=who, comment=change.comment)
    stands = made.document(Kind.POLICY, key)
    return _published(made.position) | {
        "scope": key,
        "values": _values(made, key),
        "warnings": await _warnings(core, made, [stands] if stands is not None else []),
    }


def _values(preferences: Preferences, key: str) -> dict[str, Any]:
    """Return what one scope sets."""
    document = preferences.document(Kind.POLICY, key)
    return dict(document.body_as(PolicyBody).model_extra or {}) if document is not None else {}


@router.get("/explain", summary="What applies to one recipient, and where each part comes from")
async def explain(
    core: Core, _caller: Caller, recipient: Annotated[str, Query(max_length=320)]
) -> dict[str, Any]:
    recipient = str(parse_address(recipient))
    current = core.database.preferences.current
    scopes = current.scopes(recipient)
    domain = domain_of(recipient)
    own, domains = current.policy(recipient), current.domain_policy(domain)
    route, order = current.document(Kind.ROUTE, domain), current.hold_order(domain)
    body = route.body_as(RouteBody) if route is not None else None
    keys = [
        {
            "key": name,
            "value": key.value_in(domains if key.is_of_domain else own),
            "from": key.source_in(domains if key.is_of_domain else own),
            "meaning": key.meaning,
        }
        for name, key in POLICY_KEYS.items()
    ]
    now_us = core.clock.now_us()
    entries = [
        {
            "entry": document.key,
            "reason": document.body_as(ListBody).reason,
            "until_us": document.body_as(ListBody).until_us,
        }
        for document in islice(_entries(current, scopes), ENTRIES_MAX)
        if document.body_as(ListBody).stands_at(now_us)
    ]
    return {
        "recipient": recipient,
        "revision": current.position.revision,
        "accepted": current.accepts(recipient),
        "route": body.model_dump() if body is not None else None,
        "hold": order_json(order) if order is not None else None,
        "scopes": [str(scope) for scope in scopes],
        "policy": keys,
        "lists": entries,
        "weights": [
            {"test": test, **body.model_dump(), "from": scope}
            for scope, test, body in current.weights(recipient).entries()
        ],
    }


def _entries(current: Preferences, scopes: Sequence[Scope]) -> Iterator[CheckedDocument]:
    for colour in ListColour:
        for scope in sorted(map(str, scopes)):
            yield from current.list_documents(f"{colour}/{scope}/")


@router.get("/history", summary="The changes, newest first")
async def history(
    core: Core,
    _caller: Caller,
    scope: Annotated[str | None, Query(max_length=320)] = None,
    kind: Kind | None = None,
    before: Annotated[int | None, Query(ge=0, le=NUMBER_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> dict[str, Any]:
    key = str(Scope.parse(scope)) if scope else None
    revisions = await core.database.preferences.history(
        scope=key, kind=kind, before=before, limit=limit
    )
    return {
        "revisions": [
            {
                "revision": revision.number,
                "time_us": revision.time_us,
                "who": revision.who,
                "comment": revision.comment,
                "changes": [
                    {
                        "kind": changed.kind,
                        "key": changed.key,
                        "before": _body(changed.before),
                        "after": _body(changed.after),
                    }
                    for changed in revision.changes
                ],
                "changes_count": revision.changes_count,
            }
            for revision in revisions
        ]
    }


@router.post("/rollback", summary="Publish the content of an older revision as a new one")
async def rollback(core: Core, who: Caller, request: RollbackRequest) -> dict[str, Any]:
    position = await core.database.preferences.rollback(
        request.revision, who=who, comment=request.comment
    )
    return _published(position)


def _published(position: Position) -> dict[str, Any]:
    return {"revision": position.revision}


async def _warnings(core: Services, current: Preferences, found: Sequence[Document]) -> list[str]:
    engines, filters = core.link.fleet.engine_names(), core.link.fleet.filters()
    # Off the event loop: a change may have as many documents as an inventory has domains.
    return await asyncio.to_thread(warnings, current, found, engines=engines, filters=filters)


def _body(body: bytes | None) -> Any:
    return json.loads(body) if body else None
