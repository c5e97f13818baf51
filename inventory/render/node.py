"""What stands in ``core.yaml``, ``satellite.yaml`` and ``scan.yaml``?

Pure. What is written is the typed settings of the program that reads it. Paths in them are taken
from the folder that the file stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from common.settings.core import CoreSettings, OtherCore
from common.settings.satellite import EngineSettings, FilterSettings, SatelliteSettings
from common.settings.scan_server import ScanServerSettings
from common.settings.settings_text import tree_of, yaml_text
from common.settings.tunnel import TOLD_FILE
from common.settings.values import Settings
from inventory.addressing import CorePlaces, NodePlaces
from inventory.identities import machine_host, node_host
from inventory.model import (
    Cluster,
    CoreMachine,
    EngineEntry,
    FilterEntry,
    Inventory,
    MtaSts,
    Node,
    ScanServerEntry,
    Site,
    Tree,
)
from inventory.mx.names import sts_hosts
from inventory.render.systemd import STATE_FOLDERS, UnitRole
from inventory.settings import merged, said_of_core, said_of_satellite

TLS = "tls"  # the folder of certificates and keys
PREFERENCES_FILE = "preferences.json"
LOOPBACK_STATE = "state"
WIREGUARD_FILE = "wg0.conf"

# How many workers are best is known on the node alone, which has to be counted there; a rendering
# that looked at this machine's processors would differ from one machine to the next. Two are right
# for the small machine, and `workers:` says better.
WORKERS = 2
LOOPBACK_WORKERS = 1  # all nodes share this machine


def satellite_settings(
    inventory: Inventory,
    site: Site,
    node: Node,
    *,
    places: NodePlaces,
    links: Sequence[str],
    loopback: bool,
) -> SatelliteSettings:
    """Return a satellite's settings.

    Args:
        places: where it listens.
        links: where the core takes links, HOST:PORT, on each of its machines.
    """
    cluster = inventory.cluster
    rendered: Tree = {
        "cluster": cluster.name,
        "node": node.name,
        "site": site.name,
        "hostname": node_host(cluster, node),
        "mail_domain": cluster.mail_domain,
        "workers": LOOPBACK_WORKERS if loopback else WORKERS,
        "state": LOOPBACK_STATE if loopback else STATE_FOLDERS[UnitRole.SATELLITE],
        "smtp": {
            "listen": list(places.listen),
            "certificate": f"{TLS}/smtp.crt",
            "key": f"{TLS}/smtp.key",
            "rsa_certificate": f"{TLS}/smtp-rsa.crt",
            "rsa_key": f"{TLS}/smtp-rsa.key",
        },
        "metrics": places.metrics,
        "core": {
            "address": links[0],
            **({"standbys": list(links[1:])} if links[1:] else {}),
            "name": inventory.core.name,
            "certificate": f"{TLS}/node.crt",
            "key": f"{TLS}/node.key",
            "authority": f"{TLS}/authority.crt",
        },
        **({} if loopback else {"wireguard": {"state": TOLD_FILE}}),
        "engines": [_engine(engine) for engine in inventory.engines_of(site, node)],
        "filters": [_filter(item) for item in inventory.all_filters()],
    }
    if cluster.mta_sts is not None and places.policies:
        rendered["mta_sts"] = _mta_sts(cluster, cluster.mta_sts, places)
        if cluster.mta_sts.smtp_certificate is not None and not loopback:
            rendered["smtp"] = {
                "listen": list(places.listen),
                "certificate": cluster.mta_sts.smtp_certificate,
                "key": cluster.mta_sts.smtp_key,
            }
    said = said_of_satellite(inventory, site, node)
    return SatelliteSettings.model_validate(merged(rendered, said))


def _mta_sts(cluster: Cluster, policy: MtaSts, places: NodePlaces) -> Tree:
    return {
        "listen": list(places.policies),
        "certificates": policy.certificates,
        "mode": policy.mode,
        "max_age_s": policy.max_age_s,
        "hosts": sts_hosts(cluster),
    }


def core_settings(
    inventory: Inventory,
    *,
    places: CorePlaces,
    loopback: bool,
    machine: CoreMachine | None = None,
    others: Sequence[OtherCore] = (),
    doors: Sequence[str] = (),
    certificates: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> CoreSettings:
    """Return the core's settings on one of its machines.

    Args:
        places: where it listens.
        machine: the one; None: its own.
        others: its other machines.
        doors: where nodes join, at whichever of them; none: at this one.
        certificates: the serial numbers that are let in, by node.
    """
    rendered: Tree = {
        "cluster": inventory.cluster.name,
        "name": inventory.core.name,
        "http": places.http,
        "grpc": places.grpc,
        "definitions": {"listen": places.definitions},
        "join": {"listen": places.join, "public": list(doors or places.join_public)},
        "wireguard": {"file": WIREGUARD_FILE, **({} if loopback else {"state": TOLD_FILE})},
        "tls": {
            "certificate": f"{TLS}/node.crt",
            "key": f"{TLS}/node.key",
            "authority": f"{TLS}/authority.crt",
        },
        "state": LOOPBACK_STATE if loopback else STATE_FOLDERS[UnitRole.CORE],
        "mail_domain": inventory.cluster.mail_domain,
        "nodes": [
            {
                "name": node.name,
                "site": site.name,
                "addresses": [*node.public, *node.vpn_address],
                "vpn_addresses": list(node.vpn_address),
                **({"certificates": list(named)} if (named := certificates.get(node.name)) else {}),
            }
            for site, node in inventory.nodes()
        ],
    }
    if others:
        rendered["other_cores"] = [tree_of(one) for one in others]
    said = said_of_core(inventory, machine or inventory.core)
    return CoreSettings.model_validate(merged(rendered, said))


def scan_server_settings(
    inventory: Inventory, server: ScanServerEntry, *, loopback: bool
) -> ScanServerSettings:
    """Return a scanning server's settings; where it listens its own ``settings:`` say."""
    rendered: Tree = {
        "hostname": machine_host(inventory.cluster, server.name),
        "state": LOOPBACK_STATE if loopback else STATE_FOLDERS[UnitRole.SCAN],
        "preferences": PREFERENCES_FILE,
        "engines": [_engine(engine) for engine in inventory.engines_of_scan_server(server)],
        "filters": [_filter(item) for item in inventory.all_filters()],
    }
    if inventory.resolver is not None:
        rendered["resolver"] = inventory.resolver
    return ScanServerSettings.model_validate(merged(rendered, server.settings))


def text_of(settings: Settings) -> str:
    """Return the file that gives these settings; what nobody said is left out."""
    return yaml_text(tree_of(settings))


def _engine(engine: EngineEntry) -> Tree:
    """Return an engine's settings, as far as the inventory says them."""
    found = _settings_of(engine, EngineSettings)
    if engine.profile is not None:
        found["options"] = {**engine.options, "profile": engine.profile}
    return found


def _filter(item: FilterEntry) -> Tree:
    """Return a filter's settings; what it weighs comes from the core."""
    found = _settings_of(item, FilterSettings)
    if item.is_document:
        found.pop("options", None)
    return found


def _settings_of(entry: EngineEntry | FilterEntry, declared: type[Settings]) -> Tree:
    return entry.model_dump(mode="json", include=set(declared.model_fields), exclude_unset=True)
