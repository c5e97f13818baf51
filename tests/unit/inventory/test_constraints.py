"""Is it said of every domain whether it can have the sites that it asks for?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inventory.load import Examined, examine

Change = Callable[..., Path]

REGIONS = (
    ("capacity: 200", "region: uk\n    capacity: 200"),
    ("[48.8566, 2.3522]", "[48.8566, 2.3522]\n    region: eu"),
)
DOMAIN = "location: [52.37, 4.89]}"


def examined(changed: Change, wishes: str, *more: tuple[str, str]) -> Examined:
    return examine(changed(*REGIONS, (DOMAIN, f"{wishes}}}"), *more))


@pytest.mark.parametrize(
    ("wishes", "what"),
    [
        ("regions: us", "no site is in the region 'us'"),
        ("regions: [eu, us]", "no site is in the region 'us'"),
        ("pinned: oslo", "pinned to 'oslo', which is no site"),
        ("regions: eu, pinned: london", "pinned to london, which is in the region uk"),
        ("regions: eu, sites_min: 2", "sites_min is 2, and only 1 (paris) may have its mail"),
        ("sites_min: 3", "sites_min is 3, and only 2 (london, paris) may have its mail"),
        ("sites_min: 4", "domains.sites_min: input should be less than or equal to 3"),
        ("sites_min: 0", "domains.sites_min: input should be greater than or equal to 1"),
        ("regions: []", "domains.regions: is empty"),
        ("regions: West Europe", "'West Europe' is no name"),
        ('sites_min: 1, fewer_sites_reason: " "', "is no reason"),
        ('sites_min: 1, fewer_sites_reason: "a\\e[1m"', "is no reason"),
    ],
)
def test_what_can_never_be_met_is_an_error(changed: Change, wishes: str, what: str) -> None:
    found = examined(changed, wishes)

    assert found.inventory is None
    assert any(what in str(one) for one in found.errors), found.errors


@pytest.mark.parametrize(
    ("wishes", "what"),
    [
        ("pinned: paris", "pinned to paris, which is not active"),
        ("regions: [eu]", "of its sites (paris) none is active"),
        ("sites_min: 2", "sites_min is 2, and only 1 (london) of its sites are active"),
    ],
)
def test_what_waits_for_a_site_is_a_warning(changed: Change, wishes: str, what: str) -> None:
    found = examined(changed, wishes, ("region: eu", "region: eu\n    state: drain"))

    assert found.errors == []
    assert [one.what for one in found.warnings] == [what]


def test_a_reason_makes_too_few_sites_a_warning(changed: Change) -> None:
    found = examined(changed, "regions: eu, sites_min: 2, fewer_sites_reason: until spring")

    assert found.errors == []
    assert "only 1 (paris)" in found.warnings[0].what


def test_what_can_be_met_is_nothing_to_speak_of(changed: Change) -> None:
    found = examined(changed, "regions: [eu, uk], sites_min: 2, pinned: paris")

    assert (found.errors, found.warnings) == ([], [])


def test_a_table_has_columns_for_them(small: Path, tmp_path: Path, changed: Change) -> None:
    (tmp_path / "c.csv").write_text(
        "customer,domain,deliver_to,regions,sites_min,pinned,fewer_sites_reason\n"
        "acme,a.example,mail.a.example,eu uk,2,paris,\n"
        'acme,b.example,mail.b.example,eu,2,,"one, for now"\n'
        "acme,c.example,mail.c.example,,,,\n"
        "acme,d.example,mail.d.example,eu,2,,\n"
    )
    path = changed(*REGIONS)
    text = path.read_text()
    path.write_text(f"{text[: text.index('customers:')]}customers: [c.csv]\n")
    found = examine(path)
    assert [str(one).partition("c.csv")[2] for one in found.errors] == [
        ":5:34: sites_min is 2, and only 1 (paris) may have its mail; "
        "allow more regions, lower sites_min, or say why in fewer_sites_reason"
    ]

    text = (tmp_path / "c.csv").read_text()
    (tmp_path / "c.csv").write_text("".join(text.splitlines(keepends=True)[:-1]))
    inventory = examine(path).inventory
    assert inventory is not None
    first, second, third = inventory.customers[0].domains
    assert (first.regions, first.sites_min, first.pinned) == (("eu", "uk"), 2, "paris")
    assert second.fewer_sites_reason == "one, for now"
    assert (third.regions, third.sites_min, third.pinned) == (None, 1, None)
