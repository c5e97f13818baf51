"""Can an inventory say every setting of a node and of the core, and is what it says wrong told?"""

from __future__ import annotations

import stat
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import model_validator
from pydantic_core import PydanticUndefined

import core.settings
import satellite.settings
from common.settings.core import CoreSettings
from common.settings.reading import Source
from common.settings.satellite import MtaStsSettings, SatelliteSettings
from common.settings.values import Settings
from docs.generate.settings import Key, keys_of
from inventory.addressing import core_places, node_places
from inventory.load import examine, load_inventory
from inventory.render.folder import render_folder
from inventory.render.node import core_settings, satellite_settings, text_of
from inventory.settings import RENDERED_FOR_CORE, RENDERED_FOR_SATELLITE, merged

NOW_US = 1_795_500_000_000_000  # in November 2026

Change = Callable[..., Path]
Tree = dict[str, Any]
Holder = Callable[[Tree], Tree]

PLACES: dict[str, Holder] = {
    "top": lambda tree: tree,
    "site": lambda tree: tree["sites"][0],
    "node": lambda tree: tree["sites"][0]["nodes"][0],
}
TEXTS = {
    "resolver": "192.0.2.53:53",
    "postmaster": "ops@scout.example",
    "delivery.smarthost": "relay.scout.example:25",
    "delivery.authorities": "/etc/ssl/ours.pem",
    "smtp.rsa_certificate": "/etc/ssl/rsa.pem",
    "smtp.rsa_key": "/etc/ssl/rsa.key",
    "definitions.clamd": "/opt/clamav/sbin/clamd",
    "join.listen": "192.0.2.1:7445",
    "definitions.gate": "none",
    "definitions.mirror": "/srv/cvdupdate",
    "definitions.samples": "/srv/harmless",
    "definitions.freshclam.proxy": "proxy.scout.example:3128",
    "definitions.freshclam.program": "/opt/clamav/bin/freshclam",
    "database": "postgresql+psycopg://scout:secret@192.0.2.5/scout",
}
LISTS = {
    "join.public": ["core.scout.example:7445"],
    "retention.bodies_days_by_reason": {"spam": 14, "virus": 60},
    "definitions.freshclam.mirrors": ["https://db.example"],
    "definitions.freshclam.private_mirrors": ["http://192.0.2.9:8080"],
    "definitions.freshclam.custom_urls": ["https://db.example/own.hdb"],
}
ENGINE: Tree = {
    "name": "av",
    "kind": "clamd",
    "address": "unix:/run/av",
    "connect_timeout_s": 2.5,
    "timeout_s": 7.5,
    "timeout_s_per_mib": 0.5,
    "tries": 3,
    "total_timeout_s": 77.0,
    "bytes_max": 4096,
    "cache": False,
    "options": {"sessions_max": 3},
}
FILTER: Tree = {
    "name": "tint",
    "kind": "colour",
    "address": "192.0.2.7:99",
    "timeout_s": 1.5,
    "options": {"colour": "red"},
}

DEFINITIONS: Tree = {
    "family": "clamav",
    "engine": "clamav",
    "folder": "/var/lib/clamav",
    "address": "mirror.scout.example:7443",
    "load_s": 60.0,
    "memory_factor": 0.0,
}
CLIENT: Tree = {"network": "192.0.2.0/24", "bare_newlines": "normalise"}


def complaints(path: Path) -> list[str]:
    """Return errors, without the file's name."""
    return [str(one).removeprefix(f"{path}:") for one in examine(path).errors]


def rewritten(path: Path, change: Callable[[Tree], None]) -> Path:
    """Change the tree of an inventory's file."""
    tree = Source.read(path).tree
    change(tree)
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def said(path: Path, place: str, settings: Tree) -> Path:
    """Put settings into one place of an inventory's file."""

    def put(tree: Tree) -> None:
        holder = PLACES[place](tree)
        holder["settings"] = merged(holder.get("settings", {}), settings)

    return rewritten(path, put)


def said_of_core(path: Path, settings: Tree) -> Path:
    return rewritten(path, lambda tree: tree["core"].update(settings=settings))


