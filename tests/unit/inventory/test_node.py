"""Do settings, units and WireGuard files say what the inventory says?"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.settings.satellite import EngineSettings
from common.settings.yaml_tree import parse_yaml
from common.wireguard_text import WireGuardPeer, wireguard_text
from inventory.addressing import core_places, node_places
from inventory.load import load_inventory
from inventory.model import Inventory
from inventory.render.firewall import firewall_unit
from inventory.render.node import core_settings, satellite_settings, text_of
from inventory.render.systemd import UnitRole, unit_name, unit_text
from inventory.render.tunnel_units import TUNNEL_UNIT, tunnel_units

Golden = Callable[[str, str], None]


def satellite(inventory: Inventory, number: int = 0, *, loopback: bool = False) -> str:
    site, node = inventory.nodes()[number]
    ports = {node.name: {"smtp": 20_000, "metrics": 20_001}} if loopback else None
    settings = satellite_settings(
        inventory,
        site,
        node,
        places=node_places(node, ports),
        link="10.77.0.1:7443",
        loopback=loopback,
    )
    return text_of(settings)


def parsed(text: str) -> dict[str, object]:
    found: dict[str, object] = parse_yaml(text).value
    return found


def test_a_satellites_settings_are_as_ever(example: Inventory, golden: Golden) -> None:
    golden("satellite.yaml", satellite(example))


def test_the_cores_settings_are_as_ever(example: Inventory, golden: Golden) -> None:
    places = core_places(example.core, None)

    golden("core.yaml", text_of(core_settings(example, places=places, loopback=False)))


def test_the_nearer_number_of_workers_wins(example: Inventory) -> None:
    assert parsed(satellite(example, 0))["workers"] == 2
    assert parsed(satellite(example, 2))["workers"] == 4


def test_where_nobody_says_how_many_workers_a_node_has_two(small: Path) -> None:
    inventory = load_inventory(small)

    assert parsed(satellite(inventory))["workers"] == 2
    assert parsed(satellite(inventory, loopback=True))["workers"] == 1


def test_what_a_filter_weighs_stays_out_of_a_nodes_settings(example: Inventory) -> None:
    filters = parsed(satellite(example))["filters"]

    assert filters == [
        {"name": "lists", "kind": "lists"},
        {"name": "rules", "kind": "rules"},
        {"name": "zen", "kind": "dnsbl"},
    ]


@pytest.mark.usefixtures("packages")
def test_a_profile_is_an_option_of_the_engine(changed: Callable[..., Path]) -> None:
    engines = "engines: [{name: n, kind: icap, profile: eset, address: '127.0.0.1:1344'}]"
    inventory = load_inventory(changed(("capacity: 200", engines)))

    assert parsed(satellite(inventory))["engines"] == [
        {
            "name": "n",
            "kind": "icap",
            "address": "127.0.0.1:1344",
            "options": {"profile": "eset"},
        }
    ]


def test_wireguard_text_is_as_ever(golden: Golden) -> None:
    peer = WireGuardPeer(
        name="core",
        public_key="PUBLIC",
        allowed=("10.77.0.1/32", "2001:db8::1/128"),
        endpoint="core.scout.example:51820",
        keepalive_s=25,
    )
    text = wireguard_text(
        private_key="PRIVATE", vpn_addresses=("10.77.1.1",), port=51_820, peers=[peer, peer]
    )

    golden("wg0.conf", text)


@pytest.mark.parametrize("role", list(UnitRole))
def test_systemd_understands_the_unit(role: UnitRole, tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    path = tmp_path / unit_name(role)
    # The command is installed on a node, not here.
    text = unit_text(role, folders=["/var/lib/clamav", '/a "b"\\c %d'])
    path.write_text(text.replace("/usr/bin/borderscout", "/bin/true"))
    for name, unit in tunnel_units().items():
        (tmp_path / name).write_text(unit.replace("/usr/bin/borderscout", "/bin/true"))

    found = subprocess.run(
        [tool, "verify", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    mine = [line for line in found.stderr.splitlines() if unit_name(role) in line]
    assert mine == []


@pytest.mark.parametrize("name", [*tunnel_units(), firewall_unit()[0]])
def test_systemd_understands_the_units_of_the_tunnel(name: str, tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    for one, unit in (*tunnel_units().items(), firewall_unit()):
        installed = unit.replace("/usr/bin/borderscout", "/bin/true")
        (tmp_path / one).write_text(installed.replace("/usr/sbin/nft", "/bin/true"))

    found = subprocess.run(
        [tool, "verify", str(tmp_path / name)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert [line for line in found.stderr.splitlines() if "borderscout" in line] == []


def test_the_tunnel_stays_when_what_keeps_it_ends() -> None:
    unit = tunnel_units()[TUNNEL_UNIT]

    assert "\nKillMode=process\n" in unit
    assert "ExecStop" not in unit
    assert "\nRestart=always\n" in unit


def test_a_satellite_may_write_where_its_definitions_go() -> None:
    text = unit_text(UnitRole.SATELLITE, folders=["/var/lib/clamav", '/a "b" %d'])

    assert '\nReadWritePaths="-/var/lib/clamav"\n' in text
    assert '\nReadWritePaths="-/a \\"b\\" %%d"\n' in text
    assert unit_text(UnitRole.SATELLITE).count("ReadWritePaths") == 1
    assert "\nReadWritePaths=-/etc/borderscout\n" in unit_text(UnitRole.CORE)
    assert "ReadWritePaths" not in unit_text(UnitRole.SCAN)


@pytest.mark.parametrize("role", list(UnitRole))
def test_a_reload_of_the_unit_is_a_hang_up(role: UnitRole) -> None:
    assert "\nExecReload=/bin/kill -HUP $MAINPID\n" in unit_text(role)


@pytest.mark.parametrize("role", list(UnitRole))
def test_a_unit_is_started_again_for_ever(role: UnitRole) -> None:
    assert "\nRestart=always\n" in unit_text(role)
    assert "\nStartLimitIntervalSec=0\n" in unit_text(role)


def test_only_a_satellite_may_bind_a_low_port() -> None:
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" in unit_text(UnitRole.SATELLITE)
    assert "AmbientCapabilities=\n" in unit_text(UnitRole.CORE)


@given(text=st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"[-+0-9._exo<=~]+"))
@example(text="0o17")
@example(text="1e3")
@example(text="yes")
@example(text="<<")
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    settings = EngineSettings(name="mine", kind="mine", options={text: [text, text]})

    assert parsed(text_of(settings))["options"] == {text: [text, text]}


@pytest.mark.parametrize("role", UnitRole)
def test_no_unit_stands_or_falls_with_the_tunnel(role: UnitRole) -> None:
    unit = unit_text(role)

    assert "Requires=" not in unit
    if role is UnitRole.SATELLITE:
        assert "Wants=borderscout-wireguard.service\n" in unit
        assert "After=network-online.target\n" in unit, "a tunnel may look for a name for minutes"
