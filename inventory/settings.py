"""Which settings does an inventory give to a node, to the core and to a scanning server?

Pure. ``settings:`` says them at the top, at a site and at a node; they are merged key by key, and
the nearest wins. What they may say is declared once, where the programs read it
(``common.settings``); what is worked out from the rest of the inventory is not for them to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from pydantic import BaseModel, ValidationError

from common.settings.core import CoreSettings
from common.settings.reading import what_and_remedy
from common.settings.satellite import SatelliteSettings
from common.settings.scan_server import ScanServerSettings
from inventory.model import CoreMachine, Inventory, Node, Site, Tree
from inventory.raw import Raw, RawComplaint, core_machines, nodes_of

KEY = "settings"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Why a setting is not for ``settings:`` to say.

    Args:
        source: what it is worked out from.
        remedy: what to do instead.
    """

    source: str
    remedy: str


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A setting that the inventory has a key for: the same as ``settings:`` beside that key.

    Args:
        key: in the inventory, from the place that has ``settings:``.
        setting: what it sets.
    """

    key: str
    setting: str


RENDERED_FOR_SATELLITE: Mapping[str, Rendered] = {
    "cluster": Rendered("cluster.name", "change it there"),
    "node": Rendered("the node's name", "change it there"),
    "site": Rendered("the site's name", "change it there"),
    "hostname": Rendered("the node's name and cluster.mail_domain", "change one of them"),
    "mail_domain": Rendered("cluster.mail_domain", "change it there"),
    "state": Rendered(
        "where the unit may write, /var/lib/borderscout", "mount another disk at that folder"
    ),
    "mta_sts": Rendered("cluster.mta_sts", "change it there"),
    "smtp.listen": Rendered("port 25 and the node's public addresses", "change public"),
    "smtp.certificate": Rendered("the cluster's authority", "leave it: rendering renews it"),
    "smtp.key": Rendered("the cluster's authority", "leave it: rendering makes it once"),
    "smtp.rsa_certificate": Rendered("the cluster's authority", "leave it: rendering renews it"),
    "smtp.rsa_key": Rendered("the cluster's authority", "leave it: rendering makes it once"),
    "wireguard": Rendered("the unit that keeps the tunnel", "leave it: that writes there"),
    "metrics": Rendered("the node's first vpn_address", "change vpn_address"),
    "core": Rendered("the inventory's core", "change the key core at its top"),
    "engines": Rendered("the nearest engines", "set engines at the top, the site or the node"),
    "filters": Rendered("the inventory's filters", "set filters at its top"),
}

RENDERED_FOR_CORE: Mapping[str, Rendered] = {
    "cluster": Rendered("cluster.name", "change it there"),
    "name": Rendered("core.name", "change it there"),
    "http": Rendered("the core's first vpn_address", "change vpn_address"),
    "grpc": Rendered("the core's first vpn_address", "change vpn_address"),
    "definitions.listen": Rendered("the core's first vpn_address", "change vpn_address"),
    "join.issuer": Rendered("the cluster's authority", "leave it: rendering renews it"),
    "join.issuer_key": Rendered("the core's folder", "leave it: rendering makes it once"),
    "tls": Rendered("the cluster's authority", "leave it: rendering renews the certificate"),
    "token_file": Rendered("the rendered folder, which has it", "leave it: it is named there"),
    "state": Rendered(
        "where the unit may write, /var/lib/borderscout", "mount another disk at that folder"
    ),
    "mail_domain": Rendered("cluster.mail_domain", "change it there"),
    "nodes": Rendered("the inventory's sites", "set sites"),
    "other_cores": Rendered("core.standbys", "change it there"),
    "wireguard.file": Rendered("the core's folder, which has it", "leave it: it is named there"),
    "wireguard.state": Rendered("the unit that keeps the tunnel", "leave it: that writes there"),
    "first_revision": Rendered("customers, engines and filters", "change those"),
}

RENDERED_FOR_SCAN_SERVER: Mapping[str, Rendered] = {
    "hostname": Rendered("the scan server's name and cluster.mail_domain", "rename it"),
    "state": Rendered(
        "where the unit may write, /var/lib/borderscout-scan", "mount another disk at that folder"
    ),
    "engines": Rendered("the nearest engines", "set engines at the scan server or at the top"),
    "filters": Rendered("the inventory's filters", "set filters at its top"),
}

TOP_KEYS = (
    OwnKey("workers", "workers"),
    OwnKey("cluster.postmaster", "postmaster"),
    OwnKey("resolver", "resolver"),
    OwnKey("cluster.smarthost", "delivery.smarthost"),
)
NEARER_KEYS = (OwnKey("workers", "workers"),)


def said_of_satellite(inventory: Inventory, site: Site, node: Node) -> Tree:
    """Return the settings that the inventory says of a node: its own, its site's, all nodes'."""
    said = _said(inventory, TOP_KEYS)
    for nearer in (site, node):
        said = merged(said, _said(nearer, NEARER_KEYS))
    return said


def said_of_core(inventory: Inventory, machine: CoreMachine) -> Tree:
    """Return the settings that the inventory says of the core on one of its machines."""
    return merged(inventory.core.settings, machine.settings)


def merged(below: Tree, above: Tree) -> Tree:
    """Return two trees of settings as one; where both say something, ``above`` wins."""
    found = dict(below)
    for key, value in above.items():
        under = found.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            found[key] = merged(under, value)
        else:
            found[key] = value
    return found


def _said(holder: Inventory | Site | Node, own_keys: tuple[OwnKey, ...]) -> Tree:
    """Return what one place says, in ``settings:`` and in keys of their own."""
    said: Tree = {}
    for own in own_keys:
        value = attrgetter(own.key)(holder)
        if value is not None:
            said = merged(said, _tree(own.setting, value))
    return merged(said, holder.settings)


def _tree(setting: str, value: object) -> Tree:
    """Return one setting as a tree of its own."""
    first, _, rest = setting.partition(".")
    return {first: _tree(rest, value) if rest else value}


def check_settings(main: Raw) -> Iterator[RawComplaint]:
    """Yield all that is wrong with the settings of an inventory."""
    yield from _faults(main, TOP_KEYS, SatelliteSettings, RENDERED_FOR_SATELLITE)
    nearer = [*main.items("sites"), *(node for _, node in nodes_of(main))]
    for holder in nearer:
        yield from _faults(holder, NEARER_KEYS, SatelliteSettings, RENDERED_FOR_SATELLITE)
    for machine in core_machines(main):
        yield from _faults(machine, (), CoreSettings, RENDERED_FOR_CORE)
    for server in main.items("scan_servers"):
        yield from _faults(server, (), ScanServerSettings, RENDERED_FOR_SCAN_SERVER)


def _faults(
    holder: Raw,
    own_keys: tuple[OwnKey, ...],
    declared: type[BaseModel],
    rendered: Mapping[str, Rendered],
) -> Iterator[RawComplaint]:
    said = holder.get(KEY)
    if not isinstance(said.value, dict):
        return
    for key, why in rendered.items():
        at = _at(said, key)
        if at is not None:
            yield RawComplaint(at, f"{KEY}.{key} is rendered from {why.source}", why.remedy)
    for own in own_keys:
        at = _at(said, own.setting)
        if at is not None and _at(holder, own.key) is not None:
            yield RawComplaint(at, f"{KEY}.{own.setting} is {own.key} once more", "remove one")
    yield from _refused(said, declared, rendered)


def _refused(
    said: Raw, declared: type[BaseModel], rendered: Mapping[str, Rendered]
) -> Iterator[RawComplaint]:
    """Yield what the declaration refuses, of what is not to be rendered anyway."""
    try:
        declared.model_validate(said.value)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            if not _is_rendered(item["loc"], item["type"], rendered):
                at = Raw(said.file, (*said.path, *item["loc"]), None)
                yield RawComplaint(at, *what_and_remedy(item, below=(KEY,)))


def _is_rendered(place: tuple[str | int, ...], fault: str, keys: Mapping[str, Rendered]) -> bool:
    """Whether a fault is of a rendered key, or that the mapping of rendered keys is missing."""
    key = ".".join(str(step) for step in place)
    return any(
        f"{key}.".startswith(f"{one}.") or (fault == "missing" and one.startswith(f"{key}."))
        for one in keys
    )


def _at(holder: Raw, key: str) -> Raw | None:
    """Return what stands under a dotted key, or None."""
    for step in key.split("."):
        if not isinstance(holder.value, dict) or step not in holder.value:
            return None
        holder = holder.get(step)
    return holder
