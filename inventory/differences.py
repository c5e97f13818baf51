"""In which values do two trees of settings differ, and how is that shown?

Pure. A place is written as a dotted path; an entry of a list that has a name is known by it. What
may be a secret is never shown, only that it differs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

HIDDEN = "(hidden)"
VALUE_LENGTH_MAX = 160  # characters of a value that are shown
_SECRET = re.compile(r"(pass(word|phrase)?|secret|token|credentials?|private|(api|auth)_?key)$")
_WITH_USER = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class ValueDifference:
    """One place in which two trees differ; a value is text as it is shown, None: there is none."""

    place: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        match self.before, self.after:
            case None, after:
                return f"{self.place}: {after} (new)"
            case before, None:
                return f"{self.place}: {before} (gone)"
            case before, after:
                return f"{self.place}: {before} -> {after}"


def differences(before: Any, after: Any, place: str = "") -> Iterator[ValueDifference]:
    """Yield where two trees differ, in the order of their keys."""
    old, new = _branches(before), _branches(after)
    if old is None or new is None:
        if before != after:
            yield ValueDifference(place or ".", _shown(place, before), _shown(place, after))
        return
    for key in [*old, *(key for key in new if key not in old)]:
        inner = f"{place}{key}" if key.startswith("[") or not place else f"{place}.{key}"
        if key not in new:
            yield ValueDifference(inner, _shown(inner, old[key]), None)
        elif key not in old:
            yield ValueDifference(inner, None, _shown(inner, new[key]))
        else:
            yield from differences(old[key], new[key], inner)


def _branches(tree: Any) -> Mapping[str, Any] | None:
    """Return what stands below a tree, by key or name; None: it is one value."""
    if isinstance(tree, dict):
        return tree
    if isinstance(tree, list) and tree and all(isinstance(o, dict) and "name" in o for o in tree):
        named = {f"[{one['name']}]": one for one in tree}
        return named if len(named) == len(tree) else None
    return None


def _shown(place: str, value: Any) -> str:
    text = json.dumps(_without_secrets(place, value), ensure_ascii=False)
    return text if len(text) <= VALUE_LENGTH_MAX else f"{text[: VALUE_LENGTH_MAX - 1]}…"


def _without_secrets(name: str, value: Any) -> Any:
    if _SECRET.search(name.lower()):
        return HIDDEN
    match value:
        case str():
            return _WITH_USER.sub(rf"\1{HIDDEN}@", value)
        case dict():
            return {key: _without_secrets(str(key), one) for key, one in value.items()}
        case list():
            return [_without_secrets("", one) for one in value]
        case _:
            return value
