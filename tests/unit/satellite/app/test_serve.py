"""A start that fails with settings that are tried goes back to those before, by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from common.errors import EnvironmentFailure, SettingsError
from common.exit_status import WRONG_SETTINGS
from common.preferences.node_settings import settings_digest
from common.reports import SettingsState
from satellite.app import serve
from satellite.node.settings_files import SettingsFiles
from satellite.node.settings_trial import RecordedTrial

FORMER, TRIED = "workers: 2\n", "workers: 4\n"


@pytest.fixture
def files(tmp_path: Path) -> SettingsFiles:
    """A node that is about to try other settings."""
    made = SettingsFiles(tmp_path / "satellite.yaml")
    made.settings.write_text(FORMER)
    made.keep_former()
    made.settings.write_text(TRIED)
    tried, kept = settings_digest({"workers": 4}), settings_digest({"workers": 2})
    made.record(RecordedTrial(state=SettingsState.TRYING, digest=tried, kept=kept))
    return made


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The settings files with which the process became a new parent."""
    found: list[Path] = []
    monkeypatch.setattr(serve, "configure_logging", lambda **_facts: None)  # it takes the stdout
    monkeypatch.setattr(serve, "become_parent", lambda config, _kept: found.append(config))
    return found


def fails_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(serve, "serve", failing)


@pytest.mark.parametrize(
    "error",
    [
        EnvironmentFailure("cannot listen on 127.0.0.1:25: Address already in use"),
        SettingsError(["satellite.yaml:1:1: smtp.key: Permission denied; check the file"]),
        PermissionError(13, "Permission denied", "/var/lib/borderscout"),
    ],
)
def test_a_node_that_cannot_start_goes_back(
    error: Exception,
    files: SettingsFiles,
    became: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fails_with(error, monkeypatch)

    serve.main([str(files.settings)])

    assert became == [files.settings]
    assert files.settings.read_text() == FORMER
    trial = files.recorded()
    assert trial.state is SettingsState.ROLLED_BACK
    assert trial.problem in capsys.readouterr().err
    assert trial.problem


def test_a_node_that_tries_nothing_ends_as_ever(
    files: SettingsFiles, became: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files.record(RecordedTrial())
    fails_with(SettingsError(["satellite.yaml:1:1: no"]), monkeypatch)

    assert serve.main([str(files.settings)]) == WRONG_SETTINGS
    assert became == []
    assert files.settings.read_text() == TRIED
