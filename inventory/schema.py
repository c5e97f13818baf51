"""What does an inventory look like, for an editor that helps to write it?

Touches nothing. A JSON Schema made from the model, so that what ``check`` accepts is accepted here:
one value where a list may stand, a file's name where its content may, a number in quotes. It
refuses less: what takes two values to be wrong, only ``check`` tells.

Source: JSON Schema draft 2020-12.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from common.settings.core import CoreSettings
from common.settings.satellite import SatelliteSettings
from common.settings.scan_server import ScanServerSettings
from inventory.included import INCLUDING
from inventory.model import Inventory, as_list, not_empty
from inventory.schema_texts import TEXTS
from inventory.settings import (
    KEY,
    RENDERED_FOR_CORE,
    RENDERED_FOR_SATELLITE,
    RENDERED_FOR_SCAN_SERVER,
    Rendered,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_Node = dict[str, Any]

_INTEGER = r"^\s*[-+]?[0-9][0-9_]*(\.0*)?\s*$"
_NUMBER = r"^\s*[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)([eE][-+]?[0-9]+)?\s*$"
_BOOLEAN = (
    "^([tT]|[fF]|[yY]|[nN]|[oO][nN]|[oO][fF][fF]|[yY][eE][sS]|[nN][oO]"
    "|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|0|1)$"
)
_PATTERNS = {"one word of a-z, 0-9 and -": "^[a-z0-9][a-z0-9-]{0,62}$"}  # by how it is written
_FILE = {"type": "string", "minLength": 1, "description": "A file in the inventory's folder."}

# Whose ``settings:`` are of which program.
_SETTINGS: Mapping[str, tuple[type[BaseModel], Mapping[str, Rendered]]] = {
    "Inventory": (SatelliteSettings, RENDERED_FOR_SATELLITE),
    "Site": (SatelliteSettings, RENDERED_FOR_SATELLITE),
    "Node": (SatelliteSettings, RENDERED_FOR_SATELLITE),
    "Core": (CoreSettings, RENDERED_FOR_CORE),
    "CoreMachine": (CoreSettings, RENDERED_FOR_CORE),
    "ScanServerEntry": (ScanServerSettings, RENDERED_FOR_SCAN_SERVER),
}
_NULLABLE = ("EngineEntry", "FilterEntry")  # an empty key is one that is left out


def schema_of(part: str | None = None) -> dict[str, Any]:
    """Return the schema of an inventory, or of an included file.

    Args:
        part: what an included file lists: one of ``INCLUDING``; None: the inventory itself.
    """
    whole = _generated(Inventory)
    definitions = whole.pop("$defs")
    for name, node in {**definitions, "Inventory": whole}.items():
        _describe(name, node)
        if name in _SETTINGS:
            declared, rendered = _SETTINGS[name]
            reference = f"{declared.__name__}Said"
            if reference not in definitions and part in (None, "sites", "scan_servers"):
                definitions |= _settings(reference, declared, rendered)
            if reference in definitions:
                node["properties"][KEY] |= {"$ref": f"#/$defs/{reference}"}
    title = "Border Scout inventory"
    if part is not None:
        title += f", {part}"
        lists = whole["properties"][part]
        whole = {
            "type": "object",
            "additionalProperties": False,
            "properties": {part: _list_of(lists)},
            "required": [part],
        }
    else:
        for key in INCLUDING:
            whole["properties"][key] = _or_files(whole["properties"][key])
    return {"$schema": DIALECT, **whole, "title": title, "$defs": definitions}


class _Generator(GenerateJsonSchema):
    """Says what the model's own functions accept, and what is read in quotes."""

    def function_before_schema(self, schema: Any) -> JsonSchemaValue:
        inner = super().function_before_schema(schema)
        function = schema["function"]["function"]
        if function is not_empty and inner.get("type") == "array":
            return inner | {"minItems": 1}
        if function is as_list:
            return {"anyOf": [inner["items"], inner]}
        return inner

    def int_schema(self, schema: Any) -> JsonSchemaValue:
        return super().int_schema(schema) | {"type": ["integer", "string"], "pattern": _INTEGER}

    def float_schema(self, schema: Any) -> JsonSchemaValue:
        return super().float_schema(schema) | {"type": ["number", "string"], "pattern": _NUMBER}

    def bool_schema(self, schema: Any) -> JsonSchemaValue:
        return {
            "type": ["boolean", "string", "integer"],
            "pattern": _BOOLEAN,
            "minimum": 0,
            "maximum": 1,
        }


