"""Is it seen at a core that its settings file is wrong, or waits for a restart?"""

from __future__ import annotations

from typing import Any

from cli.checks import DoctorCheck
from cli.core_checks import checks_of_the_core


def checks(complaints: list[str], restart_needed: list[str]) -> list[DoctorCheck]:
    status: dict[str, Any] = {
        "settings_file": {"complaints": complaints, "restart_needed": restart_needed},
        "other_epochs": [],
        "refused_callers": [],
    }
    return list(checks_of_the_core(status))


def test_a_settings_file_that_was_taken_is_well() -> None:
    [only] = checks([], [])

    assert (only.ok, only.found) == (True, "well")


def test_one_that_is_wrong_fails_with_its_complaints() -> None:
    [only] = checks(["core.yaml:3: colour: not known"], [])

    assert not only.ok
    assert only.found == "core.yaml:3: colour: not known"
    assert "core.yaml" in only.remedy


def test_what_waits_for_a_restart_is_a_note() -> None:
    _, note = checks([], ["http"])

    assert (note.ok, note.note) == (True, True)
    assert note.found.startswith("http was changed")
