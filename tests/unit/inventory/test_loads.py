"""Is it known what each site carries, also when another one is off?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import SettingsError
from inventory.load import load_inventory
from inventory.model import Customer, Inventory, Location, MailDomain, SiteState
from inventory.mx.loads import Loads
from inventory.mx.measurements import parse_measurements
from inventory.mx.plan import make_plan
from inventory.mx.simulation import simulate
from inventory.mx.traffic import PER_MESSAGE, Traffic, parse_traffic

EXAMPLE = Path(__file__).parents[3] / "inventory" / "example.yaml"

PLACES = (None, Location(51.5, -0.1), Location(48.9, 2.4), Location(40.4, -3.7))


def many(count: int = 300) -> Inventory:
    domains = tuple(
        MailDomain(
            name=f"d{number}.example",
            deliver_to=("mail.example.net:25",),
            location=PLACES[number % len(PLACES)],
        )
        for number in range(count)
    )
    customer = Customer(name="c", domains=domains)
    return load_inventory(EXAMPLE).model_copy(update={"customers": (customer,)})


MANY = many()


def without(inventory: Inventory, name: str) -> Inventory:
    sites = tuple(
        site.model_copy(update={"state": SiteState.OFF}) if site.name == name else site
        for site in inventory.sites
    )
    return inventory.model_copy(update={"sites": sites})


@settings(deadline=None, max_examples=20)
@given(
    st.dictionaries(
        st.integers(0, 299).map(lambda n: f"d{n}.example"), st.integers(0, 10**9), max_size=30
    ),
    st.sampled_from(["london", "frankfurt", "madrid"]),
)
def test_the_plan_knows_what_each_site_gets_when_another_is_off(
    rates: dict[str, int], away: str
) -> None:
    traffic = Traffic("", rates, rest=10**9)
    before = Loads(MANY.sites, make_plan(MANY, has_reasons=False), traffic)
    left = without(MANY, away)
    after = Loads(left.sites, make_plan(left, has_reasons=False), traffic)
    moved = before.moved(away)

    for site in MANY.sites:
        if site.name != away:
            expected = before.planned(site.name)
            if site.name in moved:
                expected = expected.plus(moved[site.name])
            assert after.planned(site.name) == expected
    assert after.planned(away).domains == 0


def test_a_site_that_gets_too_much_is_named_also_without_another() -> None:
    plan = make_plan(MANY, has_reasons=False)
    firsts = [entry.domain for entry in plan.domains if entry.order[0] == "madrid"]
    over = Traffic("", {firsts[0]: 101 * PER_MESSAGE})
    assert next(Loads(MANY.sites, plan, over).too_much()) == (
        "site madrid gets 101.000 messages per second, and its capacity is 100"
    )

    second = plan.domains[[one.domain for one in plan.domains].index(firsts[0])].order[1]
    full = {firsts[0]: 90 * PER_MESSAGE}
    full |= {
        next(entry.domain for entry in plan.domains if entry.order[0] == second): 150 * PER_MESSAGE
    }
    assert (
        f"site {second} gets 240.000 messages per second without madrid, and its capacity is 200"
        in list(Loads(MANY.sites, plan, Traffic("", full)).too_much())
    )
    assert list(Loads(MANY.sites, plan, None).too_much()) == []


def test_a_simulation_says_who_took_what_the_site_had() -> None:
    found = simulate(MANY, {"london"})
    by_name = {one.site.name: one for one in found.sites}

    assert by_name["london"].after.domains == 0
    assert by_name["london"].took is None
    assert found.moved == by_name["london"].before
    assert sum(one.after.domains for one in found.sites) == 300
    assert by_name["frankfurt"].by_capacity == 666
    took = (by_name["frankfurt"].took or 0) + (by_name["madrid"].took or 0)
    assert 998 <= took <= 1000


def test_a_simulation_names_the_domains_that_lose() -> None:
    domains = (
        MailDomain(name="a.example", deliver_to=("m.x:25",), regions=("uk",)),
        MailDomain(name="b.example", deliver_to=("m.x:25",), sites_min=3),
    )
    customers = (Customer(name="c", domains=domains),)
    found = simulate(MANY.model_copy(update={"customers": customers}), {"london"})

    assert found.lost == ("a.example",)
    assert found.fewer == ("b.example",)


def test_traffic_comes_as_a_table_or_as_json() -> None:
    table = "# of a week\ndomain,messages_per_s,note\nACME.example,1.5,\nb.example, 0,x\n"
    tree = json.dumps({"domains": {"acme.example": 1.5, "b.example": 0}})

    for text in (table, tree):
        found = parse_traffic(text.encode(), name="t")
        assert found.by_domain == {"acme.example": 1_500_000, "b.example": 0}


def test_traffic_comes_as_the_report_that_the_core_gives() -> None:
    report = {
        "by": "domain",
        "since": "2026-11-01T00:00:00.000000Z",
        "until": "2026-11-02T00:00:00.000000Z",
        "groups": [{"name": "acme.example", "accepted": 86_400}],
        "totals": {"accepted": 86_400 * 3},
    }
    found = parse_traffic(json.dumps(report).encode(), name="t")

    assert found.rates(["acme.example", "b.example", "c.example"]) == [
        PER_MESSAGE,
        PER_MESSAGE,
        PER_MESSAGE,
    ]
    for change in ({"by": "site"}, {"until": None}, {"groups": 1}, {"since": "1970-01-01T00"}):
        with pytest.raises(SettingsError):
            parse_traffic(json.dumps(report | change).encode(), name="t")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "t:1:1: no header"),
        ("domain,rate\n", "t:1:1: no columns"),
        ("domain,messages_per_s\na.example\n", "t:2:1: 1 column where"),
        ("domain,messages_per_s\na.example,-1\n", "t:2:1: '-1' is no rate of a.example"),
        ("domain,messages_per_s\na.example,NaN\n", "t:2:1: 'NaN' is no rate"),
        ("domain,messages_per_s\na.example,1e9\n", "is no rate"),
        ("domain,messages_per_s\na..b,1\n", "t:2:1: "),
        ("domain,messages_per_s\na.example,1\nA.example,1\n", "t:3:1: a.example stands twice"),
        ('{"domains": {"a.example":\n 1}, ', "t:2:5: the file ends in the middle, it was not "),
        ('{"domains":\n [1,]}', "t:2:5: no JSON: expecting value; correct it, or "),
        ('{"domains": "\x00"}', "t:1:14: no JSON: invalid control character; "),
        ("{" * 100_000, "no JSON"),
        ("{}", "no 'domains' and no 'groups'"),
        ('{"domains": {"a.example": [1]}}', "is no rate"),
    ],
)
def test_wrong_traffic_gets_its_complaint(text: str, what: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_traffic(text.encode(), name="t")
    assert what in str(caught.value)


MADE = "2026-11-30T06:00:00Z"


def test_measurements_are_read_as_the_core_gives_them() -> None:
    row = {"acme.example": {"rtt_us": 12_000, "tries": 100, "failures": 1, "later": True}}
    text = json.dumps({"made": MADE, "sites": {"london": row, "oslo": {"b.example": {}}}})
    found = parse_measurements(text.encode(), name="m")

    one = found.of("acme.example")
    assert one is not None
    assert one["london"] == (12_000, 100, 1)
    assert found.of("b.example") is None
    assert found.strangers(["paris"]) == ["london"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"made": "now", "sites": {}}',
        '{"made": "2026-11-30", "sites": {}}',
        f'{{"made": "{MADE}", "sites": {{"A b": {{}}}}}}',
        f'{{"made": "{MADE}", "sites": {{"a": {{"b.example": {{"rtt_us": -1}}}}}}}}',
        f'{{"made": "{MADE}", "sites": {{"a": {{"b.example": {{"tries": 1, "failures": 2}}}}}}}}',
    ],
)
def test_wrong_measurements_get_a_complaint(text: str) -> None:
    with pytest.raises(SettingsError, match=r"m:1:1: no measurements: "):
        parse_measurements(text.encode(), name="m")


def test_measurements_begin_with_a_mark_of_their_encoding_where_an_editor_put_it() -> None:
    text = '{"made": "2026-11-30T00:00:00Z", "sites": {}}'

    assert not parse_measurements(text.encode("utf-8-sig"), name="m").by_domain


def test_a_complaint_of_what_another_reader_takes_is_one_line_in_our_words() -> None:
    text = '{"made": "\\ud800", "sites": {}}'  # half a character

    with pytest.raises(SettingsError) as refused:
        parse_measurements(text.encode(), name="m")

    assert str(refused.value).startswith("m:1:1: no measurements: no JSON: unexpected end of hex")
    assert "\n" not in str(refused.value)
    assert "pydantic" not in str(refused.value)
