"""Does the lab's DNS lead from a domain to a node, and from a node to the customer?"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from inventory.lab.lab_zones import FOLDER, KEY_FILE, forwarding_configuration, zone_files
from inventory.lab.topology import LabRole, topology_of
from inventory.load import load_inventory

ROOT = Path(__file__).parents[3]
CHECK = shutil.which("named-checkconf") or shutil.which("named-checkconf", path="/usr/sbin")


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    inventory = load_inventory(ROOT / "examples" / "lab.yaml")
    return zone_files(inventory, topology_of(inventory), serial=7, key="lab")


@pytest.mark.skipif(not CHECK, reason="named-checkconf is not installed (bind9-utils)")
def test_named_takes_all_of_it(files: dict[str, str], tmp_path: Path) -> None:
    key = 'key "lab" { algorithm hmac-sha256; secret "c2VjcmV0"; };'
    for name, text in {**files, KEY_FILE: key}.items():
        (tmp_path / name).write_text(text.replace(FOLDER, str(tmp_path)), encoding="utf-8")

    done = subprocess.run(
        [str(CHECK), "-z", str(tmp_path / "named.conf")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("loaded serial 7") == 8, done.stdout


@pytest.mark.skipif(not CHECK, reason="named-checkconf is not installed (bind9-utils)")
@pytest.mark.parametrize("resolver", ["127.0.0.1:53", "[::1]:5353"])
def test_named_takes_the_settings_of_a_nodes_own_resolver(tmp_path: Path, resolver: str) -> None:
    inventory = load_inventory(ROOT / "examples" / "lab.yaml")
    topology = topology_of(inventory.model_copy(update={"resolver": resolver}))
    file = tmp_path / "named.conf"
    file.write_text(forwarding_configuration(topology), encoding="utf-8")

    done = subprocess.run([str(CHECK), str(file)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_resolver_that_is_not_on_the_node_is_the_inventorys() -> None:
    inventory = load_inventory(ROOT / "examples" / "lab.yaml")

    assert topology_of(inventory.model_copy(update={"resolver": "192.0.2.53:53"})).resolver == ""


def test_a_customer_publishes_our_fixed_names(files: dict[str, str]) -> None:
    found = re.findall(r"^(\S+) IN MX (\d+) (p\d)-\w+\.(\S+)$", files["acme.example.zone"], re.M)

    assert found == [
        ("acme.example.", preference, rank, "mx.scout.example.")
        for preference, rank in (("10", "p1"), ("20", "p2"), ("30", "p3"))
    ]


def test_our_zone_begins_empty_and_takes_updates_with_the_key_alone(files: dict[str, str]) -> None:
    ours = 'type primary; file "/etc/bind/mx.scout.example.zone"; allow-update { key "lab"; };'

    assert ours in files["named.conf"]
    assert files["named.conf"].count("allow-update") == 1
    assert " A " not in files["mx.scout.example.zone"]


def test_a_host_stands_in_the_nearest_zone(files: dict[str, str]) -> None:
    assert re.search(r"^mail\.acme\.example\. IN A 11\.", files["acme.example.zone"], re.M)
    assert re.search(r"^core\.scout\.example\. IN A 11\.", files["root.zone"], re.M)
    assert "mail.acme.example" not in files["root.zone"].replace("PTR mail.acme.example", "")


def test_every_node_is_called_by_its_address(files: dict[str, str]) -> None:
    topology = topology_of(load_inventory(ROOT / "examples" / "lab.yaml"))

    for machine in topology.of(LabRole.SATELLITE):
        for _ in machine.addresses:
            assert f"IN PTR {machine.name}.mx.scout.example." in files["root.zone"]
