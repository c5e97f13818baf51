"""Is each machine of the core rendered so that the core may run on it, and nodes find it there?"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import core.settings
import satellite.settings
from common.certificate import serial_text
from common.preferences.documents import Kind
from inventory.certificates import read_certificate
from inventory.issuer_files import accept_certificate, sign_request, write_request
from inventory.keys import public_key
from inventory.load import examine, load_inventory
from inventory.model import Inventory
from inventory.node_documents import node_documents
from inventory.render.ansible_files import machines
from inventory.render.folder import render_folder, strangers
from inventory.render.revocation import copies_after

NOW_US = 1_795_500_000_000_000  # in November 2026
CORE = "core: {name: core, public: core.scout.example, vpn_address: 10.77.0.1}\n"
OF_THREE = """\
core:
  name: core
  public: core.scout.example
  vpn_address: 10.77.0.1
  standbys:
    - name: core2
      public: [core2.scout.example]
      vpn_address: 10.77.0.2
      settings: {claim_wait_s: 7}
    - {name: core3, public: 192.0.2.99, vpn_address: 10.77.0.3}
  settings: {claim_wait_s: 5, bookmark_s: 3}
"""

Changed = Callable[..., Path]


@pytest.fixture
def of_three(changed: Changed) -> Path:
    return changed((CORE, OF_THREE))


def render(inventory: Inventory, out: Path, *, loopback: bool = False) -> Path:
    render_folder(inventory, out, loopback=loopback, now_us=NOW_US)
    return out


def peers(config: Path) -> dict[str, str]:
    """Return the endpoint of each peer of a ``wg0.conf``, by its public key."""
    found: dict[str, str] = {}
    for block in config.read_text().split("[Peer]")[1:]:
        lines = dict(line.split(" = ", 1) for line in block.splitlines() if " = " in line)
        found[lines["PublicKey"]] = lines["Endpoint"]
    return found


def test_each_has_a_key_and_certificate_of_its_own_and_the_name_token_and_issuer_of_the_core(
    of_three: Path, tmp_path: Path
) -> None:
    out = render(load_inventory(of_three), tmp_path / "out")

    shown = [read_certificate(out / name / "tls/node.crt") for name in ("core", "core2", "core3")]
    assert len({serial_text(one.serial_number) for one in shown if one}) == 3
    assert len({str(one.subject) for one in shown if one}) == 1
    keys = [(out / name / "wireguard.key").read_text() for name in ("core", "core2", "core3")]
    assert len(set(keys)) == 3
    for shared in ("token", "issuer.key", "issuer.crt", "preferences.json", "tls/authority.crt"):
        assert len({(out / name / shared).read_bytes() for name in ("core", "core2", "core3")}) == 1


def test_what_is_said_of_the_core_holds_on_each_and_the_nearer_wins(
    of_three: Path, tmp_path: Path
) -> None:
    out = render(load_inventory(of_three), tmp_path / "out")
    read = {
        name: core.settings.load_settings(out / name / "core.yaml")
        for name in ("core", "core2", "core3")
    }

    assert [one.claim_wait_s for one in read.values()] == [5, 7, 5]
    assert {one.bookmark_s for one in read.values()} == {3}
    assert {one.name for one in read.values()} == {"core"}
    assert [one.grpc for one in read.values()] == [
        "10.77.0.1:7443",
        "10.77.0.2:7443",
        "10.77.0.3:7443",
    ]
    assert len({repr(one.nodes) for one in read.values()}) == 1


def test_each_names_the_others_to_nodes_that_join(of_three: Path, tmp_path: Path) -> None:
    out = render(load_inventory(of_three), tmp_path / "out")
    second = core.settings.load_settings(out / "core2" / "core.yaml")

    assert [one.name for one in second.other_cores] == ["core", "core3"]
    first = second.other_cores[0]
    assert first.link == "10.77.0.1:7443"
    assert first.tunnel == ["core.scout.example:51820"]
    assert first.vpn_addresses == ["10.77.0.1"]
    assert first.wireguard_key == public_key((out / "core" / "wireguard.key").read_text().strip())
    assert second.join.public == [
        "core2.scout.example:7445",
        "core.scout.example:7445",
        "192.0.2.99:7445",
    ]


def test_of_many_addresses_nodes_learn_a_join_door_of_each_machine_first(
    changed: Changed, tmp_path: Path
) -> None:
    def publics(network: str, count: int) -> str:
        return f"[{', '.join(f'{network}.{number}' for number in range(1, count + 1))}]"

    of_five = f"core: {{name: core, public: {publics('192.0.3', 8)}, vpn_address: 10.77.0.1,\n"
    of_five += "  standbys: ["
    of_five += ", ".join(
        f"{{name: s{one}, public: {publics(f'192.0.{one}', 2)}, vpn_address: 10.77.0.{one}}}"
        for one in range(4, 8)
    )
    out = render(load_inventory(changed((CORE, of_five + "]}\n"))), tmp_path / "out")

    first, fourth = (
        core.settings.load_settings(out / name / "core.yaml").join.public for name in ("core", "s4")
    )
    own = [f"192.0.3.{number}:7445" for number in range(1, 5)]
    assert first == [*own, *(f"192.0.{one}.1:7445" for one in range(4, 8))]
    assert fourth[:3] == ["192.0.4.1:7445", "192.0.4.2:7445", "192.0.3.1:7445"]
    assert len(fourth) == 8


def test_nodes_have_a_tunnel_to_each_and_try_their_links_in_turn(
    of_three: Path, tmp_path: Path
) -> None:
    out = render(load_inventory(of_three), tmp_path / "out")
    settings = satellite.settings.load_settings(out / "lon1" / "satellite.yaml")
    of_node = peers(out / "lon1" / "wg0.conf")

    assert settings.core.address == "10.77.0.1:7443"
    assert settings.core.standbys == ["10.77.0.2:7443", "10.77.0.3:7443"]
    own = public_key((out / "lon1" / "wireguard.key").read_text().strip())
    for name, endpoint in {
        "core": "core.scout.example:51820",
        "core2": "core2.scout.example:51820",
        "core3": "192.0.2.99:51820",
    }.items():
        key = public_key((out / name / "wireguard.key").read_text().strip())
        assert of_node[key] == endpoint
        assert own in peers(out / name / "wg0.conf")
    assert len(of_node) == 3


def test_where_the_core_runs_comes_first_and_is_alone_started(
    changed: Changed, tmp_path: Path
) -> None:
    inventory = load_inventory(changed((CORE, f"{OF_THREE}  runs_on: core2\n")))
    out = render(inventory, tmp_path / "out")

    settings = satellite.settings.load_settings(out / "lon1" / "satellite.yaml")
    assert settings.core.address == "10.77.0.2:7443"
    assert settings.core.standbys == ["10.77.0.1:7443", "10.77.0.3:7443"]
    documents = [one for one in node_documents(inventory) if one.kind is Kind.NODE]
    body = json.loads(documents[0].body)
    assert body["wireguard"]["core"]["vpn_addresses"][0] == "10.77.0.2"
    assert json.loads((out / "endpoints.json").read_text())["core"]["config"] == "core2/core.yaml"
    enabled = {
        name: "systemctl enable" in script and " borderscout-core.service\necho" in script
        for name in ("core", "core2", "core3")
        for script in [(out / name / "install.sh").read_text()]
    }
    assert enabled == {"core": False, "core2": True, "core3": False}
    groups = machines(inventory)["all"]["children"]
    assert list(groups["borderscout_core"]["hosts"]) == ["core2"]
    assert list(groups["borderscout_standbys"]["hosts"]) == ["core", "core3"]


def test_on_loopback_each_has_ports_of_its_own(of_three: Path, tmp_path: Path) -> None:
    out = render(load_inventory(of_three), tmp_path / "out", loopback=True)
    ports = json.loads((out / "ports.json").read_text())
    used = [port for name in ("core", "core2", "core3") for port in ports[name].values()]
    assert len(used) == len(set(used)) == 12
    settings = satellite.settings.load_settings(out / "lon1" / "satellite.yaml")
    assert settings.core.standbys == [
        f"127.0.0.1:{ports['core2']['grpc']}",
        f"127.0.0.1:{ports['core3']['grpc']}",
    ]
    second = yaml.safe_load((out / "core2" / "core.yaml").read_text())
    assert second["other_cores"][0]["wireguard_key"] == ""


def test_without_standbys_nothing_is_said_of_them(changed: Changed, tmp_path: Path) -> None:
    out = render(load_inventory(changed()), tmp_path / "out")

    assert "standbys" not in (out / "lon1" / "satellite.yaml").read_text()
    assert "other_cores" not in (out / "core" / "core.yaml").read_text()
    groups = yaml.safe_load((out / "ansible" / "inventory.yaml").read_text())["all"]["children"]
    assert groups["borderscout_standbys"]["hosts"] == {}, "a missing group is warned of"


def test_one_that_went_is_named(of_three: Path, changed: Changed, tmp_path: Path) -> None:
    out = render(load_inventory(of_three), tmp_path / "out")
    assert strangers(load_inventory(of_three), out) == []

    without = load_inventory(changed((OF_THREE, CORE)))
    assert strangers(without, out) == ["core2", "core3"]


def test_an_issuer_that_was_signed_elsewhere_comes_to_each(of_three: Path, tmp_path: Path) -> None:
    inventory = load_inventory(of_three)
    out = render(inventory, tmp_path / "out")
    request, answer = tmp_path / "issuer.csr", tmp_path / "issuer.crt"
    write_request(inventory.cluster, out, request)
    sign_request(request, out, answer, now_us=NOW_US)
    shutil.rmtree(out / "core3")  # not rendered so far

    places, _ = accept_certificate(answer, inventory, out)

    assert places == [out / name / "issuer.crt" for name in ("core", "core2")]
    assert {place.read_bytes() for place in places} == {answer.read_bytes()}


def test_a_revocation_names_each_and_first_the_one_that_runs(
    of_three: Path, changed: Changed, tmp_path: Path
) -> None:
    def told(inventory: Inventory) -> list[str]:
        copies = copies_after(out, "lon1", cores=inventory.core.machines())
        return [copy.machine for copy in copies if copy.to.endswith("/core.yaml")]

    out = render(load_inventory(of_three), tmp_path / "out")
    assert told(load_inventory(of_three)) == ["core", "core2", "core3"]

    moved = OF_THREE.replace(
        "    - {name: core3, public: 192.0.2.99, vpn_address: 10.77.0.3}\n", ""
    )
    inventory = load_inventory(changed((OF_THREE, f"{moved}  runs_on: core2\n")))
    render(inventory, out)
    assert told(inventory) == ["core2", "core"]  # core3 went, and its folder lets the thief in


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("name: core2", "name: lon1", "node 'lon1' stands twice"),
        ("name: core2", "name: ansible", "'ansible' is taken by a rendered file"),
        ("10.77.0.2", "10.77.0.1", "vpn_address 10.77.0.1 is that of core too"),
        ("10.77.0.2", "10.99.0.2", "vpn_address 10.99.0.2 lies outside the VPN"),
        ("192.0.2.99", "192.0.2.10", "public address 192.0.2.10 is that of core3 too"),
        (
            "\n  settings: {claim_wait_s: 5",
            "\n  runs_on: core9\n  settings: {claim_wait_s: 5",
            "core.runs_on 'core9' is none of the core's machines: core, core2, core3",
        ),
        ("claim_wait_s: 7", "grpc: 127.0.0.1:1", "settings.grpc is rendered from"),
        ("claim_wait_s: 7", "claim_wait_s: -1", "claim_wait_s"),
        ("core2.scout.example", "CORE.scout.example.", "public core.scout.example is that of core"),
        (
            "10.77.0.2",
            f"[{', '.join(f'10.77.3.{number}' for number in range(1, 10))}]",
            "vpn_address: 8 may stand there, not 9",
        ),
        (
            "192.0.2.99",
            f"[{', '.join(f'192.0.3.{number}' for number in range(1, 10))}]",
            "public: 8 may stand there, not 9",
        ),
        ("core2.scout.example", "lon1.mx.scout.example", "is a name of a node or of the MX plan"),
    ],
)
def test_what_is_wrong_with_a_standby_is_said_with_its_place(
    changed: Changed, old: str, new: str, complaint: str
) -> None:
    path = changed((CORE, OF_THREE.replace(old, new)))

    said = [str(one) for one in examine(path).errors]
    assert any(complaint in one for one in said), said


def test_a_node_that_has_no_family_in_common_with_a_standby_is_named(changed: Changed) -> None:
    path = changed((CORE, OF_THREE), ("public: 192.0.2.10", 'public: "2001:db8:1::10"'))

    said = [str(one) for one in examine(path).errors]
    assert any(
        "lon1 has IPv6 alone and core3 IPv4: WireGuard cannot connect them; add an address of IPv4"
        " here, or of IPv6 to public of core3" in one
        for one in said
    ), said
