"""Engines are found by their kind, and wrong settings are said all at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.errors import SettingsError
from common.settings.satellite import EngineSettings
from satellite.scanning.engine import EngineContext, build_engines
from satellite.scanning.engines.clamav import Clamav
from satellite.scanning.engines.yara import Yara
from satellite.scanning.helper import Helper


@pytest.fixture
def context() -> Iterator[EngineContext]:
    clock = SystemClock()
    yield EngineContext(clock=clock, helper=Helper(clock=clock))


def engine(name: str = "e", kind: str = "yara", **rest: object) -> EngineSettings:
    return EngineSettings.model_validate({"name": name, "kind": kind, **rest})


def complaints(context: EngineContext, *settings: EngineSettings) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        build_engines(settings, context)
    return caught.value.complaints


def test_engines_are_found_by_kind_in_the_order_of_the_settings(context: EngineContext) -> None:
    built = build_engines(
        [engine("b", "clamd", address="unix:/run/clamd"), engine("a", "yara")], context
    )

    assert [type(item.engine) for item in built] == [Clamav, Yara]
    assert [item.engine.name for item in built] == ["b", "a"]


def test_an_unknown_kind_names_those_that_there_are(context: EngineContext) -> None:
    (line,) = complaints(context, engine("x", "norton"))

    assert line.startswith("engines.x: no engine of kind 'norton' is installed; there are ")
    assert "clamd" in line
    assert "yara" in line


def test_all_complaints_come_at_once(context: EngineContext) -> None:
    lines = complaints(
        context,
        engine("x", "norton"),
        engine("c", "clamd"),
        engine("y", timeout_s=5),
        engine("z", options={"speed": 3}),
        engine("w", options={"rules": ["/nowhere/a.yar"]}),
        engine("v", options={"shipped": False}),
        engine("c", "clamd", address="127.0.0.1:3310", options={"sessions_max": 0}),
    )

    assert len(lines) == 8
    assert all("; " in line for line in lines), "each says what to do"
    assert any("there are 2 engines of this name" in line for line in lines)
    assert any("less than two tries" in line for line in lines)


def test_a_package_that_cannot_be_loaded_is_a_complaint(
    context: EngineContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[borderscout.engines]\nbroken = no_such_module:build\nnumber = sys:maxsize\n"
        "yara = other.place:build\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    lines = complaints(context, engine("a", "broken"), engine("b", "number"), engine("c", "yara"))

    assert "cannot be loaded" in lines[0]
    assert "is no factory of engines" in lines[1]
    assert "several packages bring engines of kind 'yara'" in lines[2]
