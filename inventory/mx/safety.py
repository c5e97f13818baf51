"""May this plan be used?

Pure. What would leave a domain without mail, or with fewer sites than it asks for, is an error: a
plan with errors is none. What is worth a thought is a warning.

Source: docs/mx.md, *Safety*.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from common.counted import counted
from inventory.check import provider_prefix
from inventory.model import Cluster, Inventory, MailDomain, Site, SiteState
from inventory.mx.names import goes_without
from inventory.mx.plan import Difference, MxPlan

CHANGED_PCT_MAX = 30  # of the domains of an earlier plan
CHANGED_DOMAINS_MIN = 10  # of fewer, each difference is read by a person
NAMED_MAX = 5  # domains in one line


@dataclass(frozen=True, slots=True)
class Fitness:
    """What is wrong with a plan."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def fitness_of(inventory: Inventory, plan: MxPlan) -> Fitness:
    """Return what is wrong with a plan, whatever was planned before."""
    errors, warnings = [], []
    domains = {domain.name: domain for _, domain in inventory.domains()}
    active = {site.name for site in inventory.sites if site.state is SiteState.ACTIVE}
    unpinned: dict[str, list[str]] = {}
    for entry in plan.domains:
        domain = domains[entry.domain]
        if domain.pinned is not None and domain.pinned not in active:
            unpinned.setdefault(domain.pinned, []).append(domain.name)
        if not entry.order:
            errors.append(f"{domain.name} would have no MX: {_why(domain)}")
        elif len(entry.order) < domain.sites_min:
            what = (
                f"{domain.name} would have {counted(len(entry.order), 'site')}, "
                f"and its sites_min is {domain.sites_min}"
            )
            if domain.fewer_sites_reason is None:
                errors.append(f"{what}: {_why(domain)}, or say why in fewer_sites_reason")
            else:
                warnings.append(f"{what}: {domain.fewer_sites_reason}")
    for site, names in sorted(unpinned.items()):
        warnings.append(
            f"{_counted(names)} pinned to {site}, which is not active: the next best comes first"
        )
    warnings += _too_long(inventory.cluster, plan)
    warnings += _same_prefix(inventory.sites, plan)
    return Fitness(tuple(errors), tuple(warnings))


def too_much_change(earlier: MxPlan, found: Sequence[Difference]) -> str | None:
    """Return what is to be said when a plan changes more than a run should; new domains are none.

    Args:
        earlier: the plan that was compared with.
        found: the differences.
    """
    count = len(earlier.domains)
    changed = sum(one.before is not None for one in found)
    if count < CHANGED_DOMAINS_MIN or changed * 100 <= count * CHANGED_PCT_MAX:
        return None
    return (
        f"{changed} of {count} domains change ({changed * 100 // count} %), more than "
        f"{CHANGED_PCT_MAX} %; look at the differences, and say --force if they are meant"
    )


def _why(domain: MailDomain) -> str:
    where = "" if domain.regions is None else f" in {', '.join(domain.regions)}"
    return f"activate a site{where}, or let it have others"


def _too_long(cluster: Cluster, plan: MxPlan) -> Iterator[str]:
    """Yield a line for all domains that go without the same, as they are too long for its names."""
    without: dict[str, list[str]] = {}
    has_policy, has_reports = cluster.mta_sts is not None, bool(cluster.tls_reports)
    for entry in plan.domains:
        lacks = goes_without(entry.domain, has_policy=has_policy, has_reports=has_reports)
        if lacks:
            without.setdefault(lacks, []).append(entry.domain)
    for lacks, names in sorted(without.items()):
        yield f"{_counted(names)} too long for the names of {lacks}: left out, and the MX stands"


def _same_prefix(sites: Sequence[Site], plan: MxPlan) -> Iterator[str]:
    """Yield a line for each two sites that one outage takes, and that are MX of one domain."""
    prefixes = {
        site.name: {
            provider_prefix(ipaddress.ip_address(address))
            for node in site.nodes
            for address in node.public
        }
        for site in sites
    }
    shared = {
        (one, other): min(map(str, prefixes[one] & prefixes[other]))
        for one, other in combinations(sorted(prefixes), 2)
        if prefixes[one] & prefixes[other]
    }
    if not shared:
        return
    together: Counter[tuple[str, str]] = Counter()
    for entry in plan.domains:
        order = tuple(sorted(entry.order))
        together.update(pair for pair in combinations(order, 2) if pair in shared)
    for (one, other), count in sorted(together.items()):
        yield (
            f"{counted(count, 'domain has', 'domains have')} both {one} and {other}, "
            f"which share {shared[one, other]}: one outage takes both"
        )


def _counted(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED_MAX])
    more = len(names) - NAMED_MAX
    return (
        f"{shown} and {more} more are"
        if more > 0
        else f"{shown} {'is' if len(names) == 1 else 'are'}"
    )