def node_of(path: Path, *, number: int = 0) -> SatelliteSettings:
    """Return what a node reads of an inventory, without the other files of its folder."""
    inventory = load_inventory(path)
    site, node = inventory.nodes()[number]
    rendered = satellite_settings(
        inventory,
        site,
        node,
        places=node_places(node, None),
        links=[core_places(inventory.core, None).grpc],
        loopback=False,
    )
    file = path.with_name("satellite.yaml")
    file.write_text(text_of(rendered), encoding="utf-8")
    return satellite.settings.load_settings(file)


def core_of(path: Path) -> CoreSettings:
    """Return what the core reads of an inventory, likewise."""
    inventory = load_inventory(path)
    places = core_places(inventory.core, None)
    file = path.with_name("core.yaml")
    rendered = core_settings(inventory, places=places, loopback=False)
    file.write_text(text_of(rendered), encoding="utf-8")
    return core.settings.load_settings(file)


def found(settings: Settings, key: Key) -> object:
    value: object = settings
    for step in key.path:
        value = getattr(value, step)
    return value


def tree_of(key: Key, value: object) -> Tree:
    for step in reversed(key.path):
        value = {step: value}
    assert isinstance(value, dict)
    return value


def another(key: Key) -> object:
    """Return a value that is neither the default nor what rendering gives without being told."""
    default = key.default
    if key.name in TEXTS:
        return TEXTS[key.name]
    if key.name in LISTS:
        return LISTS[key.name]
    if isinstance(default, bool):
        return not default
    if isinstance(default, float):
        return default / 2
    assert isinstance(default, int), f"say in TEXTS what {key.name} may be"
    return default + 2 if default + 2 <= key.schema.get("maximum", default + 2) else default - 2


def is_rendered(key: Key, rendered: object) -> bool:
    assert isinstance(rendered, dict)
    return any(f"{key.name}.".startswith(f"{one}.") for one in rendered)


