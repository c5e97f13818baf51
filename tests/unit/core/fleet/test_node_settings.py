"""A node is told by its shards together, and what one of them does not know, nobody knows."""

from __future__ import annotations

from typing import Any

from common.reports import NodeReport, SettingsState
from core.fleet.node_settings import SettingsStanding, settings_standing

OLD, NEW = "a" * 64, "b" * 64


def report(state: SettingsState | None, in_force: str = OLD, **more: Any) -> NodeReport:
    return NodeReport(settings_state=state, settings_digest=in_force, **more)


def test_what_nobody_says_is_not_known() -> None:
    assert settings_standing([]) == SettingsStanding()
    assert settings_standing([report(None), report(None)]).state is None


def test_shards_that_differ_are_between_two_settings() -> None:
    found = settings_standing([report(SettingsState.STEADY), report(SettingsState.STEADY, NEW)])

    assert (found.in_force, found.state) == ("", SettingsState.STEADY)


def test_whoever_tries_or_has_failed_speaks_for_the_node() -> None:
    failed = report(SettingsState.ROLLED_BACK, settings_told=NEW, settings_problem="no")

    found = settings_standing([report(None), report(SettingsState.STEADY), failed])

    assert found == SettingsStanding(
        in_force=OLD, told=NEW, state=SettingsState.ROLLED_BACK, problem="no"
    )
    assert found.has_failed
    trying = settings_standing([failed, report(SettingsState.TRYING)])
    assert trying.state is SettingsState.TRYING
