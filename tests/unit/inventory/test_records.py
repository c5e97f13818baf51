"""Which records stand in DNS, and do they hold while a site drains or a key is renewed?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import SettingsError
from inventory.load import load_inventory
from inventory.model import Inventory
from inventory.mx.names import Naming
from inventory.mx.plan import make_plan
from inventory.mx.records import MxRecords, RecordSet, policy_of, records_of
from satellite.delivery.published.mta_sts import parse_sts_policy, record_id

KEYS = {node: [f"{number}" * 64] for number, node in enumerate(("fra1", "lon1", "lon2", "mad1"))}
Change = Callable[..., Path]


def published(
    inventory: Inventory, naming: Naming = Naming.FIXED, keys: dict[str, list[str]] | None = None
) -> MxRecords:
    return records_of(inventory, make_plan(inventory, naming=naming), naming=naming, keys=keys)


def of_kind(records: MxRecords, kind: str) -> list[RecordSet]:
    return [one for one in records.ours.sets if one.kind == kind]


def with_cluster(changed: Change, keys: str) -> Inventory:
    return load_inventory(changed(("vpn: 10.77.0.0/16}", f"vpn: 10.77.0.0/16, {keys}}}")))


def test_no_name_is_an_alias_and_anything_else(example: Inventory) -> None:
    for naming in Naming:
        sets = published(example, naming, KEYS).ours.sets
        aliases = {one.name for one in sets if one.kind == "CNAME"}

        assert len({(one.name, one.kind) for one in sets}) == len(sets)
        assert not aliases & {one.name for one in sets if one.kind != "CNAME"}


def test_without_keys_there_are_no_tlsa_records(example: Inventory) -> None:
    assert {one.kind for one in published(example).ours.sets} == {"A", "AAAA"}


def test_a_fixed_name_leads_to_the_keys_of_all_sites(example: Inventory) -> None:
    records = published(example, keys=KEYS)
    shared = next(one for one in of_kind(records, "TLSA") if one.note == "all sites")

    assert shared.name == "_25._tcp.mx.scout.example"
    assert len(shared.values) == 4
    assert {one.values for one in of_kind(records, "CNAME")} == {(f"{shared.name}.",)}


def test_too_many_keys_to_share_are_divided_by_site(example: Inventory) -> None:
    many = {node: [f"{node}{number}" for number in range(9)] for node in KEYS}
    records = published(example, keys=many)

    targets = {one.values[0] for one in of_kind(records, "CNAME")}
    names = {f"{one.name}." for one in of_kind(records, "TLSA")}
    assert targets == {
        f"_25._tcp.mx-{site}.mx.scout.example." for site in ("frankfurt", "london", "madrid")
    }
    assert targets <= names


def test_with_sites_names_each_site_has_its_own_keys(example: Inventory) -> None:
    records = published(example, Naming.SITES, KEYS)
    [london] = [one for one in of_kind(records, "TLSA") if one.note == "london"]

    assert london.values == (f"3 1 1 {'1' * 64}", f"3 1 1 {'2' * 64}")
    assert of_kind(records, "CNAME") == []


def test_a_sender_can_read_the_policy_that_is_published(changed: Change) -> None:
    inventory = with_cluster(changed, "mta_sts: {certificates: /c, max_age_s: 86400}")
    records = published(inventory)
    policy = policy_of(inventory.cluster)
    assert policy is not None
    read = parse_sts_policy(policy.encode())
    by_name = {(one.name, one.kind): one for one in records.customers[0].sets}
    mx = by_name["acme.example", "MX"]

    assert all(read.names(value.split()[1]) for value in mx.values)
    assert record_id(by_name["_mta-sts.acme.example", "TXT"].values) is not None
    assert by_name["mta-sts.acme.example", "CNAME"].values == ("mta-sts.mx.scout.example.",)
    assert "mta-sts.mx.scout.example" in {one.name for one in of_kind(records, "A")}


def test_another_policy_has_another_id(changed: Change) -> None:
    week = published(with_cluster(changed, "mta_sts: {certificates: /c}"))
    path = changed(("certificates: /c", "certificates: /c, max_age_s: 86400"))
    day = published(load_inventory(path))

    assert [one.values for one in week.customers[0].sets] != [
        one.values for one in day.customers[0].sets
    ]


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("mta_sts: {certificates: /c, mode: enforce}", "mode enforce keeps out"),
        ("mta_sts: {certificates: /c, smtp_key: /k}", "belong together"),
        ("mta_sts: {certificates: /c, max_age_s: 5}", "max_age_s"),
        ("tls_reports: tls@scout.example", "takes no reports"),
        ('tls_reports: "https://scout.example/;"', "takes no reports"),
        ('tls_reports: "mailto:a,b"', "takes no reports"),
    ],
)
def test_what_no_sender_could_use_is_refused(changed: Change, key: str, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        with_cluster(changed, key)


def test_where_reports_go_stands_in_every_zone(changed: Change) -> None:
    records = published(with_cluster(changed, "tls_reports: mailto:tls!x@scout.example"))
    texts = [one for zone in (records.ours, *records.customers) for one in zone.sets]

    assert [one.values for one in texts if one.name.startswith("_smtp._tls.")] == [
        ("v=TLSRPTv1; rua=mailto:tls%21x@scout.example",)
    ] * 2