OF_SATELLITE = keys_of(SatelliteSettings)
OF_CORE = keys_of(CoreSettings)
IN_SETTINGS = [key for key in OF_SATELLITE if not is_rendered(key, RENDERED_FOR_SATELLITE)]
OWN_LISTS = (("smtp", "clients"), ("definitions",))  # of which an item has keys of its own
SAID = [key for key in IN_SETTINGS if key.path[:-1] not in OWN_LISTS]
SAID_OF_CORE = [key for key in OF_CORE if not is_rendered(key, RENDERED_FOR_CORE)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", SAID, ids=lambda key: key.name)
def test_a_setting_of_a_node_is_said_at_any_place(
    small: Path, tmp_path: Path, key: Key, place: str
) -> None:
    value = another(key)

    settings = node_of(said(small, place, tree_of(key, value)))

    assert value != key.default
    assert found(settings, key) == value


@pytest.mark.parametrize("key", SAID_OF_CORE, ids=lambda key: key.name)
def test_a_setting_of_the_core_is_said_there(small: Path, tmp_path: Path, key: Key) -> None:
    value = another(key)

    settings = core_of(said_of_core(small, tree_of(key, value)))

    assert value != key.default
    assert found(settings, key) == value


@pytest.mark.parametrize("loopback", [True, False])
def test_what_a_rendered_folder_has_is_what_the_inventory_says(
    small: Path, tmp_path: Path, loopback: bool
) -> None:
    together = [key for key in SAID_OF_CORE if key.name != "definitions.mirror"]  # or freshclam
    said(small, "site", reduce(merged, (tree_of(key, another(key)) for key in SAID)))
    said_of_core(small, reduce(merged, (tree_of(key, another(key)) for key in together)))

    render_folder(load_inventory(small), tmp_path / "out", loopback=loopback, now_us=NOW_US)
    of_node = satellite.settings.load_settings(tmp_path / "out" / "lon1" / "satellite.yaml")
    of_core = core.settings.load_settings(tmp_path / "out" / "core" / "core.yaml")

    assert [found(of_node, key) for key in SAID] == [another(key) for key in SAID]
    assert [found(of_core, key) for key in together] == [another(key) for key in together]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("field", [key for key in ENGINE if key not in ("name", "kind")])
def test_every_field_of_an_engine_is_said_in_its_list(
    small: Path, tmp_path: Path, field: str, place: str
) -> None:
    rewritten(small, lambda tree: PLACES[place](tree).update(engines=[ENGINE]))

    (engine,) = node_of(small).engines

    assert getattr(engine, field) == ENGINE[field]


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("field", [key for key in FILTER if key not in ("name", "kind")])
def test_every_field_of_a_filter_is_said_in_its_list(
    small: Path, tmp_path: Path, field: str
) -> None:
    rewritten(small, lambda tree: tree.update(filters=[FILTER]))

    (mine,) = (one for one in node_of(small).filters if one.kind == "colour")

    assert getattr(mine, field) == FILTER[field]


@pytest.mark.parametrize("place", PLACES)
def test_clients_are_said_in_the_settings(small: Path, tmp_path: Path, place: str) -> None:
    (client,) = node_of(said(small, place, {"smtp": {"clients": [CLIENT]}})).smtp.clients

    assert client.model_dump() == CLIENT


@pytest.mark.parametrize("place", PLACES)
def test_definitions_are_said_in_the_settings(small: Path, tmp_path: Path, place: str) -> None:
    with small.open("a") as file:
        file.write("engines: [{name: clamav, kind: clamd, address: 'unix:/run/c'}]\n")
    (one,) = node_of(said(small, place, {"definitions": [DEFINITIONS]})).definitions

    assert one.model_dump() == DEFINITIONS
    render_folder(load_inventory(small), tmp_path / "out", loopback=False, now_us=NOW_US)
    unit = (tmp_path / "out" / "lon1" / "borderscout-satellite.service").read_text()
    assert 'ReadWritePaths="-/var/lib/clamav"' in unit


def test_the_tables_above_leave_no_key_out() -> None:
    in_lists = {key.name for key in OF_SATELLITE if key.path[0] in ("engines", "filters")}

    assert in_lists == {f"engines.{key}" for key in ENGINE} | {f"filters.{key}" for key in FILTER}
    of_lists = {key.path[-1] for key in IN_SETTINGS if key not in SAID}
    assert of_lists == CLIENT.keys() | DEFINITIONS.keys()
    assert len(SAID) > 30
    assert {key.name for key in SAID_OF_CORE} >= {"database", "bookmark_s", "claim_wait_s"}


def test_what_settings_cannot_say_is_what_the_inventory_says_elsewhere(small: Path) -> None:
    """A short list. A new setting is not on it, unless it is worked out from the inventory."""

    def is_refused(path: Path) -> bool:
        return any("is rendered from" in line for line in complaints(path))

    original = small.read_bytes()
    unsaid: set[str] = set()
    unsaid_of_core: set[str] = set()
    for key in OF_SATELLITE:
        if is_refused(said(small, "top", tree_of(key, "x"))):
            unsaid.add(key.name)
        small.write_bytes(original)
    for key in OF_CORE:
        if is_refused(said_of_core(small, tree_of(key, "x"))):
            unsaid_of_core.add(key.name)
        small.write_bytes(original)

    assert unsaid == {
        "cluster",  # who it is
        "node",
        "site",
        "hostname",
        "mail_domain",
        "state",  # what the unit may write
        "smtp.listen",  # where it is reached, and by whom it is believed
        "smtp.certificate",
        "smtp.key",
        "smtp.rsa_certificate",
        "smtp.rsa_key",
        "metrics",
        *(f"mta_sts.{key}" for key in MtaStsSettings.model_fields),
        "wireguard.state",
        "core.address",
        "core.standbys",
        "core.name",
        "core.certificate",
        "core.key",
        "core.authority",
        *(f"engines.{key}" for key in ENGINE),  # lists of their own, with all these keys
        *(f"filters.{key}" for key in FILTER),
    }
    assert unsaid_of_core == {
        "cluster",  # who it is
        "name",
        "state",  # what the unit may write
        "http",  # where it is reached, and by whom it is believed
        "grpc",
        "definitions.listen",
        "join.issuer",  # which the rendered folder has
        "join.issuer_key",
        "wireguard.file",
        "nodes.vpn_addresses",
        "other_cores.name",
        "other_cores.link",
        "other_cores.vpn_addresses",
        "other_cores.tunnel",
        "other_cores.wireguard_key",
        "tls.certificate",
        "tls.key",
        "tls.authority",
        "token_file",
        "nodes.name",  # lists of their own
        "nodes.site",
        "nodes.addresses",
        "nodes.certificates",
        "mail_domain",
        "first_revision",
        "wireguard.state",
    }


def test_every_setting_that_is_needed_is_rendered() -> None:
    """A place says few of them, so that a missing one is no complaint there."""
    for keys, rendered in ((OF_SATELLITE, RENDERED_FOR_SATELLITE), (OF_CORE, RENDERED_FOR_CORE)):
        needed = [key for key in keys if key.default is PydanticUndefined]
        assert needed
        # What an item of a list needs is not needed where there is none.
        assert all(is_rendered(key, rendered) or key.path[:-1] in OWN_LISTS for key in needed)


def test_places_are_merged_key_by_key_and_the_nearest_wins(small: Path, tmp_path: Path) -> None:
    said(small, "top", {"smtp": {"errors_max": 1, "commands_max": 11}, "workers": 3})
    said(small, "site", {"smtp": {"errors_max": 2, "recipients_max": 102}})
    said(small, "node", {"smtp": {"errors_max": 3}})

    settings = node_of(small)

    smtp = settings.smtp
    assert (smtp.errors_max, smtp.recipients_max, smtp.commands_max) == (3, 102, 11)
    assert settings.workers == 3
    other = node_of(small, number=1)
    assert (other.smtp.errors_max, other.smtp.recipients_max) == (1, 1000)


def test_a_key_of_its_own_is_as_near_as_the_settings_beside_it(changed: Change) -> None:
    path = changed(
        ("cluster: {", "resolver: 127.0.0.1:53\nworkers: 3\ncluster: {"),
        ("vpn: 10", "postmaster: a@scout.example, smarthost: 'r.scout.example:25', vpn: 10"),
    )
    nearer: Tree = {
        "workers": 5,
        "resolver": "127.0.0.2:53",
        "postmaster": "b@scout.example",
        "delivery": {"smarthost": ""},
    }
    said(path, "site", nearer)

    settings = node_of(path)

    assert (settings.workers, settings.resolver) == (5, "127.0.0.2:53")
    assert (settings.postmaster, settings.delivery.smarthost) == ("b@scout.example", "")
    other = node_of(path, number=1)
    assert (other.workers, other.delivery.smarthost) == (3, "r.scout.example:25")


def test_one_setting_said_twice_in_one_place_is_a_complaint(changed: Change) -> None:
    path = changed(
        (
            "cluster: {name: example, ",
            "workers: 3\nresolver: 127.0.0.1:53\n"
            "settings: {workers: 3, resolver: '127.0.0.1:53', postmaster: a@b.example,\n"
            "  delivery: {smarthost: 'r.example:25'}}\n"
            "cluster: {postmaster: a@b.example, smarthost: 'r.example:25', name: example, ",
        ),
        ("vpn_address: 10.77.1.1", "workers: 1, settings: {workers: 2}, vpn_address: 10.77.1.1"),
    )

    assert complaints(path) == [
        "3:12: settings.workers is workers once more; remove one",
        "3:24: settings.resolver is resolver once more; remove one",
        "3:50: settings.postmaster is cluster.postmaster once more; remove one",
        "4:14: settings.delivery.smarthost is cluster.smarthost once more; remove one",
        "12:65: settings.workers is workers once more; remove one",
    ]


def test_a_wrong_setting_is_told_at_its_key_wherever_it_stands(changed: Change) -> None:
    path = changed(
        ("cluster: {", "settings:\n  smtp:\n    errors_max: 0\n    colour: red\ncluster: {"),
        ("capacity: 200", "settings: {smtp: 5, limits: {held_share_max: 2}, node: x}"),
        ("vpn_address: 10.77.1.1", "settings: {resolver: here}, vpn_address: 10.77.1.1"),
        (
            "vpn_address: 10.77.0.1",
            "settings: {bookmark_s: .inf, tls: {key: k}}, vpn_address: 10.77.0.1",
        ),
    )

    assert complaints(path) == [
        "3:5: settings.smtp.errors_max: input should be greater than or equal to 1, not 0; "
        "correct the value",
        "4:5: unknown key 'colour'; remove it or correct its spelling",
        "6:59: settings.bookmark_s: input should be a finite number, not inf; correct the value",
        "6:77: settings.tls is rendered from the cluster's authority; "
        "leave it: rendering renews the certificate",
        "10:16: settings.smtp: input should be a mapping, not 5; correct the value",
        "10:34: settings.limits.held_share_max: input should be less than or equal to 1, not 2; "
        "correct the value",
        "10:54: settings.node is rendered from the node's name; change it there",
        "12:53: settings.resolver: 'here' is no resolver; write ADDRESS:PORT, such as 127.0.0.1:53",
    ]


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("5", "input should be a mapping, not 5"),
        ("", "input should be a mapping, not None"),
        ("{smtp: }", "settings.smtp: input should be a mapping, not None"),
        ("{smtp: {listen: }}", "settings.smtp.listen is rendered from port 25"),
        ("{engines: [], filters: 1}", "settings.engines is rendered from the nearest engines"),
        ("{1: 2}", "unknown key '1'"),
        ("{smtp: {command_timeout_s: .nan}}", "settings.smtp.command_timeout_s: input should be a"),
        (
            "{delivery: {first_wait_s: 1.0e+300}}",
            "settings.delivery.first_wait_s: input should be less than or equal to 2592000, not",
        ),
        ("{smtp: {errors_max: 2020-01-01}}", "settings.smtp.errors_max: input should be a valid"),
    ],
)
def test_settings_of_any_shape_are_told_and_break_nothing(
    changed: Change, written: str, complaint: str
) -> None:
    path = changed(("cluster: {", f"settings: {written}\ncluster: {{"))

    first, *_ = complaints(path)

    assert first.startswith("1:"), first
    assert complaint in first


