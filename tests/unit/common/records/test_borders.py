"""Does anybody outside read or write what a record says by the names of its fields?

A record's fields are octets: whoever would go round its class has to parse them, or to make a
``LogRecord`` of octets of his own. Both are looked for here.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
FILES = [
    path
    for folder in ("cli", "common", "core", "inventory", "satellite")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.is_relative_to(ROOT / "common" / "records")
]

# Shows every field as it came, and looks at none.
SHOWS_THEM_AS_THEY_CAME = {"core/records/search.py"}
# From the wire, from the spool, and with what ``written`` returned.
MAKES_LOG_RECORDS = {
    "common/wire/records.py",
    "core/link/records.py",
    "satellite/spool/commits.py",
    "satellite/spool/outbox.py",
}


def calls(source: str, *names: str) -> list[ast.Call]:
    """Return the calls of functions or methods of these names."""
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in names)
            or (isinstance(node.func, ast.Attribute) and node.func.attr in names)
        )
    ]


def parses_fields(source: str) -> bool:
    """Say whether a file parses the octets of a record's fields by itself."""
    if calls(source, "parse_object"):
        return True
    return any(
        (isinstance(inner, ast.Attribute) and inner.attr == "fields")
        or (isinstance(inner, ast.Constant) and inner.value == "fields")
        for call in calls(source, "loads", "decode")
        for argument in call.args
        for inner in ast.walk(argument)
    )


def found(says: object) -> set[str]:
    assert callable(says)
    return {str(path.relative_to(ROOT)) for path in FILES if says(path.read_text("utf-8"))}


def test_only_what_shows_a_record_as_it_came_parses_its_fields() -> None:
    assert found(parses_fields) == SHOWS_THEM_AS_THEY_CAME


def test_what_shows_a_record_as_it_came_names_none_of_its_fields() -> None:
    for name in SHOWS_THEM_AS_THEY_CAME:
        tree = ast.parse((ROOT / name).read_text("utf-8"))
        keys = {
            node.slice.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        }
        assert keys <= {"flaw", "next", "ended"}, "the core's own words about a record"
        assert calls(ast.unparse(tree), "get") == []


def test_log_records_are_made_where_they_come_in_and_where_they_are_written() -> None:
    assert found(lambda source: bool(calls(source, "LogRecord"))) == MAKES_LOG_RECORDS


@pytest.mark.parametrize(
    "planted",
    [
        "json.loads(record.fields)['reason']",
        "json.loads(row['fields'])",
        "parse_object(told.fields).get('subject')",
    ],
)
def test_who_goes_round_the_class_is_seen(planted: str) -> None:
    assert parses_fields(planted)
