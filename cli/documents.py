"""Which documents does a file hold that somebody wants to publish?

Touches the file. It is a JSON list, an object with such a list under ``documents``, or one document
on each line: what ``policy show --json`` prints can be applied as it is. A file whose name ends in
``.yaml`` or ``.yml`` holds the same in YAML. What a document may hold, the core says; here only the
shape is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common.errors import LocalError
from common.preferences import Preferences
from common.preferences.documents import NOTHING, new_document
from common.settings.yaml_tree import YamlFault, parse_yaml

SHAPE = "it must hold documents, as policy show --json prints them"
YAML_SUFFIXES = (".yaml", ".yml")


def documents_in(file: Path) -> list[Any]:
    """Return the documents of a file.

    Raises:
        LocalError: it cannot be read or holds something else, with the place.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise LocalError(f"{file}: {error.strerror}", hint="name a file with documents") from None
    except UnicodeDecodeError as error:
        raise LocalError(f"{file}: no UTF-8 at byte {error.start}", hint=SHAPE) from None
    found = _read(file, text)
    if not found:
        raise LocalError(f"{file}:1:1: there is no document in it", hint=SHAPE)
    documents = [_as_document(each) for each in found]
    for number, document in enumerate(documents, start=1):
        if not isinstance(document, dict) or not {"kind", "key"} <= document.keys():
            raise LocalError(f"{file}: document {number} has no kind and key", hint=SHAPE)
        if not _is_json(document):
            what = f"document {number} has a number that is infinite or none"
            raise LocalError(f"{file}: {what}", hint="write a finite number")
    return documents


def preferences_of(documents: Iterable[Any]) -> Preferences:
    """Return the preferences that these documents make up.

    Raises:
        DocumentRefused: one of them cannot be applied.
    """
    return Preferences.from_documents(
        (
            new_document(str(one["kind"]), str(one["key"]), one.get("body") or {})
            for one in documents
            if not one.get("removed")
        ),
        position=NOTHING,
    )


def preferences_in(file: Path) -> Preferences:
    """Return what a file of documents comes to, for who goes by them without a core.

    Raises:
        LocalError: as for ``documents_in``.
        DocumentRefused: one of them cannot be applied.
    """
    return preferences_of(documents_in(file))


def _read(file: Path, text: str) -> list[Any]:
    if file.suffix.lower() in YAML_SUFFIXES:
        found = [_parsed_yaml(file, text)] if text.strip() else []
    elif _is_object(text.lstrip().partition("\n")[0]):
        numbered = enumerate(text.split("\n"), start=1)
        found = [_parsed(file, line, number) for number, line in numbered if line.strip()]
    else:
        found = [_parsed(file, text, 1)] if text.strip() else []
    return [one for each in found for one in _listed(each)]


def _is_object(line: str) -> bool:
    """Say whether the first line is a whole object: then each line is one."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_json(document: dict[str, Any]) -> bool:
    """Say whether it can be sent: Python reads ``NaN``, and YAML has ``.inf``; JSON has neither."""
    try:
        json.dumps(document, allow_nan=False)
    except ValueError:
        return False
    return True


def _parsed(file: Path, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{file}:{line + error.lineno - 1}:{error.colno}"
        raise LocalError(f"{place}: {error.msg}", hint=SHAPE) from None
    except (ValueError, RecursionError) as error:
        raise LocalError(f"{file}:{line}:1: {error}", hint=SHAPE) from None


def _parsed_yaml(file: Path, text: str) -> Any:
    try:
        return parse_yaml(text).value
    except YamlFault as fault:
        place = f"{file}:{fault.line + 1}:{fault.column + 1}"
        raise LocalError(f"{place}: {fault.what}", hint=fault.remedy) from None


def _listed(read: Any) -> list[Any]:
    if isinstance(read, dict) and isinstance(read.get("documents"), list):
        return list(read["documents"])
    return read if isinstance(read, list) else [read]


def _as_document(read: Any) -> Any:
    """Return a document; what ``policy show SCOPE --json`` prints becomes the scope's policy."""
    if not isinstance(read, dict) or not {"scope", "values"} <= read.keys():
        return read
    document = {"kind": "policy", "key": read["scope"]}
    return document | ({"body": read["values"]} if read["values"] else {"removed": True})
