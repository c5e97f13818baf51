"""Does each format write what its tool reads, the same each time, and nothing else?"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

from common.errors import LocalError
from inventory.load import load_inventory
from inventory.model import Inventory
from inventory.mx import known_formats
from inventory.mx.formats.rendered_files import quoted
from inventory.mx.known_formats import formats, rendered
from inventory.mx.names import Naming
from inventory.mx.plan import make_plan
from inventory.mx.records import MxRecords, Whose, records_of

KEYS = {"lon1": ["1" * 64, "2" * 64], "par1": ["3" * 64, "4" * 64]}
CLUSTER = (
    "vpn: 10.77.0.0/16}",
    "vpn: 10.77.0.0/16, "
    "mta_sts: {certificates: /etc/borderscout/mta-sts}, tls_reports: mailto:tls@scout.example}",
)


@pytest.fixture
def full(changed: Callable[..., Path]) -> Inventory:
    """The small inventory, with all that it may publish."""
    return load_inventory(changed(CLUSTER))


@pytest.fixture
def records(full: Inventory) -> MxRecords:
    return records_of(full, make_plan(full), naming=Naming.FIXED, keys=KEYS)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize("whose", list(Whose))
@pytest.mark.parametrize("name", list(formats()))
def test_what_a_format_writes_is_as_ever(
    records: MxRecords, golden: Callable[[str, str], None], name: str, whose: Whose
) -> None:
    made = rendered(name, records, whose=whose)

    text = "".join(f"=== {file}\n{content}" for file, content in made.files.items())
    golden(f"mx/{name}-{whose}.txt", text + "".join(f"=== left out: {x}\n" for x in made.left_out))


@pytest.mark.parametrize("name", list(formats()))
def test_the_same_inventory_gives_the_same_text(full: Inventory, name: str) -> None:
    first, second = (
        rendered(name, records_of(full, make_plan(full), naming=Naming.FIXED), whose=Whose.OURS)
        for _ in range(2)
    )

    assert first == second


def test_javascript_for_dnscontrol_is_javascript(records: MxRecords, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed (Debian: apt-get install nodejs)")
    for whose in Whose:
        made = rendered("dnscontrol", records, whose=whose)
        write(tmp_path, dict(made.files))

        subprocess.run([node, "--check", tmp_path / "dnsconfig.js"], check=True, timeout=60)


def test_terraform_gets_a_resource_for_each_set(records: MxRecords) -> None:
    made = rendered("terraform", records, whose=Whose.CUSTOMERS)
    tree = json.loads(made.files["borderscout.tf.json"])

    assert tree["terraform"]["required_providers"]["dns"]["source"] == "hashicorp/dns"
    [mx] = tree["resource"]["dns_mx_record_set"].values()
    assert mx["zone"] == "acme.example."
    assert [one["preference"] for one in mx["mx"]] == [10, 20]
    assert {kind: len(found) for kind, found in tree["resource"].items()} == {
        "dns_mx_record_set": 1,
        "dns_cname_record": 1,
        "dns_txt_record_set": 2,
    }


def test_external_dns_gets_an_object_for_each_zone(records: MxRecords) -> None:
    made = rendered("external-dns", records, whose=Whose.CUSTOMERS)
    [endpoint] = yaml.safe_load_all(made.files["dnsendpoints.yaml"])

    assert endpoint["kind"] == "DNSEndpoint"
    mx = endpoint["spec"]["endpoints"][0]
    assert (mx["dnsName"], mx["recordType"]) == ("acme.example", "MX")
    assert mx["targets"][0].startswith("10 p1-")


def test_a_customer_without_domains_gets_no_letter(records: MxRecords) -> None:
    nobody = replace(records, customers=())

    assert rendered("letter", nobody, whose=Whose.CUSTOMERS).files == {}


def test_a_letter_with_sites_names_says_that_we_write_again(full: Inventory) -> None:
    plan = make_plan(full, naming=Naming.SITES)
    made = rendered("letter", records_of(full, plan, naming=Naming.SITES), whose=Whose.CUSTOMERS)

    assert "We write again when one of them changes." in made.files["acme.txt"]


def test_a_long_text_stands_in_several_strings() -> None:
    assert quoted("a" * 300) == f'"{"a" * 255}" "{"a" * 45}"'
    assert quoted('a"b') == '"a\\"b"'


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("nowhere.at.all:render", "ModuleNotFoundError"),
        ("json:dumps", "TypeError"),
        ("tests.unit.inventory.conftest:GOLDEN", "TypeError"),
    ],
)
def test_a_broken_format_of_somebody_else_is_one_line(
    records: MxRecords, monkeypatch: pytest.MonkeyPatch, value: str, what: str
) -> None:
    point = EntryPoint("theirs", value, known_formats.GROUP)
    monkeypatch.setattr(known_formats, "formats", lambda: {"theirs": point})

    with pytest.raises(LocalError, match=what) as refused:
        rendered("theirs", records, whose=Whose.OURS)
    assert len(str(refused.value).splitlines()) == 1
