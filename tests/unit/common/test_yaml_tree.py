"""Does a YAML text mean what its writer meant, and nothing but data?"""

from __future__ import annotations

import math
from typing import Any

import pytest

from common.settings.yaml_tree import (
    SCALAR_LENGTH_MAX,
    UNFOLDED_FREE,
    UNFOLDED_MAX,
    UNFOLDED_PER_VALUE,
    YamlFault,
    parse_yaml,
)


def fault(text: str) -> str:
    with pytest.raises(YamlFault) as raised:
        parse_yaml(text)
    return f"{raised.value.line}:{raised.value.column} {raised.value.what}"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("17", 17),
        ("-1_000", -1000),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
    ],
)
def test_a_plain_word_is_what_the_core_schema_says(word: str, value: Any) -> None:
    found = parse_yaml(f"key: {word}\n").value["key"]

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "word",
    [
        "yes",
        "off",
        "12:30:45",
        "2001:db8::1",
        "127.0.0.1:25",
        "2026-01-01",
        "1__0",
        "0b1",
        "nullify",
        "'17'",
        '"true"',
        "!!str 17",
        "! 17",
        "9" * 5000,
    ],
)
def test_any_other_word_is_text(word: str) -> None:
    assert parse_yaml(f"key: {word}\n").value["key"] == word.rpartition(" ")[2].strip("'\"")


def test_keys_are_text_as_they_are_written() -> None:
    found = parse_yaml("127: a\ntrue: b\n127.0.0.2: c\n").value

    assert found == {"127": "a", "true": "b", "127.0.0.2": "c"}


def test_a_value_under_a_key_stands_at_its_key_and_an_item_where_it_begins() -> None:
    root = parse_yaml("one:\n  two: [a, b]\n")

    assert isinstance(root.inside, dict)
    assert isinstance(root.inside["one"].inside, dict)
    two = root.inside["one"].inside["two"]
    assert isinstance(two.inside, list)
    assert [(node.line, node.column) for node in (two, *two.inside)] == [(1, 2), (1, 8), (1, 11)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [1, {b: [x, y]}]\nc: {d: {e: f}}\n",
        "a: &a {x: 1, y: {z: [1]}}\nb: {<<: *a, x: 2}\nc: *a\n",
        "a: {<<: {x: {y: 1}}, z: 2}\n",
        "a: &l [{x: 1}, {y: [2]}]\nb: {<<: *l}\nc: {<<: [{v: 1}, {w: {u: 1}}]}\n",
        "a: {b: &b {x: &x 1}}\nc: {<<: *b, d: *x}\n",
    ],
)
def test_without_places_a_text_says_the_same(text: str) -> None:
    whole, bare = parse_yaml(text), parse_yaml(text, has_places=False)

    assert (bare.value, bare.count) == (whole.value, whole.count)
    assert bare.inside is None


def test_a_mapping_is_merged_with_others_and_its_own_keys_win() -> None:
    text = (
        "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\n"
        "both: {<<: [*a, *b], x: 3}\n'one': {x: 4, <<: *b}\nquoted: {'<<': 5}\n"
    )

    found = parse_yaml(text).value

    assert found["both"] == {"x": 3, "y": 1, "z": 2}
    assert found["one"] == {"x": 4, "y": 2, "z": 2}
    assert found["quoted"] == {"<<": 5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n'a': 2\n", "1:0 key 'a' stands twice"),
        ("a: *b\n", "0:3 no value is called &b"),
        ("a: &a [*a]\n", "0:7 no value is called &a"),
        ("a: !!python/object:os.system x\n", "0:3 tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("a: !x [b]\n", "0:3 tag '!x' is not taken"),
        ("a: {<<: 3}\n", "0:4 << of what is no mapping"),
        ("? [a]\n: b\n", "0:2 a key that is no word"),
        ("a: b\n--- \nc: d\n", "1:0 a second document"),
        ("a: ü\nü: \x07\n", "1:3 control characters are not allowed"),
        ("a: [b\n", "1:0 did not find expected"),
    ],
)
def test_what_is_not_taken_is_named_with_its_place(text: str, said: str) -> None:
    assert fault(text).startswith(said)


def test_a_large_file_may_have_aliases_as_long_as_they_stand_for_little() -> None:
    text = "common: &c [x]\nitems:\n" + "- *c\n" * 1000 + "- y\n" * (UNFOLDED_MAX // 100)

    assert parse_yaml(text).count > 12_000


def test_merging_again_and_again_has_an_end() -> None:
    keys = ", ".join(f"k{n}: 1" for n in range(1000))
    text = f"a: &a {{{keys}}}\nmany:\n" + "- {<<: *a}\n" * 1001

    assert fault(text).endswith("its aliases have no end, or nearly")


def test_what_aliases_stand_for_is_bounded_by_what_is_written_out() -> None:
    """A small file costs little, whatever is done with each value that it stands for."""
    text = f"a: &a [{', '.join('x' * 99)}]\nmany:\n"  # a hundred values
    most = (UNFOLDED_FREE + UNFOLDED_PER_VALUE * 100) // 100

    assert parse_yaml(text + "- *a\n" * most).count > UNFOLDED_FREE
    assert fault(text + "- *a\n" * (most + 1)).endswith("its aliases have no end, or nearly")


@pytest.mark.parametrize("form", ["a: {}\n", "a: '{}'\n", "- {}\n", "? {}\n: a\n"])
def test_a_text_has_an_end(form: str) -> None:
    assert parse_yaml(form.format("x" * SCALAR_LENGTH_MAX)).value
    assert fault(form.format("x" * (SCALAR_LENGTH_MAX + 1))).endswith("65537 characters")
