"""What does each key of an inventory mean, in an editor?

Pure. One line for each, and an example; docs/inventory.md says more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class KeyText(NamedTuple):
    """What an editor shows of a key: its meaning, and an example if one helps."""

    meaning: str
    example: Any = None


_SETTINGS = "Any other setting, by the names in docs/settings.md; the nearest wins."
_ENGINES = "The nearest list wins as a whole: node, site, top; without any, yara alone."
_WORKERS = "Satellite processes on a node, 1 to 8; best is one per processor core."

_ASKED = {
    "name": KeyText("One word, by which it is known in settings and verdicts."),
    "kind": KeyText("A kind that is installed: docs/engines.md, docs/filters.md."),
    "address": KeyText("Where its server listens: HOST:PORT or unix:/PATH.", "127.0.0.1:3310"),
    "timeout_s": KeyText("Seconds for one try of a message."),
    "options": KeyText("What its kind may be told."),
}

TEXTS: Mapping[str, Mapping[str, KeyText]] = {
    "Inventory": {
        "cluster": KeyText("What all nodes share."),
        "core": KeyText("The core: where it is, and its settings."),
        "sites": KeyText("Places with satellites, or files of them.", ["sites/london.yaml"]),
        "customers": KeyText("Customers, or files of them, YAML or CSV.", ["customers.csv"]),
        "resolver": KeyText("The validating resolver on each node.", "127.0.0.1:53"),
        "workers": KeyText(_WORKERS, 2),
        "settings": KeyText(_SETTINGS),
        "engines": KeyText(_ENGINES, [{"name": "yara", "kind": "yara"}]),
        "filters": KeyText("Spam tests beside those that are always there."),
        "scan_servers": KeyText("Our engines beside somebody else's mail server."),
    },
    "Cluster": {
        "name": KeyText("One word for the whole cluster.", "example"),
        "mail_domain": KeyText("Our own names: banners, bounces, MX.", "mx.scout.example"),
        "vpn": KeyText("WireGuard's network, one or a list.", "10.77.0.0/16"),
        "vpn_port": KeyText("WireGuard's UDP port, the same on every node.", 51820),
        "postmaster": KeyText("Who gets mail for postmaster.", "postmaster@scout.example"),
        "smarthost": KeyText("HOST:PORT for our own bounces.", "relay.scout.example:25"),
        "mta_sts": KeyText("What the customers' MTA-STS policies say (RFC 8461)."),
        "tls_reports": KeyText("Who gets the reports of senders on TLS (RFC 8460)."),
    },
    "Core": {
        "name": KeyText("One word.", "core"),
        "public": KeyText("Addresses or a host name, for WireGuard.", "core.scout.example"),
        "vpn_address": KeyText("One or a list, from cluster.vpn.", "10.77.0.1"),
        "settings": KeyText("Settings of the core, by the names in docs/settings.md."),
        "standbys": KeyText("Machines that can become the core: docs/operating/standby.md."),
        "runs_on": KeyText("The machine on which the core runs; left out: its own.", "core2"),
    },
    "CoreMachine": {
        "name": KeyText("One word, also the name of its folder.", "core2"),
        "public": KeyText("Addresses or a host name, for WireGuard.", "core2.scout.example"),
        "vpn_address": KeyText("One or a list, from cluster.vpn.", "10.77.0.2"),
        "settings": KeyText("What is other there than in the core's settings."),
    },
    "Site": {
        "name": KeyText("One word, at most 60 characters: its name in DNS is mx-SITE.", "london"),
        "location": KeyText("Degrees north, degrees east.", [51.5072, -0.1276]),
        "capacity": KeyText("Messages per second, the whole site.", 200),
        "state": KeyText("active; drain: in no MX, still takes mail; off.", "active"),
        "region": KeyText("A word that domains may name under regions.", "eu"),
        "nodes": KeyText("Its satellites, behind one MX name."),
        "workers": KeyText(_WORKERS, 2),
        "settings": KeyText(_SETTINGS),
        "engines": KeyText(_ENGINES),
    },
    "Node": {
        "name": KeyText("One word, also the name of its folder.", "lon1"),
        "public": KeyText("Addresses that the world sees, one or a list.", "192.0.2.10"),
        "vpn_address": KeyText("One or a list, from cluster.vpn.", "10.77.1.1"),
        "workers": KeyText(_WORKERS, 2),
        "settings": KeyText(_SETTINGS),
        "engines": KeyText(_ENGINES),
    },
    "EngineEntry": _ASKED
    | {
        "profile": KeyText("The same as options: {profile: ...}."),
        "timeout_s_per_mib": KeyText("Seconds more for each whole MiB."),
        "tries": KeyText("How often it is asked when it gives no answer."),
        "total_timeout_s": KeyText("Seconds for all tries together."),
        "connect_timeout_s": KeyText("Seconds until its server accepts a connection."),
        "bytes_max": KeyText("Larger mail is not shown to it."),
        "cache": KeyText("false: each message is scanned, however often it was."),
        "required": KeyText("false: its silence is noted, and holds nothing up."),
        "definitions_age_max_h": KeyText("Hours after which definitions are stale; 0: never."),
    },
    "FilterEntry": _ASKED
    | {
        "enabled": KeyText("false: it counts nothing."),
        "weights": KeyText("What stands in its document, of kinds that have one."),
        "zone": KeyText("Of a DNS list: its zone.", "zen.dnsbl.example"),
        "codes": KeyText("What each answer adds to the score.", {"127.0.0.2": 4.0}),
    },
    "ScanServerEntry": {
        "name": KeyText("One word: its folder, and its host name below mail_domain.", "scan1"),
        "settings": KeyText("Of scan.yaml, by the names in docs/settings.md."),
        "engines": KeyText("For this one alone; left out: those at the top."),
    },
    "Customer": {
        "name": KeyText("Up to 100 of a-z, 0-9, dot, - and _.", "acme"),
        "domains": KeyText("Its domains."),
    },
    "MailDomain": {
        "name": KeyText("The domain.", "acme.example"),
        "deliver_to": KeyText(
            "The customer's own servers, tried in this order: HOST:PORT, lmtp:HOST:PORT, NAME/mx.",
            "mail.acme.example:25",
        ),
        "location": KeyText("Of that server; left out: capacity decides.", [52.37, 4.89]),
        "hold_days": KeyText("How long mail waits for that server, 1 to 30 days.", 7),
        "recipients": KeyText("any; listed: those that the core knows; probe: ask the server."),
        "regions": KeyText("Only sites of these regions get its mail.", ["eu"]),
        "sites_min": KeyText("No plan gives it fewer sites, 1 to 3.", 2),
        "pinned": KeyText("The site that comes first as long as it is active.", "london"),
        "fewer_sites_reason": KeyText("Why fewer than sites_min may be planned."),
    },
}
