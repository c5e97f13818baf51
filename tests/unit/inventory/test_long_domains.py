"""Does a domain nearly too long for DNS cost anybody anything, but for what has no room itself?"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dns.name
import pytest
import yaml

from common.durable import write_file
from inventory.lab.lab_zones import zone_files
from inventory.lab.topology import topology_of
from inventory.load import Examined, examine, load_inventory
from inventory.model import Customer, Inventory, MailDomain
from inventory.mx.formats.rendered_files import zone_file
from inventory.mx.known_formats import formats, rendered
from inventory.mx.live_dns import DnsServer, LiveDns
from inventory.mx.names import Naming
from inventory.mx.plan import make_plan
from inventory.mx.records import DnsZone, MxRecords, RecordSet, Whose, policy_of, records_of
from inventory.mx.safety import fitness_of
from inventory.mx.verifying import LookAt, verify
from tests.support.network.ports import free_port

ROOT = Path(__file__).parents[3]
KEYS = {"lon1": ["1" * 64], "par1": ["2" * 64]}
LONGEST = 253
Change = Callable[..., Path]


def domain_of(length: int) -> str:
    """Return a domain of so many characters, 200 to 253."""
    return f"{'a' * 61}.{'b' * 61}.{'c' * 61}.{'d' * (length - 194)}.example"


def with_domains(changed: Change, *names: str) -> Path:
    """Change the small inventory: all that may be published, and a customer for each domain."""
    more = "".join(
        f"  - {{name: long{number}, domains: [{{name: {name}, deliver_to: mail.other.example}}]}}\n"
        for number, name in enumerate(names)
    )
    cluster = "mta_sts: {certificates: /c}, tls_reports: mailto:tls@other.example}"
    return changed(
        ("vpn: 10.77.0.0/16}", f"vpn: 10.77.0.0/16, {cluster}"),
        ("customers:\n", f"customers:\n{more}"),
    )


def records_from(path: Path, naming: Naming = Naming.FIXED) -> MxRecords:
    inventory = load_inventory(path)
    return records_of(inventory, make_plan(inventory, naming=naming), naming=naming, keys=KEYS)


def warnings_of(found: Examined) -> list[str]:
    assert found.errors == []
    return [str(one).partition("inventory.yaml")[2] for one in found.warnings]


@pytest.mark.parametrize("naming", list(Naming))
@pytest.mark.parametrize(
    ("length", "labels"),
    [
        (242, {"", "mta-sts", "_mta-sts", "_smtp._tls"}),
        (243, {"", "mta-sts", "_mta-sts"}),
        (244, {"", "mta-sts", "_mta-sts"}),
        (245, {""}),  # there is room for mta-sts, to which nothing would lead
        (LONGEST, {""}),
    ],
)
def test_names_that_dns_cannot_hold_are_left_out_and_the_mx_stands(
    changed: Change, naming: Naming, length: int, labels: set[str]
) -> None:
    domain = domain_of(length)
    assert len(domain) == length
    records = records_from(with_domains(changed, domain), naming)
    zones = {zone.name: zone for zone in records.customers}

    assert {zones[domain].label(one.name) for one in zones[domain].sets} == labels
    assert [one.kind for one in zones[domain].sets if one.name == domain] == ["MX"]
    assert len(zones["acme.example"].sets) == 4
    for zone in (records.ours, *records.customers):
        for one in zone.sets:
            dns.name.from_text(one.name)


@pytest.mark.parametrize("name", list(formats()))
@pytest.mark.parametrize("length", [242, 243, 246, 247, 251, LONGEST])
def test_every_format_can_be_written_for_all_customers(
    changed: Change, tmp_path: Path, name: str, length: int
) -> None:
    domains = domain_of(length), domain_of(length)[:-7] + "exampla"
    records = records_from(with_domains(changed, *domains))
    alone = replace(records, customers=(records.customers[-1],))
    assert alone.customers[0].name == "acme.example"

    made = rendered(name, records, whose=Whose.CUSTOMERS).files
    for file, text in made.items():
        write_file(tmp_path / file, text.encode())

    text = "".join(made.values())
    assert all(domain in text for domain in domains)
    for file, shared in rendered(name, alone, whose=Whose.CUSTOMERS).files.items():
        if "acme" in file:
            assert made[file] == shared
    if name in ("bind", "nsupdate", "octodns"):
        assert len(made) == 3 + (name == "octodns")  # each has a file to itself


def test_octodns_is_told_of_a_file_that_it_would_not_find_by_the_zone(changed: Change) -> None:
    domain = domain_of(LONGEST)
    made = rendered("octodns", records_from(with_domains(changed, domain)), whose=Whose.CUSTOMERS)
    config = yaml.safe_load(made.files["config.yaml"])

    [source] = config["zones"][f"{domain}."]["sources"]
    told = config["providers"][source]
    assert (told["disable_zonefile"], told["shared_filename"]) == (True, zone_file(domain, ".yaml"))
    assert told["shared_filename"] in made.files
    assert config["zones"]["acme.example."]["sources"] == ["borderscout"]
    assert "shared_filename" not in config["providers"]["borderscout"]


def test_kubernetes_takes_the_name_of_every_object(changed: Change) -> None:
    records = records_from(with_domains(changed, domain_of(242), domain_of(LONGEST)))
    made = rendered("external-dns", records, whose=Whose.CUSTOMERS)
    names = [one["metadata"]["name"] for one in yaml.safe_load_all(made.files["dnsendpoints.yaml"])]

    assert len(set(names)) == 3
    assert all(len(name) <= 253 for name in names)
    assert "borderscout-acme.example" in names


def test_check_and_plan_name_the_domain_and_what_it_goes_without(changed: Change) -> None:
    some, all_of_it = domain_of(243), domain_of(LONGEST)
    path = with_domains(changed, some, all_of_it, domain_of(242))
    inventory = load_inventory(path)

    assert warnings_of(examine(path)) == [
        f":14:30: domain {some!r} has 243 characters, too many for the names of TLS reports "
        "below it, and goes without; its MX stands all the same: there is nothing to do",
        f":15:30: domain {all_of_it!r} has 253 characters, too many for the names of "
        "MTA-STS and TLS reports below it, and goes without; its MX stands all the same: "
        "there is nothing to do",
    ]
    assert fitness_of(inventory, make_plan(inventory)).warnings == (
        f"{all_of_it} is too long for the names of MTA-STS and TLS reports: "
        "left out, and the MX stands",
        f"{some} is too long for the names of TLS reports: left out, and the MX stands",
    )


def test_a_long_domain_goes_without_nothing_where_nothing_is_published(changed: Change) -> None:
    path = changed(("name: acme.example", f"name: {domain_of(LONGEST)}"))

    assert warnings_of(examine(path)) == []


@pytest.mark.parametrize(
    ("site", "length", "complaint"),
    [
        ("london", 224, ""),
        (
            "london",
            225,
            "_25._tcp.p1-xxxxxxxxxxxxxxxx stands below it; take one of 224 at the most",
        ),
        ("s" * 60, 180, ""),
        ("s" * 60, 181, f"_25._tcp.mx-{'s' * 60} stands below it; take one of 180 at the most"),
    ],
)
def test_a_mail_domain_has_room_for_the_keys_of_every_name(
    changed: Change, site: str, length: int, complaint: str
) -> None:
    ours = ("a" * 60 + ".") * 2 + "b" * 40 + "." + "c" * (length - 163)
    path = changed(("mx.scout.example", ours), ("name: london", f"name: {site}"))
    found = examine(path)

    if complaint:
        [one] = found.errors
        assert str(one) == f"{path}:1:26: mail_domain has {length} characters, and {complaint}"
        return
    assert found.errors == []
    for naming in Naming:
        for record in records_from(path, naming).ours.sets:
            dns.name.from_text(record.name)


class SilentDns(LiveDns):
    """DNS in which each name is looked for, and nobody has any."""

    def __init__(self) -> None:
        super().__init__(["127.0.0.1:1"])
        self.asked: list[str] = []

    async def servers_of(self, name: str) -> list[DnsServer]:
        dns.name.from_text(name)
        return []


def test_verify_looks_for_no_policy_that_no_sender_would_find(changed: Change) -> None:
    domain = domain_of(LONGEST)
    path = with_domains(changed, domain)
    records = records_from(path)
    policies = RecordSet("mta-sts.mx.scout.example", "A", 300, ("127.0.0.1",), "MTA-STS policies")
    look = LookAt(
        policy=policy_of(load_inventory(path).cluster),
        context=ssl.create_default_context(),
        https_port=free_port(),
    )
    ours = DnsZone("mx.scout.example", (policies,))
    found = asyncio.run(
        verify(replace(records, ours=ours), SilentDns(), look, now=datetime.now(UTC))
    )

    assert [one.where for one in found if "gives no policy" in one.what] == ["acme.example"]
    assert {one.where for one in found} == {domain, "acme.example", "mx.scout.example"}


def test_the_labs_name_server_gets_a_file_of_every_zone(tmp_path: Path) -> None:
    inventory = _with_domain(load_inventory(ROOT / "examples" / "lab.yaml"), domain_of(LONGEST))
    files = zone_files(inventory, topology_of(inventory), serial=7, key="lab")

    for name, text in files.items():
        (tmp_path / name).write_text(text)
    name = zone_file(domain_of(LONGEST), ".zone")
    assert name in files
    assert f'/{name}"' in files["named.conf"]


def _with_domain(inventory: Inventory, name: str) -> Inventory:
    domain = MailDomain(name=name, deliver_to=("mail.acme.example:25",))
    customers = (*inventory.customers, Customer(name="long", domains=(domain,)))
    return inventory.model_copy(update={"customers": customers})
