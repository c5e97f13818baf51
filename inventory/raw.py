"""What can be read of an inventory that may be wrong?

Pure. A wrong field must hide no complaint about others, so checks that compare values do not wait
for a valid whole: they read what is there, and pass over what has not the shape they need.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from common.address import AddressError, parse_domain
from inventory.model import as_list

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Raw:
    """A value as the file has it, and where that is."""

    file: str
    path: tuple[str | int, ...]
    value: Any

    def get(self, key: str) -> Raw:
        """Return what a mapping holds under a key; a value of None when it holds nothing."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Raw(self.file, (*self.path, key), value)

    def items(self, key: str) -> list[Raw]:
        """Return the mappings in the list under a key."""
        return [item for item in self.get(key).each() if isinstance(item.value, dict)]

    def each(self) -> Iterator[Raw]:
        """Yield the items of a list; a single value is a list of one."""
        if self.value is None:
            return
        for number, value in enumerate(as_list(self.value)):
            yield Raw(self.file, (*self.path, number), value)

    @property
    def text(self) -> str | None:
        """The value, if it is text."""
        return self.value if isinstance(self.value, str) else None

    def addresses(self, key: str) -> list[tuple[Raw, IpAddress]]:
        """Return the IP addresses under a key, each with its place."""
        found = []
        for item in self.get(key).each():
            try:
                found.append((item, ipaddress.ip_address(str(item.value))))
            except ValueError:
                continue
        return found

    def networks(self, key: str) -> list[tuple[Raw, IpNetwork]]:
        """Return the IP networks under a key, each with its place."""
        found = []
        for item in self.get(key).each():
            try:
                found.append((item, ipaddress.ip_network(str(item.value))))
            except ValueError:
                continue
        return found

    def domain(self, key: str) -> str | None:
        """Return the domain under a key as A-labels, or None when there is none."""
        text = self.get(key).text
        if text is None:
            return None
        try:
            return parse_domain(text)
        except AddressError:
            return None


@dataclass(frozen=True, slots=True)
class RawComplaint:
    """What is wrong with a raw value and what to do; who reads the files knows its line.

    Args:
        at: the value.
        is_warning: it is worth a thought, and makes the inventory no worse.
        first: the value that it gets in the way of.
    """

    at: Raw
    what: str
    remedy: str
    is_warning: bool = False
    first: Raw | None = None


def holders_of_engines(main: Raw) -> list[Raw]:
    """Return every place in which a list of engines may stand, the widest first."""
    nodes = [node for _, node in nodes_of(main)]
    return [main, *main.items("sites"), *nodes, *main.items("scan_servers")]


def nodes_of(main: Raw) -> list[tuple[Raw, Raw]]:
    """Return every satellite node with its site."""
    return [(site, node) for site in main.items("sites") for node in site.items("nodes")]


def machines_of(main: Raw) -> list[Raw]:
    """Return the core's machines and every satellite node."""
    return [*core_machines(main), *(node for _, node in nodes_of(main))]


def core_machines(main: Raw) -> list[Raw]:
    """Return the core's own machine, and those that can become the core."""
    core = main.get("core")
    return [core, *core.items("standbys")]


def our_addresses(main: Raw) -> dict[str, str]:
    """Return every address of the core and the nodes, and the core's names, with whose it is."""
    addresses: dict[str, str] = {}
    for owner in machines_of(main):
        for key in ("public", "vpn_address"):
            for _, address in owner.addresses(key):
                addresses.setdefault(str(address), str(owner.get("name").value))
    for machine in core_machines(main):
        for place in machine.get("public").each():
            if place.text is not None:
                addresses.setdefault(place.text.lower().removesuffix("."), "core")
    return addresses
