"""Do settings and WireGuard files say what the inventory says?"""

from __future__ import annotations

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
from inventory.render.node import core_settings, satellite_settings, text_of

Golden = Callable[[str, str], None]


def satellite(inventory: Inventory, number: int = 0, *, loopback: bool = False) -> str:
    site, node = inventory.nodes()[number]
    ports = {node.name: {"smtp": 20_000, "metrics": 20_001}} if loopback else None
    settings = satellite_settings(
        inventory,
        site,
        node,
        places=node_places(node, ports),
        links=["10.77.0.1:7443"],
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


@given(text=st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"[-+0-9._exo<=~]+"))
@example(text="0o17")
@example(text="1e3")
@example(text="yes")
@example(text="<<")
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    settings = EngineSettings(name="mine", kind="mine", options={text: [text, text]})

    assert parsed(text_of(settings))["options"] == {text: [text, text]}
