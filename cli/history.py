"""How is it shown what a revision changed, before and after?

Pure: words for what the core answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cli.output import value_text, when
from common.counted import counted

CHANGES_MAX = 10  # of one revision; --json has the first two hundred
VALUE_LENGTH_MAX = 120  # characters of one value


def revision_lines(revision: Mapping[str, Any], *, is_filtered: bool) -> Iterator[str]:
    """Yield the lines that tell of one revision.

    Args:
        revision: as the core answered it.
        is_filtered: only the changes of one scope were asked for.
    """
    comment = f": {revision['comment']}" if revision["comment"] else ""
    yield f"revision {revision['revision']}, {_whence(revision)}{comment}"
    changes = revision["changes"]
    for change in changes[:CHANGES_MAX]:
        yield f"  {_in_words(change)}"
    count = len(changes) if is_filtered else revision["changes_count"]
    more = count - min(len(changes), CHANGES_MAX)
    if more > 0:
        yield f"  and {more} more"


def _whence(revision: Mapping[str, Any]) -> str:
    return f"{when(revision['time_us'])} UTC, by {revision['who']}"


def _in_words(change: Mapping[str, Any]) -> str:
    what = f"{change['kind']} {change['key']}"
    before, after = change["before"], change["after"]
    if before is None:
        return f"{what} is new{_content(after)}"
    if after is None:
        return f"{what} is removed{_content(before, was='it was ')}"
    names = dict.fromkeys([*before, *after])
    moved = [
        f"{name} {_value(before, name)} -> {_value(after, name)}"
        for name in names
        if (name in before, before.get(name)) != (name in after, after.get(name))
    ]
    return f"{what}: {', '.join(moved)}"


def _content(body: Mapping[str, Any], *, was: str = "") -> str:
    return f": {was}{', '.join(f'{name} {_value(body, name)}' for name in body)}" if body else ""


def _value(body: Mapping[str, Any], name: str) -> str:
    if name not in body:
        return "unset"
    value = body[name]
    if name.endswith("_us") and isinstance(value, int):
        return f"{when(value)} UTC" if value else "none"
    text = value_text(value)
    beyond = len(text) - VALUE_LENGTH_MAX
    return (
        text if beyond <= 0 else f"{text[:VALUE_LENGTH_MAX]} (and {counted(beyond, 'character')})"
    )
