"""Which JSON does docs/design/json.md promise, and of which shape is JSON?

Touches that page.
"""

from __future__ import annotations

import json
from typing import Any

from tests.support.our_files import ROOT

PAGE = ROOT / "docs" / "design" / "json.md"
BY_NAME = frozenset({"outcomes"})  # objects whose keys are no promise


def example(section: str) -> Any:
    """Return the example of JSON that stands in a section."""
    page = PAGE.read_text(encoding="utf-8")
    _, heading, rest = page.partition(f"## {section}\n")
    assert heading, section
    return json.loads(rest.partition("```json\n")[2].partition("```")[0])


def shape(value: Any, name: str = "") -> Any:
    """Return the names and types in JSON, in their order: of a list those of its first item."""
    if isinstance(value, dict):
        if name in BY_NAME:
            return {type(one).__name__ for one in value.values()}
        return [(key, shape(one, key)) for key, one in value.items()]
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return type(value).__name__