def _generated(model: type[BaseModel]) -> _Node:
    schema = model.model_json_schema(schema_generator=_Generator)
    _tidy(schema)
    return schema


def _tidy(node: Any) -> None:
    """Say in words, and where it is short as a pattern, how a text is written."""
    if isinstance(node, list):
        for item in node:
            _tidy(item)
    if not isinstance(node, dict):
        return
    form = node.get("format")
    if isinstance(form, str):
        del node["format"]
        node.setdefault("description", f"Written as {form}.")
        if form in _PATTERNS:
            node["pattern"] = _PATTERNS[form]
    for branch in node.get("anyOf", ()) if "maxLength" in node else ():
        if branch.get("type") == "array":
            branch["maxItems"] = node.pop("maxLength")  # it was meant for the list
    if isinstance(node.get("title"), str):
        del node["title"]  # the key's name once more
    for item in node.values():
        _tidy(item)


def _describe(name: str, node: _Node) -> None:
    """Give every key its meaning and an example."""
    for key, value in node.get("properties", {}).items():
        text = TEXTS.get(name, {}).get(key)
        if text is not None:
            value["description"] = text.meaning
            value["title"] = key
            if text.example is not None:
                value["examples"] = [text.example]
    if name in _NULLABLE:
        needed = node.get("required", ())
        for key, value in node["properties"].items():
            if key not in needed:
                kept = {
                    word: value.pop(word)
                    for word in ("title", "description", "examples")
                    if word in value
                }
                node["properties"][key] = {"anyOf": [value, {"type": "null"}], **kept}


def _settings(reference: str, declared: type[BaseModel], rendered: Mapping[str, Rendered]) -> _Node:
    """Return the definitions of settings, of which each place says some; none is needed."""
    schema = _generated(declared)
    inner = schema.pop("$defs", {})
    names = {name: f"{reference}{name}" for name in inner}
    for key in rendered:
        if "." not in key:
            schema["properties"].pop(key, None)
    schema.pop("description", None)
    found = {reference: schema, **{names[name]: node for name, node in inner.items()}}
    for node in found.values():
        _loosen(node, names)
    return found


def _loosen(node: Any, names: Mapping[str, str]) -> None:
    if isinstance(node, list):
        for item in node:
            _loosen(item, names)
    if isinstance(node, dict):
        if isinstance(node.get("required"), list):
            del node["required"]  # another place may say it
        if isinstance(node.get("$ref"), str):
            node["$ref"] = f"#/$defs/{names[node['$ref'].rpartition('/')[2]]}"
        for item in node.values():
            _loosen(item, names)


def _list_of(value: _Node) -> _Node:
    """Return the branch of a key that is a list."""
    for branch in value.get("anyOf", ()):
        if branch.get("type") == "array":
            kept: _Node = {word: value[word] for word in ("title", "description") if word in value}
            return {**branch, **kept}
    return value


def _or_files(value: _Node) -> _Node:
    """Return what stands under a key, with names of files in its place or among it."""
    one = _list_of(value)
    kept: _Node = {
        word: one.pop(word) for word in ("title", "description", "examples") if word in one
    }
    one = {**one, "items": {"anyOf": [one["items"], _FILE]}}
    branches = [one, _FILE]
    if any(branch.get("type") == "null" for branch in value.get("anyOf", ())):
        branches.append({"type": "null"})
    return {"anyOf": branches, **kept}
