"""Do the values of an inventory fit together, and what mends those that do not?

Pure. Reads the raw tree, so that a wrong field hides no complaint about others. An error makes the
inventory useless; a warning is worth a thought.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from common.address import DOMAIN_LENGTH_MAX
from common.preferences.deliver_to import parse_deliver_to
from common.preferences.loops import OurHosts, is_below
from inventory.addresses import check_addresses
from inventory.model import CORE_FOLDER, DNS_LIST
from inventory.mx.names import ID_LENGTH, SMTP_LABELS, has_room
from inventory.raw import (
    IpAddress,
    IpNetwork,
    Raw,
    RawComplaint,
    core_machines,
    holders_of_engines,
    nodes_of,
    our_addresses,
)
from inventory.settings import check_settings

SITE_NAME_MAX = 60  # a label has 63, and its name in DNS is mx-SITE
RESERVED_NAMES = (CORE_FOLDER, "authority", "ansible")  # what else stands in the rendered folder
ASKING_FILTERS = ("cloudmark", "dcc", "pyzor", "rspamd", "spamassassin")  # each asks a server

_OUR_HOST = re.compile(r"(mx|p[0-9])-.*")  # names that the MX plan gives in the mail domain
_PREFIX_LENGTHS = {4: 24, 6: 48}


def check(main: Raw) -> list[RawComplaint]:
    """Return all that is wrong between values, but for those of customers."""
    return [
        *_names(main),
        *_mail_domain(main),
        *_engines_and_filters(main),
        *_definitions(main),
        *check_addresses(main),
        *_sites(main),
        *check_settings(main),
    ]


def _names(main: Raw) -> Iterator[RawComplaint]:
    machines = [*(node for _, node in nodes_of(main)), *main.items("scan_servers")]
    yield from _twice(main.items("sites"), "site")
    cores = core_machines(main)
    yield from _twice([*cores, *machines], "node")
    yield from _runs_on(main)
    for node in [*cores[1:], *machines]:
        name = node.get("name").text or ""
        if name in RESERVED_NAMES and name != main.get("core").get("name").text:
            yield RawComplaint(
                node.get("name"), f"{name!r} is taken by a rendered file", "rename it"
            )
        elif _OUR_HOST.fullmatch(name):
            yield RawComplaint(
                node.get("name"),
                f"{name!r} looks like a name that the MX plan makes",
                "rename it: no mx- or p1- at its beginning",
            )


def _runs_on(main: Raw) -> Iterator[RawComplaint]:
    """Tell of a core that is to run on a machine that it has not."""
    stated = main.get("core").get("runs_on")
    names = [machine.get("name").text for machine in core_machines(main)]
    if stated.text is not None and stated.text not in names:
        has = ", ".join(name for name in names if name)
        what = f"core.runs_on {stated.text[:80]!r} is none of the core's machines: {has}"
        yield RawComplaint(stated, what, "name one of them, or leave it out")


def _names_of_nodes(main: Raw) -> set[str | None]:
    return {node.get("name").text for _, node in nodes_of(main)}


def _mail_domain(main: Raw) -> Iterator[RawComplaint]:
    """Tell of names below mail_domain that DNS cannot hold, and of mail to it that nobody takes."""
    for site in main.items("sites"):
        name = site.get("name").text or ""
        if len(name) > SITE_NAME_MAX:
            what = f"site {name[:80]!r} has {len(name)} characters, and mx- stands before it in DNS"
            yield RawComplaint(site.get("name"), what, f"take {SITE_NAME_MAX} at the most")
    cluster = main.get("cluster")
    ours = cluster.domain("mail_domain")
    if ours is None:
        return
    if "." not in ours or ours.rpartition(".")[2].isdigit():
        what = f"mail_domain {ours!r} is no domain in which the world finds names"
        yield RawComplaint(cluster.get("mail_domain"), what, "write one such as mx.scout.example")
    for place in (one for core in core_machines(main) for one in core.get("public").each()):
        label = (place.text or "").lower().removesuffix(f".{ours}")
        if label != place.text and (_OUR_HOST.fullmatch(label) or label in _names_of_nodes(main)):
            key = ".".join(step for step in place.path if isinstance(step, str))
            what = f"{key} {place.text} is a name of a node or of the MX plan, not the core's"
            yield RawComplaint(place, what, "give the core a name of its own")
    longest = max(_names_below(main), key=len)
    if not has_room(longest, ours):
        what = f"mail_domain has {len(ours)} characters, and {longest[:80]} stands below it"
        remedy = f"take one of {DOMAIN_LENGTH_MAX - 1 - len(longest)} at the most"
        yield RawComplaint(cluster.get("mail_domain"), what, remedy)
    postmaster = cluster.get("postmaster")
    if is_below((postmaster.text or "").rpartition("@")[2].lower(), ours):
        what = f"postmaster is in our own {ours}, where nobody has a mailbox"
        yield RawComplaint(postmaster, what, "write an address that is read elsewhere")
    smarthost = cluster.get("smarthost")
    try:
        target = parse_deliver_to(smarthost.text or "")
    except ValueError:
        return
    if OurHosts(ours, our_addresses(main)).complaint("", target) is not None:
        what = f"smarthost {target.host} is our own: a loop"
        yield RawComplaint(smarthost, what, "write another's server, or leave it out")


def _names_below(main: Raw) -> Iterator[str]:
    """Yield the long names of our zone, each without the mail domain."""
    fixed = f"p1-{'x' * ID_LENGTH}"  # of a customer's domain, whichever it is
    sites = (f"mx-{site.get('name').text or ''}" for site in main.items("sites"))
    nodes = (node.get("name").text or "" for _, node in nodes_of(main))
    for host in (fixed, *sites, *nodes):
        yield f"{SMTP_LABELS}.{host}"  # of its keys
    yield from (server.get("name").text or "" for server in main.items("scan_servers"))


def _engines_and_filters(main: Raw) -> Iterator[RawComplaint]:
    for holder in holders_of_engines(main):
        yield from _twice(holder.items("engines"), "engine")
        yield from _same_server(holder.items("engines"))
        for engine in holder.items("engines"):
            yield from _address(engine)
            option = engine.get("options").get("profile")
            if engine.get("profile").value is not None and option.value is not None:
                yield RawComplaint(option, "options.profile is profile once more", "remove one")
    yield from _twice(main.items("filters"), "filter")
    yield from _timeouts_of_lists(main)
    yield from _zones(main)
    for item in main.items("filters"):
        if item.get("kind").text == "dnsbl" and not item.get("zone").value:
            yield RawComplaint(item, "filter of kind 'dnsbl' has no zone", "add the list's zone")
        if item.get("kind").text in ASKING_FILTERS and not item.get("address").value:
            kind = item.get("kind").text
            yield RawComplaint(item, f"filter of kind {kind!r} has no address", "add one")


def _same_server(engines: Iterable[Raw]) -> Iterator[RawComplaint]:
    """Tell of a server that is asked twice of each message, in the same words."""
    seen: dict[str, Raw] = {}
    for engine in engines:
        if engine.get("address").text is None:
            continue
        asked = {key: value for key, value in engine.value.items() if key != "name"}
        first = seen.setdefault(repr(sorted(asked.items(), key=str)), engine)
        if first is not engine:
            what = f"engine {engine.get('name').value!r} asks the server that another asks"
            yield RawComplaint(engine, what, "remove one", is_warning=True, first=first)


def _address(engine: Raw) -> Iterator[RawComplaint]:
    """Tell of an engine that the node could not build, since it would not know whom to ask."""
    kind, address = engine.get("kind").text, engine.get("address")
    if kind in ("clamd", "icap") and not address.value:
        yield RawComplaint(engine, f"engine of kind {kind!r} has no address", "add one")
    if kind == "trend-v1fs" and bool(address.value) is bool(
        engine.get("options").get("region").value
    ):
        yield RawComplaint(
            engine,
            f"engine of kind {kind!r} needs an address or a region, one of the two",
            "write address: HOST:PORT of your own scanner, or options.region of the cloud",
        )
    if kind in ("icap", "trend-v1fs") and (address.text or "").startswith("unix:"):
        yield RawComplaint(
            address, f"engine of kind {kind!r} is asked over the network", "write HOST:PORT"
        )


def _definitions(main: Raw) -> Iterator[RawComplaint]:
    """Tell of definitions for an engine that a node does not have, with which it does not start."""
    told: set[tuple[str | int, ...]] = set()
    for site, node in nodes_of(main):
        nearest = (node, site, main)
        settings = (one.get("settings") for one in nearest)
        said = next((one for one in settings if one.get("definitions").value is not None), None)
        engines = next((one for one in nearest if one.get("engines").value is not None), None)
        if said is None:
            continue
        kinds = {
            one.get("name").text: one.get("kind").text
            for one in (engines.items("engines") if engines is not None else [])
        }
        for entry in said.items("definitions"):
            engine = entry.get("engine")
            if engine.text and kinds.get(engine.text) != "clamd" and engine.path not in told:
                told.add(engine.path)
                yield RawComplaint(
                    engine,
                    f"{engine.text!r} is no engine of the kind clamd at {node.get('name').text}",
                    "name one of its engines, or say definitions: [] for that node",
                )


def _timeouts_of_lists(main: Raw) -> Iterator[RawComplaint]:
    """Tell of a time that holds for no list: one filter asks them all, with that of the first."""
    lists = [item for item in main.items("filters") if item.get("kind").text == DNS_LIST]
    for item in lists[1:]:
        stated = item.get("timeout_s")
        if stated.value is not None and stated.value != lists[0].get("timeout_s").value:
            yield RawComplaint(
                stated,
                f"timeout_s of {lists[0].get('name').value} holds for all lists",
                "set it there",
                is_warning=True,
            )


def _zones(main: Raw) -> Iterator[RawComplaint]:
    """Tell of a DNS list that two filters are: its answer would count twice."""
    seen: dict[str, Raw] = {}
    for item in main.items("filters"):
        zone = item.domain("zone") if item.get("kind").text == DNS_LIST else None
        at = item.get("zone")
        if zone is not None and seen.setdefault(zone, at) is not at:
            what = f"zone {zone!r} stands twice, and its answer would count twice"
            yield RawComplaint(at, what, "remove one", first=seen[zone])


def _twice(items: Iterable[Raw], kind: str) -> Iterator[RawComplaint]:
    """Complain about every name but the first of its kind."""
    seen: dict[str, Raw] = {}
    for item in items:
        at = item.get("name")
        if at.text is None:
            continue
        first = seen.setdefault(at.text, at)
        if first is not at:
            what = f"{kind} {at.text[:80]!r} stands twice"
            yield RawComplaint(at, what, "remove or rename one", first=first)


def _sites(main: Raw) -> Iterator[RawComplaint]:
    sites = main.items("sites")
    states = [site.get("state").value for site in sites]
    if sites and all(state in ("drain", "off") for state in states):
        yield RawComplaint(
            main.get("sites"), "no site is active", "set state: active on at least one"
        )
    seen: dict[IpNetwork, Raw] = {}
    for site in sites:
        mine: set[IpNetwork] = set()
        for node in site.items("nodes"):
            for place, address in node.addresses("public"):
                prefix = provider_prefix(address)
                other = seen.get(prefix)
                if other is not None and prefix not in mine:
                    yield RawComplaint(
                        place,
                        f"site {site.get('name').value} shares {prefix} with "
                        f"{other.get('name').value}",
                        "one outage of that network takes both; give one another provider",
                        is_warning=True,
                    )
                mine.add(prefix)
        for prefix in mine:
            seen.setdefault(prefix, site)


def provider_prefix(address: IpAddress) -> IpNetwork:
    """Return the network that one provider usually announces, and loses, as one."""
    return ipaddress.ip_network((address, _PREFIX_LENGTHS[address.version]), strict=False)
