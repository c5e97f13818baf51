"""The pages that lead a core back name commands that there are, and quote what is said."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from cli.epochs import other_epochs
from cli.main import app
from common.preferences import Epoch, Position
from core.preferences.epochs import STEP_MAX, OtherEpoch
from core.recovery.restore import ASIDE
from tests.support.our_files import ROOT

PAGES = {
    name: (ROOT / "docs" / "operating" / name).read_text(encoding="utf-8")
    for name in ("restore.md", "rehearsal.md", "standby.md")
}


WHOLE = get_command(app())


def commands() -> list[str]:
    """Return each command of ours that stands in a block, or in the text by itself."""
    typed = [
        line
        for page in PAGES.values()
        for block in re.findall(r"(?ms)^ *```\w*\n(.*?)^ *```", page)
        for line in block.splitlines()
    ]
    quoted = [one for page in PAGES.values() for one in re.findall(r"`(borderscout [^`]+)`", page)]
    found = [line.strip().removeprefix("$ ") for line in [*typed, *quoted]]
    bare = [line.removeprefix("sudo -u borderscout ") for line in found]
    return list(dict.fromkeys(line for line in bare if line.startswith("borderscout ")))


@pytest.mark.parametrize("command", commands())
def test_a_command_on_the_page_is_one(command: str) -> None:
    words = shlex.split(command)[1:]
    found = WHOLE
    while isinstance(found, TyperGroup) and words:
        found = found.commands[words.pop(0)]

    if words:  # those that are only named take arguments that are not told
        with found.make_context(command, words) as context:
            assert context.params


def test_the_line_about_a_later_core_is_the_one_that_is_printed() -> None:
    def at(generation: int) -> Position:
        return Position(Epoch(generation, str(generation)), 1)

    other = OtherEpoch(node="lon1", follows=at(4), ours=at(3))
    told = {"node": "lon1", "near": True, "generation": 4, "problem": other.problem}
    (check,) = other_epochs({"other_epochs": [told]})

    assert f"\n{check.found}; {check.remedy}\n" in PAGES["restore.md"]
    assert f"by more than {STEP_MAX}" in PAGES["restore.md"]
    assert f"`{ASIDE}TIME`" in PAGES["restore.md"]
