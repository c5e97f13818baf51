"""What a command engine may be told, and how it is told that it is wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from common.clock import SystemClock
from common.errors import LocalError, SettingsError
from common.kinds import Group, faults_of
from common.settings.satellite import EngineSettings
from satellite.scanning.command.profiles import PROFILES
from satellite.scanning.engine import EngineContext, build_engines
from satellite.scanning.engines.command import CommandOptions
from satellite.scanning.helper import Helper
from tests.support.our_files import ROOT

OWN: dict[str, Any] = {
    "programs": ["/usr/bin/clamscan"],
    "arguments": ["--no-summary", "{sample}"],
    "exit_codes": {"clean": [0], "infected": [1]},
}

PAGE = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")


def shown() -> list[dict[str, Any]]:
    """Return the entries that the page tells an operator to type."""
    blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```", PAGE)
    return [entry for block in blocks for entry in yaml.safe_load(block) if "kind" in entry]


def own(**changes: Any) -> dict[str, Any]:
    return {"own": {key: value for key, value in (OWN | changes).items() if value is not None}}


WRONG = [
    ({}, "there must be either `profile` or `own`"),
    ({"profile": "odscan", **own()}, "there must be either `profile` or `own`"),
    ({"profile": "norton"}, "there is no profile 'norton'; take one of odscan, esets_scan"),
    ({"profile": "vscan", "program": "vscan"}, "vscan is no absolute path; write it from / on"),
    (own(programs=["clamscan"]), "clamscan is no absolute path"),
    (own(programs=[]), "nothing stands there; name one at least"),
    (own(arguments=["--no-summary"]), "arguments name no file; write {sample} where it belongs"),
    (own(exit_codes={"infected": [1]}), "exit_codes has none for clean"),
    (own(exit_codes={"clean": [0, 1], "infected": [1]}), "exit_codes has 1 twice"),
    (own(exit_codes={"clean": [256]}), "less than or equal to 255"),
    (own(exit_codes={"clean": [0], "timeout": [3]}), "exit_codes"),
    (own(threats=["(unclosed"]), "the pattern is not valid"),
    (own(threats=["no name"]), "no name takes no name; put the name's part in parentheses"),
    (own(shell=True), "shell"),
    ({"profile": "vscan", "programs_max": 0}, "greater than or equal to 1"),
]


@pytest.mark.parametrize(("options", "complaint"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_option_is_named_before_anything_is_built(
    options: dict[str, Any], complaint: str
) -> None:
    faults = faults_of(Group.ENGINES, "command", options)

    assert any(complaint in f"{fault.what}; {fault.remedy}" for fault in faults), faults


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_that_comes_with_us_can_be_chosen(name: str) -> None:
    clock = SystemClock()
    context = EngineContext(clock=clock, helper=Helper(clock=clock))
    settings = EngineSettings(name="scanner", kind="command", options={"profile": name})

    (fitted,) = build_engines([settings], context)

    assert fitted.engine.name == "scanner"


def test_another_place_of_the_program_is_taken_in_a_profile() -> None:
    options = CommandOptions(profile="vscan", program="/opt/iscan/vscan")

    assert options.chosen().programs == ("/opt/iscan/vscan",)
    assert options.chosen().arguments == PROFILES["vscan"].arguments


@pytest.mark.parametrize("entry", [one for one in shown() if one["kind"] == "command"], ids=str)
def test_what_the_page_tells_to_type_is_right(entry: dict[str, Any]) -> None:
    settings = EngineSettings.model_validate(entry)

    assert faults_of(Group.ENGINES, "command", settings.options) == []


def test_the_page_has_each_profile() -> None:
    rows = re.findall(r"(?m)^\| (`[a-z].*?) \|", PAGE)
    named = {name for row in rows for name in re.findall(r"`(.+?)`", row)}

    assert set(PROFILES) <= named


def test_a_wrong_option_stops_the_start() -> None:
    clock = SystemClock()
    context = EngineContext(clock=clock, helper=Helper(clock=clock))
    settings = EngineSettings(name="scanner", kind="command", options={"profile": "norton"})

    with pytest.raises(LocalError) as raised:
        build_engines([settings], context)

    assert isinstance(raised.value, SettingsError)
    assert raised.value.complaints[0].startswith("engines.scanner: ")
