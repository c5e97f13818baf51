"""Every command has a help with an example, and stands in the reference."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from cli.main import app
from docs.generate.commands import commands, reference
from tests.support.cli.shell import Shell

DOCUMENT = Path(__file__).parents[3] / "docs" / "cli.md"


WHOLE = get_command(app())  # to make it takes longer than all that is asked of it here
LEAVES = {one.name: one for one in commands(WHOLE) if not one.is_group}
NAMES = sorted(LEAVES)


def test_the_promised_commands_are_there() -> None:
    promised = {
        "demo",
        "status",
        "track",
        "doctor",
        "report summary",
        "core serve",
        "satellite serve",
        *(f"policy {one}" for one in ("show", "set", "apply", "history", "rollback", "explain")),
        *(f"list {one}" for one in ("add", "remove", "show", "search")),
        *(f"list {one}" for one in ("explain", "import", "export")),
        *(f"quarantine {one}" for one in ("list", "show", "release", "delete")),
        *(f"spool {one}" for one in ("list", "show", "flush", "freeze", "resume")),
        *(f"inventory {one}" for one in ("check", "render")),
        *(f"mx {one}" for one in ("plan", "render")),
    }

    assert promised <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
async def test_every_command_has_a_help_with_an_example(shell: Shell, name: str) -> None:
    said = await shell(*name.split(), "--help")

    assert said.status == 0
    assert said.err == ""
    assert "Usage:" in said.out
    assert f"Example: borderscout {name}" in " ".join(said.out.split())


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_a_command_that_there_is(name: str) -> None:
    words = shlex.split(LEAVES[name].example.removeprefix("Example: ").partition(" > ")[0])

    assert words[: 1 + len(name.split())] == ["borderscout", *name.split()]
    found = WHOLE
    for step in name.split():
        assert isinstance(found, TyperGroup)
        found = found.commands[step]
    with found.make_context(name, words[1 + len(name.split()) :]) as context:
        assert context.command is found


@pytest.mark.parametrize("name", NAMES)
async def test_an_option_that_is_none_is_wrong_usage(shell: Shell, name: str) -> None:
    said = await shell(*name.split(), "--colour")

    assert name in said.check_failed(2)


def test_everything_that_shows_something_has_json() -> None:
    # A format of their own, or JSON in any case.
    files = {"inventory schema", "list export", "mx measurements"}
    programs = {"core serve", "satellite serve", "scan serve", "wireguard watch", "lab exec"}

    without = {one.name for one in LEAVES.values() if "--json" not in {o.name for o in one.options}}

    assert without == programs | files


def test_the_reference_names_every_command_and_option() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")

    for command in LEAVES.values():
        assert f"### `borderscout {command.name}`" in text, "run: make docs"
        section = text.split(f"### `borderscout {command.name}`")[1].split("\n### ")[0]
        assert command.example.removeprefix("Example: ") in section
        for one in (*command.options, *command.arguments):
            name = one.name.replace("|", "\\|")  # it stands in a table
            assert f"`{name}" in section, (command.name, one.name)


def test_the_reference_is_made_of_the_commands() -> None:
    made = reference(WHOLE)

    assert "### `borderscout track`" in made
    assert "--limit" in made


async def test_a_group_without_a_command_shows_what_there_is(shell: Shell) -> None:
    said = await shell("policy")

    assert (said.status, said.out) == (2, "")
    assert "history" in said.err
