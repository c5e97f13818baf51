"""Do customers and their domains get in each other's way, or in ours?

Pure. Each customer is looked at once, as it is read, and nothing of it is kept but its names: there
may be a hundred thousand domains.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterator

from common.preferences.deliver_to import SMTP_PORT, Target, parse_deliver_to
from common.preferences.loops import OurHosts, is_below
from inventory.constraints import SiteConstraints
from inventory.model import Customer
from inventory.mx.names import goes_without
from inventory.raw import IpNetwork, Raw, RawComplaint, our_addresses


class CustomerChecks:
    """What was seen of the customers so far."""

    def __init__(self, main: Raw) -> None:
        self._mail_domain = main.get("cluster").domain("mail_domain")
        self._networks: list[IpNetwork] = [
            network for _, network in main.get("cluster").networks("vpn")
        ]
        self._ours = OurHosts(self._mail_domain or "", our_addresses(main))
        self._constraints = SiteConstraints(main)
        cluster = main.get("cluster")
        self._has_policy = cluster.get("mta_sts").value is not None
        self._has_reports = bool(cluster.get("tls_reports").value)
        self._customers: dict[str, Raw] = {}
        self._domains: dict[str, int] = {}  # name → the number of the domain, of all
        self._firsts: list[int] = []  # customer → the number of its first domain
        self._places: list[Raw] = []  # customer → its place
        self._count = 0

    def of(self, raw: Raw, typed: Customer | None) -> Iterator[RawComplaint]:
        """Yield what is wrong between a customer and those before.

        Args:
            typed: the same customer, when there is nothing wrong with it alone.
        """
        place = Raw(raw.file, raw.path, None)
        self._firsts.append(self._count)
        self._places.append(place)
        name = raw.get("name").text
        if name is not None:
            first = self._customers.setdefault(name, place)
            if first is not place:
                yield RawComplaint(
                    raw.get("name"),
                    f"customer {name[:80]!r} stands twice",
                    "remove or rename one",
                    first=first.get("name"),
                )
        yield from self._constraints.of(raw)
        if typed is not None:
            for number, domain in enumerate(typed.domains):
                yield from self._domain(place, number, domain.name, domain.deliver_to)
            self._count += len(typed.domains)
            return
        for number, item in enumerate(raw.get("domains").each()):
            targets = tuple(one.text or "" for one in item.get("deliver_to").each())
            yield from self._domain(place, number, item.domain("name"), targets)
            self._count += 1

    def _domain(
        self, customer: Raw, number: int, name: str | None, targets: tuple[str, ...]
    ) -> Iterator[RawComplaint]:
        if name is not None:
            ordinal = self._count + number
            first = self._domains.setdefault(name, ordinal)
            if first != ordinal:
                yield RawComplaint(
                    _at(customer, number, "name"),
                    f"domain {name!r} stands twice",
                    "remove or rename one",
                    first=self._place(first),
                )
            if name[-1].isdigit() and name.rpartition(".")[2].isdigit():
                yield RawComplaint(
                    _at(customer, number, "name"),
                    f"domain {name!r} is an address",
                    "write the domain after the @ of its mailboxes",
                )
            if self._mail_domain is not None and is_below(name, self._mail_domain):
                yield RawComplaint(
                    _at(customer, number, "name"),
                    f"domain {name!r} is the cluster's own mail_domain or below it",
                    "give the cluster a mail_domain that no customer has",
                )
            lacks = goes_without(name, has_policy=self._has_policy, has_reports=self._has_reports)
            if lacks:
                yield RawComplaint(
                    _at(customer, number, "name"),
                    f"domain {name!r} has {len(name)} characters, too many for the names of "
                    f"{lacks} below it, and goes without",
                    "its MX stands all the same: there is nothing to do",
                    is_warning=True,
                )
        seen: set[Target] | None = set() if len(targets) > 1 else None
        for place, text in enumerate(targets):
            try:
                target = parse_deliver_to(text)
            except ValueError:
                continue
            found = self._target(name or "", target)
            if seen is not None:
                if target in seen:
                    found = f"deliver_to {target} stands twice", "remove one", False
                seen.add(target)
            if found is not None:
                what, remedy, is_warning = found
                at = _at(customer, number, "deliver_to", place)
                yield RawComplaint(at, what, remedy, is_warning=is_warning)

    def _target(self, domain: str, target: Target) -> tuple[str, str, bool] | None:
        """Return what is wrong with one server, what to do, and whether it is worth a thought."""
        if _is_loopback(target.host):
            # Each machine's own: another port of it may well be a server for a trial.
            if target.port != SMTP_PORT:
                return None
            what = f"deliver_to {target.host}:{target.port} is the satellite itself"
            return what, "write the customer's own mail server", True
        complaint = self._ours.complaint(domain, target)
        if complaint is not None:
            return complaint.what, complaint.remedy, False
        if self._is_in_vpn(target.host):
            what = f"deliver_to {target.host} lies in the VPN, where only the core and nodes are"
            return what, "write the customer's own mail server", True
        return None

    def _is_in_vpn(self, host: str) -> bool:
        if not (":" in host or host[-1:].isdigit()):
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _place(self, ordinal: int) -> Raw:
        """Return where the name of a domain that was seen stands."""
        customer = bisect_right(self._firsts, ordinal) - 1
        return _at(self._places[customer], ordinal - self._firsts[customer], "name")


def _at(customer: Raw, number: int, *rest: str | int) -> Raw:
    return Raw(customer.file, (*customer.path, "domains", number, *rest), None)


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("::1", "localhost")
