"""Which filters does a satellite find?"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from common.errors import SettingsError
from common.verdict import Outcome
from satellite.filtering.catalogue import build_filters
from satellite.filtering.conformance import Scene, check_filter, plain_mail
from satellite.filtering.filters.dnsbl import Dnsbl
from satellite.settings import FilterSettings
from tests.support.core.preferences import preferences
from tests.support.scanning.filtering import context, mail

OUTSIDE = """
from common.verdict import Outcome, Test, Verdict
from common.errors import LocalError


class Colour:
    def __init__(self, settings):
        if "colour" not in settings.options:
            raise LocalError("colour is missing", hint="add options.colour")
        self.name = settings.name
        self.colour = settings.options["colour"]

    async def examine(self, mail):
        test = Test(name="COLOUR_" + self.colour.upper(), score=0.5)
        return (Verdict(by=self.name, outcome=Outcome.SCORED, tests=(test,)),)

    async def close(self):
        pass


def build(settings, context):
    return Colour(settings)
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
    assert [each.name for each in build_filters([], context())] == ["lists", "rules", "dnsbl"]


def test_the_settings_of_a_built_in_kind_reach_the_one_filter_of_it() -> None:
    settings = [
        FilterSettings(name="zen", kind="dnsbl", timeout_s=2.5),
        FilterSettings(name="other", kind="dnsbl"),
    ]

    found = build_filters(settings, context())

    (dnsbl,) = [each for each in found if isinstance(each, Dnsbl)]
    assert len(found) == 3
    assert dnsbl.budget_s == 2.5


@pytest.mark.usefixtures("outside")
async def test_a_filter_of_somebody_else_is_found_by_its_entry_point_and_conforms() -> None:
    settings = [FilterSettings(name="mine", kind="colour", options={"colour": "red"})]

    found = build_filters(settings, context())

    assert [each.name for each in found] == ["lists", "rules", "dnsbl", "mine"]
    (verdict,) = await found[-1].examine(mail(preferences()))
    assert verdict.tests[0].name == "COLOUR_RED"
    await check_filter(
        lambda: build_filters(settings, context())[-1],
        Scene(mail=plain_mail(preferences()), outcomes=(Outcome.SCORED,)),
    )


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
    assert unknown.startswith("filters: a: there is no filter of kind 'nothing', only ")
    assert option == "filters: b: colour is missing; add options.colour"
    assert broken.startswith("filters: c: the filter of kind 'gone' does not load")
