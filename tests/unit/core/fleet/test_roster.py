"""Who may speak is what the settings say, and nobody else."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from common.settings.core import NodeEntry
from core.fleet.roster import Roster


def entry(name: str, *certificates: str) -> NodeEntry:
    return NodeEntry(name=name, site="london", certificates=list(certificates))


def test_a_node_without_certificates_is_let_in_with_any_of_its_name() -> None:
    roster = Roster([entry("lon1")])

    assert roster.why_not("lon1", "1f") == ""
    assert roster.why_not("fra1", "1f") == "fra1 is not in the settings, and no document names it"


def test_a_node_whose_certificates_are_named_is_let_in_with_one_of_them_alone() -> None:
    roster = Roster([entry("lon1", "1f", "2e")])

    assert roster.why_not("lon1", "1f") == roster.why_not("lon1", "2e") == ""
    assert "other certificates than 3d" in roster.why_not("lon1", "3d")


def test_other_settings_hold_from_the_next_question_on() -> None:
    roster = Roster([entry("lon1", "1f"), entry("fra1")])

    roster.take([entry("lon1", "2e")])

    assert roster.why_not("lon1", "1f") != ""
    assert roster.why_not("lon1", "2e") == ""
    assert roster.why_not("fra1", "1f") != ""


def test_a_member_of_which_nothing_is_let_in_hears_that_it_was_revoked() -> None:
    roster = Roster([entry("lon1", "1f")])

    roster.take_members({"lon1": frozenset()})

    assert "lon1 was revoked" in roster.why_not("lon1", "1f")


@pytest.mark.parametrize("written", ["0A1B", "a1b", "0a:1B", "00:0A:1B"])
def test_a_serial_number_may_stand_as_openssl_prints_it(written: str) -> None:
    assert entry("lon1", written).certificates == ["a1b"]


@pytest.mark.parametrize("written", ["", "xyz", "0x1f", "1" * 41, "1f 2e", "1f:"])
def test_what_is_no_serial_number_is_a_complaint(written: str) -> None:
    with pytest.raises(ValidationError, match="no serial number"):
        entry("lon1", written)