def test_a_wrong_setting_hides_no_complaint_about_anything_else(changed: Change) -> None:
    path = changed(
        ("cluster: {", "settings: {workers: 99}\ncluster: {"),
        ("10.77.2.1", "10.77.1.1"),
        ("capacity: 200", "capacity: no"),
    )

    assert [line.split(":")[0] for line in complaints(path)] == ["1", "7", "13"]


def test_settings_that_are_wrong_together_are_told_at_their_node(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Related(SatelliteSettings):
        @model_validator(mode="after")
        def _fits(self) -> Related:
            if self.smtp.line_bytes_max > self.smtp.message_bytes_max:
                raise ValueError("a line is longer than a message; correct one")
            return self

    monkeypatch.setattr("inventory.render.node.SatelliteSettings", Related)
    said(small, "top", {"smtp": {"line_bytes_max": 100_000}})
    said(small, "node", {"smtp": {"message_bytes_max": 70_000}})

    (line,) = complaints(small)

    assert line.endswith(": settings: a line is longer than a message; correct one")
    assert "- name: lon1" in small.read_text().splitlines()[int(line.split(":")[0]) - 1]


def test_a_database_that_may_have_a_password_is_nobody_elses_to_read(
    small: Path, tmp_path: Path
) -> None:
    def mode() -> int:
        render_folder(load_inventory(small), tmp_path / "out", loopback=False, now_us=NOW_US)
        return stat.S_IMODE((tmp_path / "out" / "core" / "core.yaml").stat().st_mode)

    assert mode() == 0o644

    said_of_core(small, {"database": TEXTS["database"]})
    assert mode() == 0o600
