"""The page of the API shows every operation and needs nothing from elsewhere."""

from __future__ import annotations

import re

from core.web.reference import operations
from tests.support.core.face import BASE, Face


async def page_of(face: Face) -> str:
    answer = await face.stranger.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return answer.text


async def test_the_page_shows_every_operation_parameter_and_field(face: Face) -> None:
    page = await page_of(face)
    described = face.application.openapi()
    shown = list(operations(described))

    assert len(shown) == sum(len(methods) for methods in described["paths"].values())
    for operation in shown:
        assert f"<code>{operation.path}</code>" in page
        assert operation.summary
        for field in (*operation.parameters, *operation.fields):
            assert f"<code>{field.name}</code>" in page
            assert field.type


async def test_every_body_of_a_request_refuses_a_key_that_it_does_not_know(face: Face) -> None:
    described = face.application.openapi()
    schemas = described["components"]["schemas"]
    bodies = {
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for methods in described["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    }

    assert bodies
    assert [name for name in bodies if schemas[name].get("additionalProperties") is not False] == []


async def test_only_what_is_public_is_said_to_need_no_token(face: Face) -> None:
    for operation in operations(face.application.openapi()):
        assert operation.needs_token == operation.path.startswith("/api"), operation.path


async def test_the_page_asks_nobody_else_for_anything(face: Face) -> None:
    page = await page_of(face)

    assert not re.findall(r'(?:src|href)\s*=\s*"(?!openapi\.json)[^"]*"', page)
    assert not re.search(r"<script|@import|url\(", page)
    addresses = re.findall(r"https?://[^\s<\"]+", page)
    assert set(addresses) == {f"http://{face.services.settings.http}/api/v1/status"}


async def test_the_description_is_whole(face: Face) -> None:
    described = (await face.stranger.get("/openapi.json")).json()

    assert described["openapi"].startswith("3.")
    assert described["info"] == {"title": "Border Scout", "version": "1.2.3"}
    names = [
        operation["operationId"]
        for methods in described["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))
    schemas = described["components"]["schemas"]
    for reference in re.findall(
        r'"\$ref": ?"#/components/schemas/([^"]+)"', str(described).replace("'", '"')
    ):
        assert reference in schemas
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert BASE not in str(described)
