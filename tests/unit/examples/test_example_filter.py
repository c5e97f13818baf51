"""The example filter: installed by pip, found at the start, passes the suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.errors import SettingsError
from common.settings.satellite import FilterSettings
from common.settings.yaml_tree import parse_yaml
from common.verdict import Outcome
from satellite.filtering.catalogue import BUILT_IN, build_filters
from satellite.filtering.conformance import Scene, check_filter, plain_mail
from satellite.filtering.filter import Filter
from tests.support.core.preferences import preferences
from tests.support.scanning.filtering import context, mail

README = Path(__file__).parents[3] / "examples" / "filter" / "README.md"

pytestmark = pytest.mark.usefixtures("installed")


def example(**options: Any) -> Filter:
    """Return the example's filter, found as a node finds it."""
    settings = FilterSettings(name="mine", kind="example", options=options)
    *ours, mine = build_filters([settings], context())
    assert [each.name for each in ours] == list(BUILT_IN)
    return mine


def test_what_its_readme_says_for_the_inventory_finds_it() -> None:
    yaml = README.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    (settings,) = parse_yaml(yaml).value["filters"]

    found = build_filters([FilterSettings(**settings)], context())[-1]

    assert (type(found).__module__, found.name) == ("example_filter", "loud")


async def test_it_conforms() -> None:
    scene = Scene(mail=plain_mail(preferences()), outcomes=(Outcome.SCORED,))

    await check_filter(example, scene)


async def test_it_conforms_when_it_finds_something() -> None:
    loud = mail(preferences(), header=b"Subject: ACT NOW AND WIN\r\n")
    scene = Scene(mail=loud, outcomes=(Outcome.SCORED,), tests=frozenset({"SUBJECT_SHOUTS"}))

    (verdict,) = await check_filter(lambda: example(points=2.5), scene)

    assert [test.score for test in verdict.tests] == [2.5]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"colour": "red"}, "unknown option 'colour'; there are points"),
        ({"points": "many"}, "options.points: input should be a valid number"),
        ({"points": 100}, "options.points: input should be less than 100"),
    ],
)
def test_wrong_options_are_a_complaint(options: dict[str, Any], what: str) -> None:
    with pytest.raises(SettingsError) as raised:
        example(**options)

    (complaint,) = raised.value.complaints
    assert complaint.startswith(f"filters.mine: {what}")
