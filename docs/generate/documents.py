"""What does the page of all kinds of document say?

Pure. It is made from the declarations of the bodies in ``common/preferences/bodies.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from common.preferences.bodies import Body
from common.preferences.documents import BODIES, Kind

PAGE = "documents.md"

HEAD = """# Documents: what `policy apply` takes

Everything that the core pushes is a document: a kind, a key and a body. `policy apply FILE` and
`POST /api/v1/documents` publish documents, all of them as one revision or none; how, stands in
[preferences.md](preferences.md). One document that is set, and one that is removed:

```json
{"kind": "policy", "key": "domain/acme.example", "body": {"score.mark": 4}}
{"kind": "policy", "key": "domain/acme.example", "removed": true}
```

- A body is set whole: what is left out has its default. Only `policy set` adds to what stands.
- `"removed": true` stands in place of a body, for every kind. What is not there may be removed too.
- A field that is not named here refuses the document, and with it the change.
- `revision` may stand beside the key and is not read: the core counts.

A FILE holds a JSON list of documents, an object with such a list under `documents`, or one document
on each line; in a file whose name ends in `.yaml` or `.yml`, the same in YAML. So what
`policy show --json` prints can be applied as it is:

```
borderscout policy show --json > before.json
borderscout policy apply before.json
```

This sets what stood then, and removes nothing that came since; to go back altogether there is
`policy rollback`. `policy show --kind KIND --json` prints the documents of one kind.

SCOPE is `cluster`, `customer/NAME`, `domain/NAME` or `recipient/ADDRESS`. A pattern is an address,
a domain, `.domain` for it and all below, or a network. Names are 1 to 64 letters, digits, dots,
dashes or underscores.

"""


def _sections() -> Iterator[str]:
    for kind, body in BODIES.items():
        yield f"## {kind}\n"
        yield f"{(body.__doc__ or '').strip().splitlines()[0]} The key is {body.key_form}.\n"
        yield from _fields(kind, body)
        yield f"Removed: {body.removal}.\n"
        yield f"```json\n{_document(kind, body, {'body': dict(body.example)})}\n```\n"


def _document(kind: Kind, body: type[Body], rest: Mapping[str, Any]) -> str:
    return json.dumps({"kind": kind, "key": body.example_key, **rest}, ensure_ascii=False)


def _fields(kind: Kind, body: type[Body]) -> Iterator[str]:
    schema = body.model_json_schema()
    if kind is Kind.POLICY:
        yield "Its fields are the policy keys: [policy.md](policy.md).\n"
        return
    if not schema["properties"]:
        yield "The body is empty: `{}`.\n"
        return
    yield "| field | what stands there | left out | meaning |"
    yield "| --- | --- | --- | --- |"
    yield from _rows(body, schema)
    yield ""


def _rows(body: type[BaseModel], schema: Mapping[str, Any], below: str = "") -> Iterator[str]:
    """Yield a row for each field, and one for each field of what stands in it."""
    for name, field in schema["properties"].items():
        default = _default(body, name)
        yield f"| `{below}{name}` | {_form(field)} | {default} | {field['description']} |"
        inner = _model(body.model_fields[name].annotation)
        if inner is not None:
            yield from _rows(inner, inner.model_json_schema(), f"{below}{name}.")


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the declaration of an object that stands in a field, or in nothing's place."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _default(body: type[BaseModel], name: str) -> str:
    declared = body.model_fields[name]
    if declared.is_required():
        return "needed"
    return f"`{json.dumps(declared.get_default(call_default_factory=True))}`"


def _form(field: Mapping[str, Any]) -> str:
    """Return what may stand in a field, of its JSON schema."""
    if "anyOf" in field:
        return " or ".join(_form(one) for one in field["anyOf"])
    if "$ref" in field:
        return "object"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(one)}`" for one in field["enum"])
    return _FORMS[field["type"]](field)


_FORMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "integer": lambda field: f"integer{_bounds(field, 'minimum', 'maximum')}",
    "number": lambda field: f"number{_bounds(field, 'minimum', 'maximum')}",
    "string": lambda field: f"text{_bounds(field, 'minLength', 'maxLength', ' characters')}",
    "array": lambda field: (
        f"list of {_form(field['items'])}{_bounds(field, 'minItems', 'maxItems')}"
    ),
    "object": lambda field: f"object{_values(field['additionalProperties'])}",
    "boolean": lambda _field: "`true` or `false`",
    "null": lambda _field: "`null`",
}


def _values(field: Any) -> str:
    """Return what each value of an object may be; ``True`` is JSON's schema of anything."""
    return "" if field is True else f", each value {_form(field)}"


def _bounds(field: Mapping[str, Any], low: str, high: str, unit: str = "") -> str:
    match field.get(low), field.get(high):
        case None, None:
            return ""
        case None, most:
            return f", at most {most}{unit}"
        case least, None:
            return f", at least {least}{unit}"
        case least, most:
            return f", {least} to {most}{unit}"
    raise AssertionError(field)


def text() -> str:
    """Return the page."""
    return HEAD + "\n".join(_sections()) + "\nThis page is drawn from the code by `make docs`.\n"
