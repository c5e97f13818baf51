"""Which filters does a satellite find?"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from common.errors import SettingsError
from common.settings.satellite import FilterSettings
from satellite.filtering.catalogue import BUILT_IN, build_filters
from satellite.filtering.filters.dnsbl import Dnsbl
from tests.support.scanning.filtering import context

OUTSIDE = """
from satellite.plugin import LocalError


def build(settings, context):
    raise LocalError("colour is missing", hint="add options.colour")
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another project's package, installed as pip leaves it: a module and its metadata."""
    (tmp_path / "colour_filter.py").write_text(OUTSIDE)
    metadata = tmp_path / "colour_filter-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: colour-filter\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[borderscout.filters]\ncolour = colour_filter:build\ngone = colour_filter:missing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "colour_filter", raising=False)


def test_the_built_in_filters_are_there_without_settings() -> None:
    assert [each.name for each in build_filters([], context())] == list(BUILT_IN)


def test_the_settings_of_a_built_in_kind_reach_the_one_filter_of_it() -> None:
    settings = [
        FilterSettings(name="zen", kind="dnsbl", timeout_s=2.5),
        FilterSettings(name="other", kind="dnsbl"),
    ]

    found = build_filters(settings, context())

    (dnsbl,) = [each for each in found if isinstance(each, Dnsbl)]
    assert len(found) == len(BUILT_IN)
    assert dnsbl.budget_s == 2.5


@pytest.mark.usefixtures("outside")
def test_every_filter_that_cannot_be_had_is_a_complaint() -> None:
    settings = [
        FilterSettings(name="a", kind="nothing"),
        FilterSettings(name="b", kind="colour"),
        FilterSettings(name="c", kind="gone"),
    ]

    with pytest.raises(SettingsError) as raised:
        build_filters(settings, context())

    unknown, option, broken = raised.value.complaints
    assert unknown.startswith("filters.a: no filter of kind 'nothing' is installed; there are ")
    assert option == "filters.b: colour is missing; add options.colour"
    assert broken.startswith("filters.c: the filter colour_filter:missing cannot be loaded")
