"""Is every complaint about a file there, with its place?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, field_validator

from common.errors import SettingsError
from common.settings.reading import Source, load
from common.settings.values import IpAddress, Settings


class Inner(Settings):
    port: Annotated[int, Field(ge=1, le=65_535)]
    host: str = "localhost"

    @field_validator("host")
    @classmethod
    def _host(cls, host: str) -> str:
        if " " in host:
            raise ValueError("a host has no blanks; remove them")
        return host


class Outer(Settings):
    name: str
    inner: Inner
    many: list[Inner] = Field(default_factory=list)


def complaints(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        load(file, Outer)
    return [line.removeprefix(str(tmp_path) + "/") for line in raised.value.complaints]


def test_a_right_file_becomes_a_typed_frozen_object(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("name: a\ninner: {port: 25}\nmany:\n  - {port: 1, host: b}\n")

    settings = load(file, Outer)

    assert (settings.inner.port, settings.many[0].host) == (25, "b")
    with pytest.raises(ValueError, match="frozen"):
        settings.name = "b"


def test_all_complaints_come_at_once_each_with_its_place(tmp_path: Path) -> None:
    found = complaints(
        tmp_path,
        "name: a\ninner:\n  port: 70000\n  host: a b\n"
        "many:\n  - {port: 1}\n  - {prt: 2}\nextra: 1\n",
    )

    assert found == [
        "s.yaml:3:3: inner.port: input should be less than or equal to 65535, not 70000; "
        "correct the value",
        "s.yaml:4:3: inner.host: a host has no blanks; remove them",
        "s.yaml:7:5: missing key 'port'; add it",
        "s.yaml:7:6: unknown key 'prt'; remove it or correct its spelling",
        "s.yaml:8:1: unknown key 'extra'; remove it or correct its spelling",
    ]


def test_a_value_of_another_kind_is_told_in_the_words_of_yaml(tmp_path: Path) -> None:
    class Kinds(Settings):
        sure: bool = True
        few: Annotated[list[int], Field(max_length=1)]
        pair: tuple[int, ...] = ()
        named: dict[str, int]
        inner: Inner | None = None
        needed: Annotated[list[int], Field(min_length=1)]

    file = tmp_path / "s.yaml"
    file.write_text("sure: yep\nfew: [1, 2]\npair: a\nnamed: 5\ninner: 6\nneeded: []\n")

    with pytest.raises(SettingsError) as caught:
        load(file, Kinds)

    assert [line.split(": ", 1)[1] for line in caught.value.complaints] == [
        "sure: input should be true or false, not 'yep'; correct the value",
        "few: 1 may stand there, not 2; remove the others",
        "pair: input should be a list, not 'a'; correct the value",
        "named: input should be a mapping, not 5; correct the value",
        "inner: input should be a mapping, not 6; correct the value",
        "needed: nothing stands there; name one at least",
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: [a\n", "s.yaml:2:1: "),
        ("- a\n", "s.yaml:1:1: not a mapping; "),
        ("", "s.yaml:1:1: not a mapping; "),
        ("name: a\nname: b\n", "s.yaml:2:1: "),
        ("name: \x00\n", "s.yaml:1:7: "),
    ],
)
def test_a_file_that_is_no_mapping_is_one_complaint(tmp_path: Path, text: str, place: str) -> None:
    (found,) = complaints(tmp_path, text)

    assert found.startswith(place)
    assert "; " in found
    assert "\n" not in found


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file; check the name"):
        load(tmp_path / "none.yaml", Outer)


def test_a_missing_key_is_placed_at_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("name: a\ninner:\n  host: b\n")

    assert Source.read(file).place(["inner", "port"]) == (2, 1)


def test_what_is_quoted_of_a_value_is_bounded_and_on_one_line(tmp_path: Path) -> None:
    (found,) = complaints(tmp_path, 'name: a\ninner: {port: "' + "x\\n" * 500 + '"}\n')

    assert len(found) < 300
    assert "\n" not in found


# ---- what fuzzing found


def test_a_complaint_about_what_was_merged_names_where_it_was_merged(tmp_path: Path) -> None:
    text = "name: a\ninner: {port: 25}\nmany:\n  - &one {port: 0}\n  - {<<: *one, host: b}\n"

    assert [line.partition(": ")[0] for line in complaints(tmp_path, text)] == [
        "s.yaml:4:11",
        "s.yaml:5:5",
    ]


def test_an_anchor_may_be_used_for_another_value(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("name: &a a\ninner: {host: &a b, port: 25}\n")

    assert load(file, Outer).inner.host == "b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: " + "[" * 200 + "]" * 200, "s.yaml:1:106: nested too deeply"),
        ("name: " + "[" * 100_000, "s.yaml:1:1006: exceeded maximum nesting depth"),
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 9)),
            "s.yaml:5:30: its aliases have no end, or nearly",
        ),
    ],
    ids=["nested", "nested further", "aliases of aliases"],
)
def test_yaml_that_no_reader_can_follow_is_a_complaint(
    tmp_path: Path, text: str, said: str
) -> None:
    (line,) = complaints(tmp_path, text)

    assert line.startswith(said)


def test_an_address_has_no_scope_which_may_be_any_text() -> None:
    address = TypeAdapter(IpAddress)

    assert address.validate_python("fe80:0::1") == "fe80::1"
    with pytest.raises(ValueError, match="is no IP address"):
        address.validate_python("fe80::1%eth0")
