"""Are kinds found by their entry points, and options by what their builders declare?"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import SimpleNamespace

import pytest

from common import kinds
from common.errors import SettingsError
from common.kinds import Group, NoOptions, Options, faults_of, options_of, options_taken, takes


class Speed(Options):
    speed: int
    name: str = ""


@takes(Speed, of_document=NoOptions)
def build(settings: object, context: object) -> object:
    raise AssertionError("looking at the options builds nothing")


def loose(settings: object, context: object) -> object:
    raise AssertionError("looking at the options builds nothing")


def test_a_builder_tells_its_options_without_building() -> None:
    assert options_taken(build) is Speed
    assert options_taken(build, of_document=True) is NoOptions
    assert options_taken(loose) is None


def test_options_become_a_typed_object_or_a_line_for_each_fault() -> None:
    assert options_of(SimpleNamespace(kind="x", options={"speed": 3}), Speed).speed == 3

    with pytest.raises(SettingsError) as raised:
        options_of(SimpleNamespace(kind="x", options={"name": [], "hue": 1}), Speed)

    assert sorted(raised.value.complaints) == [
        "missing key 'speed'; add it",
        "options.name: input should be a valid string, not []; correct the value",
        "unknown option 'hue'; there are name, speed",
    ]


def test_a_module_that_raises_when_it_is_loaded_is_a_fault_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "wild-1.0.dist-info"
    metadata.mkdir()
    (tmp_path / "wild_kind.py").write_text("raise ZeroDivisionError('at home')")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: wild\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[borderscout.engines]\nwild = wild_kind:build\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    (fault,) = faults_of(Group.ENGINES, "wild", {})

    assert fault.place == ("kind",)
    assert fault.what == "the engine wild_kind:build cannot be loaded: at home"


def test_kinds_are_imported_early_and_one_that_cannot_be_is_left_to_whoever_builds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = "satellite.filtering.filters.rules"
    monkeypatch.delitem(sys.modules, module, raising=False)

    kinds.load_kinds(Group.FILTERS, ["nobody's", "rules"])

    assert module in sys.modules


@pytest.mark.parametrize("gone", ["yara-x", "apsw"])
def test_one_missing_package_is_no_satellite(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(package: str) -> object:
        if package == gone:
            raise PackageNotFoundError(package)
        return distribution(package)

    assert kinds.satellite_is_installed()
    monkeypatch.setattr(kinds, "distribution", found)
    assert not kinds.satellite_is_installed()


def test_nobody_elses_kind_is_loaded_before_a_fork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "eager-1.0.dist-info"
    metadata.mkdir()
    (tmp_path / "eager_kind.py").write_text("def build(settings, context): ...")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: eager\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[borderscout.engines]\neager = eager_kind:build\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    kinds.load_our_own()

    assert "satellite.filtering.filters.dnsbl" in sys.modules
    assert "eager_kind" not in sys.modules
    assert faults_of(Group.ENGINES, "eager", {}) == []  # it could have been
    assert "eager_kind" in sys.modules
