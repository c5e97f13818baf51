"""What does the page of all settings say?

Pure. It is made from the declarations that the programs read their settings by, and from what the
inventory says of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, get_args

from pydantic_core import PydanticUndefined

from common.settings.core import CoreSettings
from common.settings.satellite import SatelliteSettings
from common.settings.scan_server import ScanServerSettings
from common.settings.values import Settings
from inventory.settings import (
    NEARER_KEYS,
    RENDERED_FOR_CORE,
    RENDERED_FOR_SATELLITE,
    TOP_KEYS,
    Rendered,
)

PAGE = "settings.md"

HEAD = """# Settings

A node reads `satellite.yaml`, the core `core.yaml`, a [scanning server](scan-server.md) a
`scan.yaml`, which you write yourself. The first two are rendered from the
[inventory](inventory.md#settings), and nothing is changed in them by hand: the last column says
what is set there. What stands under `settings` is set by `settings:` at the top of the inventory,
at a site or at a node, and for the core by `settings:` below `core:`:

```yaml
settings: {smtp: {message_bytes_max: 104857600}}
```

Paths are taken from the folder of the file. Times are in seconds, sizes in octets.

This page is drawn from the declarations by `make docs`.
"""

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    Args:
        path: the keys down to it; of an item of a list, those of the list and its own.
        schema: its JSON schema.
        default: what holds where nobody says it; PydanticUndefined: it is needed.
        meaning: its description.
    """

    path: tuple[str, ...]
    schema: Mapping[str, Any]
    default: object
    meaning: str

    @property
    def name(self) -> str:
        """Its dotted name."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Section:
    """The settings of one mapping, or of the items of one list.

    Args:
        path: the keys down to it; none: the file's own.
        is_list: whether it describes the items of a list.
        meaning: its description.
        keys: its settings.
    """

    path: tuple[str, ...]
    is_list: bool
    meaning: str
    keys: tuple[Key, ...]


def sections(
    declared: type[Settings], path: tuple[str, ...] = (), *, is_list: bool = False
) -> Iterator[Section]:
    """Yield the settings of a declaration: first the file's own, then mapping by mapping."""
    schemas = declared.model_json_schema()["properties"]
    keys: list[Key] = []
    below: list[tuple[type[Settings], tuple[str, ...], bool]] = []
    for name, field in declared.model_fields.items():
        inner, inner_is_list = _section_of(field.annotation)
        if inner is not None:
            below.append((inner, (*path, name), inner_is_list))
            continue
        default = field.get_default(call_default_factory=True)
        keys.append(Key((*path, name), schemas[name], default, _line(field.description)))
    yield Section(path, is_list, _line(declared.__doc__), tuple(keys))
    for inner, where, inner_is_list in below:
        yield from sections(inner, where, is_list=inner_is_list)


def keys_of(declared: type[Settings]) -> list[Key]:
    """Return every setting of a declaration."""
    return [key for section in sections(declared) for key in section.keys]


def _section_of(annotation: object) -> tuple[type[Settings] | None, bool]:
    """Return the declaration of a mapping or of a list's items, and whether it is a list's."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation, False
    for item in get_args(annotation):
        if isinstance(item, type) and issubclass(item, Settings):
            return item, not isinstance(annotation, UnionType)  # or one that may be left out
    return None, False


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def text() -> str:
    """Return the page."""
    parts = [HEAD]
    parts += _program("A node", "satellite.yaml", SatelliteSettings, RENDERED_FOR_SATELLITE)
    parts += _program("The core", "core.yaml", CoreSettings, RENDERED_FOR_CORE)
    parts += _program("A scanning server", "scan.yaml", ScanServerSettings, None)
    return "\n".join(parts)


def _program(
    title: str, file: str, declared: type[Settings], rendered: Mapping[str, Rendered] | None
) -> Iterator[str]:
    """Yield what is said of one program; None: the inventory knows nothing of it."""
    yield f"## {title}: `{file}`\n"
    for section in sections(declared):
        if not section.keys:
            continue
        if section.path:
            name = ".".join(section.path) + ("[]" if section.is_list else "")
            yield f"### `{name}`\n\n{section.meaning}\n"
        more = ["in the inventory"] if rendered is not None else []
        yield f"| {' | '.join(['key', 'value', 'default', 'meaning', *more])} |"
        yield f"| {' | '.join(['---'] * (4 + len(more)))} |"
        for key in section.keys:
            cells = [f"`{key.path[-1]}`", value_of(key), _default(key), key.meaning]
            if rendered is not None:
                cells.append(_said_by(key, section, declared, rendered))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield ""


def value_of(key: Key) -> str:
    """Return what may be written: its kind, unit and bounds."""
    schema = key.schema
    words = schema.get("enum") or [one for one in (schema.get("const"),) if one is not None]
    if words or schema["type"] == "boolean":
        return " or ".join(f"`{word}`" for word in words or ("true", "false"))
    match schema["type"]:
        case "integer" | "number":
            return _bounded(_unit(key.path[-1], schema["type"]), schema)
        case "array":
            return f"a list of {schema['items'].get('format', 'texts')}"
        case "object":
            return "a mapping"
        case _:
            return str(schema.get("format", "text"))


def _unit(name: str, kind: str) -> str:
    if "bytes_per_s" in name:
        return "octets per second"
    if re.search(r"bytes(_|$)", name):
        return "octets"
    if re.search(r"_s(_|$)", name):
        return "seconds"
    return "whole number" if kind == "integer" else "number"


def _bounded(unit: str, schema: Mapping[str, Any]) -> str:
    low, above, high = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if above is not None and (low is None or low <= above):
        return f"{unit}, above {above:g}" + (f", up to {high:.10g}" if high is not None else "")
    if high is not None:
        return f"{unit}, {low:.10g} to {high}"
    return f"{unit}, {low} or more"


def _default(key: Key) -> str:
    value = key.default
    if value is PydanticUndefined:
        return "needed"
    if value in ("", {}, []):
        return "none"
    if isinstance(value, int) and value % MIB == 0 and value:
        return f"`{value}` ({value // MIB} MiB)"
    if isinstance(value, bool | list | tuple):
        return f"`{json.dumps(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _said_by(
    key: Key, section: Section, declared: type[Settings], rendered: Mapping[str, Rendered]
) -> str:
    """Return what of the inventory sets a key."""
    if section.is_list and section.path[0] in rendered:
        return f"`{'.'.join(section.path)}[].{key.path[-1]}`"
    for name, why in rendered.items():
        if f"{key.name}.".startswith(f"{name}."):
            return f"rendered from {why.source}"
    own = [one.key for one in _unique(TOP_KEYS + NEARER_KEYS) if one.setting == key.name]
    if declared is SatelliteSettings and own:
        return f"`settings`, or `{own[0]}`"
    return "`settings`"


def _unique(keys: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(keys))
