"""Can every domain have the sites that it asks for?

Pure. Reads the raw tree, as ``check`` does. What can never be met is an error; what waits for a
site that drains or is off is a warning here, and the plan decides.

Source: docs/mx.md, *Constraints*.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from inventory.raw import Raw, RawComplaint

_KEYS = ("regions", "sites_min", "pinned")


@dataclass(frozen=True, slots=True)
class _Site:
    name: str
    region: str | None
    is_active: bool


class SiteConstraints:
    """The sites that domains ask for.

    Args:
        main: the inventory's file.
    """

    def __init__(self, main: Raw) -> None:
        self._sites = [
            _Site(
                site.get("name").text or "",
                site.get("region").text,
                site.get("state").value in (None, "active"),
            )
            for site in main.items("sites")
        ]

    def of(self, customer: Raw) -> Iterator[RawComplaint]:
        """Yield what is wrong between a customer's domains and the sites."""
        domains = customer.get("domains").value
        if not isinstance(domains, list) or not any(map(_asks, domains)):
            return  # as nearly always
        for domain in customer.items("domains"):
            if _asks(domain.value):
                yield from _of_domain(domain, self._sites)


def _asks(domain: Any) -> bool:
    return isinstance(domain, dict) and any(key in domain for key in _KEYS)


def _of_domain(domain: Raw, sites: list[_Site]) -> Iterator[RawComplaint]:
    regions = [item for item in domain.get("regions").each() if item.text is not None]
    known = {site.region for site in sites if site.region is not None}
    strange = [region for region in regions if region.text not in known]
    for region in strange:
        there = f"there are {', '.join(sorted(known))}" if known else "no site says its region"
        yield RawComplaint(region, f"no site is in the region {region.text!r}", there)
    wanted = {region.text for region in regions}
    allowed = [site for site in sites if not wanted or site.region in wanted]
    yield from _pinned(domain.get("pinned"), sites, allowed)
    if not strange:
        yield from _enough(domain, allowed)


def _pinned(pinned: Raw, sites: list[_Site], allowed: list[_Site]) -> Iterator[RawComplaint]:
    if pinned.text is None:
        return
    site = next((one for one in sites if one.name == pinned.text), None)
    if site is None:
        yield RawComplaint(
            pinned,
            f"pinned to {pinned.text!r}, which is no site",
            f"there are {', '.join(one.name for one in sites)}",
        )
    elif site not in allowed:
        where = f"in the region {site.region}" if site.region else "in no region"
        yield RawComplaint(
            pinned,
            f"pinned to {site.name}, which is {where}",
            "name a site in one of its regions, or add the region",
        )
    elif not site.is_active:
        yield RawComplaint(
            pinned,
            f"pinned to {site.name}, which is not active",
            "the next best site comes first until it is",
            is_warning=True,
        )


def _enough(domain: Raw, allowed: list[_Site]) -> Iterator[RawComplaint]:
    stated = domain.get("sites_min")
    wanted = _whole(stated.value) or 1
    active = [site for site in allowed if site.is_active]
    at = stated if stated.value is not None else domain.get("regions")
    excused = bool(domain.get("fewer_sites_reason").text)
    if len(allowed) < wanted:
        yield RawComplaint(
            at,
            f"sites_min is {wanted}, and only {_named(allowed)} may have its mail",
            "allow more regions, lower sites_min, or say why in fewer_sites_reason",
            is_warning=excused,
        )
    elif not active:
        yield RawComplaint(
            at,
            f"of its sites ({', '.join(site.name for site in allowed)}) none is active",
            "no plan leaves a domain without MX; allow more regions",
            is_warning=True,
        )
    elif len(active) < wanted:
        yield RawComplaint(
            at,
            f"sites_min is {wanted}, and only {_named(active)} of its sites are active",
            "the MX plan is refused until more are, or fewer_sites_reason says why",
            is_warning=True,
        )


def _named(sites: list[_Site]) -> str:
    return f"{len(sites)} ({', '.join(site.name for site in sites)})" if sites else "none"


def _whole(value: Any) -> int | None:
    """Return a number, also one of a table, where all values are text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return int(value) if str(value).isdecimal() and len(str(value)) < 4 else None
