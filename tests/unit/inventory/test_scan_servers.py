"""A scanning server of an inventory is rendered with what it shares, and told where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.documents import preferences_in
from common.preferences import Kind
from common.settings.reading import Source
from inventory.load import examine, load_inventory
from inventory.render.folder import render_folder, strangers
from inventory.render.systemd import UnitRole, unit_text
from satellite.scan_server.settings_file import is_of_scan_server, read_scan_settings

NOW_US = 1_795_500_000_000_000  # in November 2026
LISTENS = {"smtp": {"listen": ["127.0.0.1:10025"]}, "next_hop": "127.0.0.1:10026"}


def with_server(path: Path, *, top: dict[str, Any] | None = None, **said: Any) -> Path:
    """Put a scanning server into an inventory's file, and further keys at its top."""
    tree = Source.read(path).tree
    tree |= {"scan_servers": [{"name": "scan1", "settings": LISTENS} | said]} | (top or {})
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def complaints(path: Path) -> list[str]:
    return [str(one).removeprefix(f"{path}:") for one in examine(path).errors]


def rendered(path: Path, *, loopback: bool = False) -> Path:
    """Return the folder of the server in a rendered cluster."""
    out = path.with_name("out")
    endpoints = render_folder(load_inventory(path), out, loopback=loopback, now_us=NOW_US)
    assert endpoints["scan_servers"] == {"scan1": {"config": "scan1/scan.yaml"}}
    return out / "scan1"


def test_it_reads_what_was_rendered_for_it(small: Path) -> None:
    engines = [{"name": "av", "kind": "clamd", "address": "unix:/run/av"}]
    top = {"engines": engines, "resolver": "192.0.2.53:53"}
    folder = rendered(with_server(small, top=top))

    settings = read_scan_settings(folder / "scan.yaml")

    assert is_of_scan_server(folder / "scan.yaml")
    assert settings.hostname == "scan1.mx.scout.example"
    assert settings.state == "/var/lib/borderscout-scan"
    assert settings.next_hop == "127.0.0.1:10026"
    assert settings.resolver == "192.0.2.53:53"
    assert [(one.name, one.address) for one in settings.engines] == [("av", "unix:/run/av")]
    assert [one.kind for one in settings.filters] == ["lists", "rules"]
    assert settings.preferences == str(folder / "preferences.json")
    assert sorted(path.name for path in folder.iterdir()) == [
        "borderscout-scan.service",
        "preferences.json",
        "scan.yaml",
    ]


def test_its_own_engines_are_weighed_for_it_alone(small: Path) -> None:
    own = [{"name": "av", "kind": "clamd", "address": "unix:/run/av", "required": False}]
    zen = {"name": "zen", "kind": "dnsbl", "zone": "zen.example", "codes": {"127.0.0.2": 4.0}}
    path = with_server(small, engines=own, top={"filters": [zen]})
    folder = rendered(path)

    found = preferences_in(folder / "preferences.json")
    of_core = preferences_in(folder.parent / "core" / "preferences.json")

    assert [(one.kind, one.key) for one in found.documents()] == [
        (Kind.ENGINE, "av"),
        (Kind.FILTER, "zen"),
    ]
    assert not found.engine_is_required("av")
    assert [one.key for one in of_core.documents(Kind.ENGINE)] == ["yara"]


def test_a_file_of_ones_own_says_the_preferences_instead(small: Path) -> None:
    said = LISTENS | {"preferences": "/etc/borderscout/ours.json"}

    settings = read_scan_settings(rendered(with_server(small, settings=said)) / "scan.yaml")

    assert settings.preferences == "/etc/borderscout/ours.json"


def test_on_loopback_its_state_lies_beside_its_settings(small: Path) -> None:
    folder = rendered(with_server(small), loopback=True)

    assert read_scan_settings(folder / "scan.yaml").state == str(folder / "state")


def test_its_unit_waits_for_no_vpn_and_may_write_where_its_state_is() -> None:
    unit = unit_text(UnitRole.SCAN)

    assert "ExecStart=/usr/bin/borderscout scan serve --config /etc/borderscout/scan.yaml" in unit
    assert "borderscout-wireguard" not in unit
    assert "StateDirectory=borderscout-scan\n" in unit
    assert "RuntimeDirectory=borderscout-scan\n" in unit
    assert "Before=postfix.service\n" in unit
    assert "AmbientCapabilities=\n" in unit


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"name": "lon1"}, "node 'lon1' stands twice, first at "),
        ({"name": "core"}, "node 'core' stands twice, first at "),
        ({"name": "mx-1"}, "'mx-1' looks like a name that the MX plan makes; rename it"),
        ({"settings": {}}, "it listens nowhere; write smtp: or milter:"),
        ({"settings": LISTENS | {"queue": "beside"}}, "settings.queue"),
        ({"settings": LISTENS | {"sate": 1}}, "unknown key 'sate'"),
        (
            {"settings": LISTENS | {"hostname": "x.example"}},
            "settings.hostname is rendered from the scan server's name and cluster.mail_domain;"
            " rename it",
        ),
        ({"settings": LISTENS | {"engines": []}}, "settings.engines is rendered from"),
        ({"engines": [{"name": "av", "kind": "clamd"}]}, "has no address; add one"),
        ({"engines": [{"name": "av", "kind": "no-such"}]}, "no-such"),
        ({"place": [1, 2]}, "unknown key 'place'"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_with_its_place(
    small: Path, said: dict[str, Any], complaint: str
) -> None:
    found = complaints(with_server(small, **said))

    assert [complaint in one for one in found] == [True], found


def test_one_that_went_is_named_and_left(small: Path) -> None:
    folder = rendered(with_server(small))
    tree = Source.read(small).tree
    del tree["scan_servers"]
    small.write_text(yaml.safe_dump(tree), encoding="utf-8")

    assert strangers(load_inventory(small), folder.parent) == ["scan1"]
