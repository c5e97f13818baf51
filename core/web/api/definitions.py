"""Which virus definitions are in use, at which site, and what becomes of them?"""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from common.definitions import SERIAL_MAX
from core.definitions.announcer import stand_of
from core.definitions.keeper import FAMILY
from core.definitions.rollout import NodeStand
from core.definitions.sets import StoredSet
from core.definitions.trial_clamd import DefinitionsRefused
from core.web.request.caller import Caller
from core.web.request.problems import Problem
from core.web.request.request_body import RequestBody
from core.web.request.services import Core, Services

router = APIRouter(prefix="/api/v1/definitions", tags=["definitions"])

FILES_MAX = 50  # in one request
Serial = Annotated[int, Path(ge=1, le=SERIAL_MAX)]


class CustomRequest(RequestBody):
    """Databases of your own: which come, and which go."""

    files: dict[str, str] = Field(
        default_factory=dict, max_length=FILES_MAX, description="content by file name, as base64"
    )
    remove: list[str] = Field(
        default_factory=list, max_length=FILES_MAX, description="names of those that go"
    )


class DefinitionsRollbackRequest(RequestBody):
    """Which definitions to go back to."""

    serial: int | None = Field(
        default=None, ge=1, le=SERIAL_MAX, description="left out: those before the ones in use"
    )


@router.get("", summary="Which definitions are in use, how far each site is, what is wrong")
async def show(core: Core, _caller: Caller) -> dict[str, Any]:
    status = core.definitions.status()
    return {
        "family": FAMILY,
        "current": None if status.current is None else _set(status.current),
        "is_rollback": status.is_rollback,
        "trying": status.is_busy,
        "sites": [
            {
                "site": site,
                "state": stand.value,
                "nodes": [_node(node) for node in stands(core) if node.site == site],
            }
            for site, stand in status.plan.sites.items()
        ],
        "refused": [asdict(refusal) for refusal in status.refused],
        "problems": list(status.problems),
    }


@router.get("/sets", summary="The sets that can be gone back to, the newest first")
async def sets(core: Core, _caller: Caller) -> dict[str, Any]:
    current = core.definitions.status().current
    serial = current.manifest.serial if current is not None else 0
    return {
        "sets": [
            {**_set(stored), "in_use": stored.manifest.serial == serial}
            for stored in await core.definitions.stored()
        ]
    }


@router.get("/sets/{serial}", summary="One set, with its files")
async def one_set(core: Core, _caller: Caller, serial: Serial) -> dict[str, Any]:
    stored = await core.definitions.stored_set(serial)
    files = [asdict(file) for file in stored.manifest.files]
    return {**_set(stored), "files": files}


@router.post("/custom", summary="Put in or take out databases of your own, once they are tried")
async def change_custom(core: Core, who: Caller, request: CustomRequest) -> dict[str, Any]:
    files = {name: _octets(name, content) for name, content in request.files.items()}
    try:
        stored = await core.definitions.change_custom(files, request.remove, who=who)
    except DefinitionsRefused as error:
        raise Problem(
            409, f"refused, and nothing has changed: {error.what}", "correct the files"
        ) from None
    return _set(stored)


@router.post("/rollback", summary="Use an older set again, at all sites at once")
async def roll_back(core: Core, who: Caller, request: DefinitionsRollbackRequest) -> dict[str, Any]:
    return _set(await core.definitions.roll_back(request.serial, who=who))


def stands(core: Services) -> list[NodeStand]:
    """Return what each node says of its definitions."""
    nodes = core.link.fleet.nodes(now_s=core.clock.monotonic_s())
    return [stand_of(node, FAMILY) for node in nodes]


def _octets(name: str, content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:
        raise Problem(422, f"the content of {name[:80]!r} is no base64") from None


def _node(node: NodeStand) -> dict[str, Any]:
    shards = [
        {
            "serial": report.serial,
            "offered": report.offered,
            "state": report.state.value,
            "detail": report.detail,
            "version": report.version,
            "made_us": report.made_us,
        }
        for report in node.reports
    ]
    return {"node": node.node, "live": node.is_live, "shards": shards}


def _set(stored: StoredSet) -> dict[str, Any]:
    manifest = stored.manifest
    return {
        "serial": manifest.serial,
        "version": manifest.version,
        "made_us": manifest.made_us,
        "sha256": stored.sha256.hex(),
        "size": manifest.size,
        "custom": [file.name for file in manifest.files if file.is_custom],
    }
