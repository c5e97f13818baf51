"""Nobody comes in without the token, whatever the path, and nobody brings too much."""

from __future__ import annotations

import re
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from starlette.routing import BaseRoute, Route, WebSocketRoute

from core.web.request.authentication import BODY_BYTES_MAX, PUBLIC
from tests.support.core.face import Face, problem_of

TOKENS = (None, "", "Bearer", "Bearer wrong", "Basic {}", "Bearer {}x", "{}", "Bearer x{}")


def every_route(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        inner = getattr(route, "routes", None)
        if inner is None and hasattr(route, "original_router"):
            inner = route.original_router.routes
        if inner:
            yield from every_route(list(inner))
            continue
        assert isinstance(route, Route), f"{route} speaks no HTTP and needs no token"
        assert not isinstance(route, WebSocketRoute)
        for method in sorted(route.methods or ()):
            yield method, re.sub(r"\{[^}]+\}", "01ARZ3NDEKTSV4RRFFQ69G5FAV", route.path)


async def test_every_route_but_the_public_ones_needs_the_token(face: Face) -> None:
    asked = list(every_route(face.application.routes))
    behind = [(method, path) for method, path in asked if path not in PUBLIC]
    described = face.application.openapi()["paths"]
    assert {path for _, path in behind} >= {
        re.sub(r"\{[^}]+\}", "01ARZ3NDEKTSV4RRFFQ69G5FAV", path)
        for path in described
        if path.startswith("/api")
    }
    assert len(behind) >= 20

    for method, path in behind:
        for shape in TOKENS:
            headers = {} if shape is None else {"Authorization": shape.format(face.token)}
            answer = await face.stranger.request(method, path, headers=headers, content=b"{")
            assert answer.status_code == 401, (method, path, shape)
            assert answer.headers["www-authenticate"] == "Bearer"
            if method != "HEAD":
                assert "token" in problem_of(answer)["remedy"]


@pytest.mark.parametrize(
    "path", ["/api", "/api/v1/nothing", "/", "/docs/", "/../api/v1/status", "//api/v1/status"]
)
async def test_a_stranger_does_not_learn_which_paths_there_are(face: Face, path: str) -> None:
    assert (await face.stranger.get(path)).status_code == 401


async def test_the_word_bearer_is_read_in_any_case(face: Face) -> None:
    headers = {"Authorization": f"bearer {face.token}"}

    assert (await face.stranger.get("/api/v1/status", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", sorted(PUBLIC))
async def test_what_probes_and_readers_need_is_served_without_a_token(
    face: Face, path: str
) -> None:
    assert (await face.stranger.get(path)).status_code == 200


async def test_nothing_public_tells_of_mail_or_shows_the_token(face: Face) -> None:
    await face.hold("01ARZ3NDEKTSV4RRFFQ69G5FAV", b"Subject: secret plans\r\n\r\n")
    face.hear()

    for path in PUBLIC:
        text = (await face.stranger.get(path)).text
        assert face.token not in text
        assert str(Path(face.services.settings.token_file)) not in text
        assert "acme" not in text.replace("domain/acme", "")


@pytest.mark.parametrize("length_is_told", [True, False])
async def test_a_body_beyond_its_bound_is_refused(face: Face, length_is_told: bool) -> None:
    body = b'{"destination": "' + b"x" * BODY_BYTES_MAX + b'"}'

    async def untold() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    problem = await face.refused(
        413,
        "POST",
        "/api/v1/flush",
        content=body if length_is_told else untold(),
        headers={"Content-Type": "application/json"},
    )

    assert str(BODY_BYTES_MAX) in problem["title"]
    assert problem["remedy"]


async def test_a_change_set_may_be_larger_than_other_bodies(face: Face) -> None:
    documents = [
        {"kind": "list", "key": f"black/cluster/d{n}.example", "body": {"reason": "x" * 400}}
        for n in range(3000)
    ]
    made = await face.ask("POST", "/api/v1/documents", json={"documents": documents})

    assert made["revision"] == 1


def test_the_token_file_is_for_its_owner_alone(face: Face) -> None:
    mode = Path(face.services.settings.token_file).stat().st_mode

    assert stat.S_IMODE(mode) == 0o600
