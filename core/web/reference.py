"""What can the API do, on one page?

Pure, but for the template that it reads. The page is made from the application's own OpenAPI
description and served by us: nothing comes from elsewhere, and it reads without JavaScript.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader

from core.web.request.services import Core

router = APIRouter(include_in_schema=False)

_templates = Environment(
    loader=PackageLoader("core.web", "templates"), autoescape=True, auto_reload=False
)
CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # nothing from elsewhere
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRow:
    """A parameter, or a field of a request's body."""

    name: str
    place: str
    type: str
    required: bool
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    tag: str
    summary: str
    parameters: tuple[FieldRow, ...]
    fields: tuple[FieldRow, ...]
    needs_token: bool


@router.get("/docs", response_class=HTMLResponse)
async def reference(core: Core, request: Request) -> HTMLResponse:
    groups: dict[str, list[Operation]] = {}
    for operation in operations(request.app.openapi()):
        groups.setdefault(operation.tag, []).append(operation)
    page = _templates.get_template("reference.html").render(
        title="Border Scout",
        version=core.version,
        url=f"http://{core.settings.http}",
        groups=groups.items(),
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": CONTENT_POLICY})


def operations(description: Mapping[str, Any]) -> Iterator[Operation]:
    """Yield the operations of an OpenAPI description, in its order."""
    schemas = description.get("components", {}).get("schemas", {})
    for path, methods in description["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield _operation(path, method, methods[method], schemas)


def _operation(
    path: str, method: str, found: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Operation:
    parameters = tuple(
        FieldRow(
            name=each["name"],
            place=each["in"],
            type=_type(each.get("schema", {}), schemas),
            required=each.get("required", False),
            meaning=each.get("description", ""),
        )
        for each in found.get("parameters", ())
    )
    return Operation(
        method=method.upper(),
        path=path,
        tag=(found.get("tags") or ["other"])[0],
        summary=found.get("summary", ""),
        parameters=parameters,
        fields=tuple(_fields(found.get("requestBody", {}), schemas)),
        needs_token=bool(found.get("security")),
    )


def _fields(body: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[FieldRow]:
    schema = body.get("content", {}).get("application/json", {}).get("schema", {})
    model = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    for name, each in model.get("properties", {}).items():
        yield FieldRow(
            name=name,
            place="body",
            type=_type(each, schemas),
            required=name in model.get("required", ()),
            meaning=each.get("description", ""),
        )


def _type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _type(schemas.get(str(schema["$ref"]).rpartition("/")[2], {}), schemas)
    if "anyOf" in schema:
        return " or ".join(_type(each, schemas) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "additionalProperties" in schema and isinstance(schema["additionalProperties"], dict):
        return f"object of {_type(schema['additionalProperties'], schemas)}"
    kind = str(schema.get("type", "any"))
    return f"{kind} of {_type(schema['items'], schemas)}" if "items" in schema else kind
