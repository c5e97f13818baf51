"""What do the round trips to servers say of the domains whose mail goes there?

Pure. The routes of the inventory lead from domain to server. Nothing is used silently that is old,
of a node that belongs nowhere, or known of some sites alone where that would weigh as a distance to
the other side of the globe.

Source: docs/mx.md, *Measured in place of distance*.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from common.counted import counted
from common.preferences.deliver_to import parse_deliver_to
from inventory.model import Inventory, MailDomain, Site, SiteState
from inventory.mx.distances import distances_m, point_of
from inventory.mx.measurements import Measured, Measurements
from inventory.mx.plan import time_text
from inventory.mx.site_probes import FRESH_S, Probe, SiteProbe, fresh_by_target, probes_by_site

GOOD_SHARE = 10  # a server that fails in more than one of so many tries leaves the next to mail
LIGHT_M_PER_US = 299.792458  # in a vacuum; glass is slower

Row = Mapping[str, Measured]


@dataclass(frozen=True, slots=True)
class MeasuredDomains:
    """What the sites know of the domains.

    Args:
        measurements: for the planner.
        text: the same, as ``--measurements FILE`` takes it.
        warnings: what is left out, or odd.
    """

    measurements: Measurements
    text: str
    warnings: tuple[str, ...]


def measured_domains(
    inventory: Inventory, told: Sequence[Probe], *, made: datetime
) -> MeasuredDomains:
    """Return what the sites know of each domain.

    Args:
        told: what the core has of all nodes.
        made: when it told so.
    """
    probes = probes_by_site(told)
    by_target, contradictions = _plausible(inventory.sites, fresh_by_target(probes))
    rows = _Rows(inventory.sites, by_target)
    by_domain: dict[str, Row] = {}
    partial = 0
    for _, domain in inventory.domains():
        row = rows.of(domain)
        if row and domain.location is None and not rows.is_known_everywhere(domain):
            partial += 1
        elif row:
            by_domain[domain.name] = row
    text = _text(by_domain, made)
    digest = hashlib.sha256(text.encode()).hexdigest()
    warnings = [
        *_old(probes),
        *_of_no_site(told),
        *_silent(inventory.sites, by_target),
        *_partial(partial),
        *contradictions,
    ]
    return MeasuredDomains(Measurements(made, digest, by_domain), text, tuple(warnings))


class _Rows:
    """What is known of each list of servers; most domains share theirs with others."""

    def __init__(self, sites: Iterable[Site], by_target: Mapping[str, Row]) -> None:
        self._active = [site for site in sites if site.state is SiteState.ACTIVE]
        self._by_target = by_target
        self._written: dict[str, str] = {}
        self._rows: dict[tuple[str, ...], Row] = {}
        self._whole: dict[tuple[tuple[str, ...], tuple[str, ...] | None], bool] = {}

    def of(self, domain: MailDomain) -> Row:
        """Return what sites know of a domain's servers."""
        row = self._rows.get(domain.deliver_to)
        if row is None:
            known = [self._by_target.get(self._target(one), {}) for one in domain.deliver_to]
            sites = sorted({site for each in known for site in each})
            row = {
                site: _of_servers([each[site] for each in known if site in each]) for site in sites
            }
            self._rows[domain.deliver_to] = row
        return row

    def is_known_everywhere(self, domain: MailDomain) -> bool:
        """Say whether each site that a domain may have says how far its servers are."""
        key = (domain.deliver_to, domain.regions)
        if key not in self._whole:
            row = self.of(domain)
            self._whole[key] = all(
                site.name in row and _says_how_far(row[site.name])
                for site in self._active
                if domain.regions is None or site.region in domain.regions
            )
        return self._whole[key]

    def _target(self, text: str) -> str:
        found = self._written.get(text)
        if found is None:
            found = self._written[text] = str(parse_deliver_to(text))
        return found


def _says_how_far(measured: Measured) -> bool:
    """Say whether a round trip is known, or that there is none: its distance is not needed."""
    return measured.rtt_us is not None or measured.failures == measured.tries


def _of_servers(known: Sequence[Measured]) -> Measured:
    """Return what counts of a domain's servers: of the first that is good, or the best of all.

    Mail goes to the first that takes it. One that fails now and then is still the one.
    """
    for one in known:
        if one.failures * GOOD_SHARE <= one.tries:
            return one
    return min(known, key=lambda one: one.failures / one.tries)


def _text(by_domain: Mapping[str, Row], made: datetime) -> str:
    """Return it as JSON, put together here: a hundred thousand domains share few rows."""
    written: dict[int, dict[str, str]] = {}
    sites: dict[str, list[str]] = {}
    for domain, row in by_domain.items():
        texts = written.get(id(row))
        if texts is None:
            texts = {site: json.dumps(one._asdict()) for site, one in row.items()}
            written[id(row)] = texts
        for site, text in texts.items():
            sites.setdefault(site, []).append(f'"{domain}": {text}')
    told = ",\n".join(
        f'"{site}": {{\n' + ",\n".join(lines) + "}" for site, lines in sorted(sites.items())
    )
    return f'{{"made": "{time_text(made)}", "sites": {{\n{told}}}}}\n'


def _old(probes: Iterable[SiteProbe]) -> list[str]:
    counts: dict[str, int] = {}
    for one in probes:
        if not one.is_fresh:
            counts[one.site] = counts.get(one.site, 0) + 1
    hours = FRESH_S // 3600
    return [
        f"{site}: {counted(count, 'server was', 'servers were')} not measured in the last {hours}"
        " hours, and left out"
        for site, count in sorted(counts.items())
    ]


def _of_no_site(told: Iterable[Probe]) -> list[str]:
    nodes = sorted({one.node for one in told if one.site is None})
    return [f"{name} measured, and is no node any more; it is passed over" for name in nodes]


def _silent(sites: Iterable[Site], by_target: Mapping[str, Row]) -> list[str]:
    told = {site for row in by_target.values() for site in row}
    return [
        f"{site.name} has told of no server lately: its distance counts"
        for site in sites
        if site.state is SiteState.ACTIVE and site.name not in told
    ]


def _partial(count: int) -> list[str]:
    if not count:
        return []
    which = counted(count, "domain without a location is", "domains without a location are")
    them = "it" if count == 1 else "them"
    return [f"{which} planned without measurements, since not every site has measured {them}"]


def _plausible(
    sites: Collection[Site], by_target: Mapping[str, Row]
) -> tuple[Mapping[str, Row], list[str]]:
    """Return what may be true of each target, and what contradicts each other.

    There and back from one site to another by way of a server, light needs as long as straight. Of
    two words that together are shorter one is false, or the server is at several places at once, by
    anycast: nobody can say which, and neither makes its site near.
    """
    needed_us = {
        (one.name, other.name): 2 * _between_m(one, other) / LIGHT_M_PER_US
        for one, other in combinations(sorted(sites, key=lambda site: site.name), 2)
    }
    counts: Counter[tuple[str, str]] = Counter()
    kept: dict[str, Row] = {}
    for target, row in by_target.items():
        rtts = {site: one.rtt_us for site, one in row.items() if one.rtt_us is not None}
        odd = [
            pair
            for pair in combinations(sorted(rtts), 2)
            if rtts[pair[0]] + rtts[pair[1]] < needed_us.get(pair, 0)
        ]
        counts.update(odd)
        doubted = {site for pair in odd for site in pair}
        kept[target] = {
            site: one._replace(rtt_us=None) if site in doubted else one for site, one in row.items()
        }
    return kept, [
        f"{one} and {other} contradict each other about {counted(count, 'server')}: light needs"
        f" {needed_us[one, other] / 1000:.3f} ms from one to the other and back; their distance"
        " counts, and where these are many, look at their nodes"
        for (one, other), count in sorted(counts.items())
    ]


def _between_m(one: Site, other: Site) -> int:
    return distances_m(point_of(one.location), [point_of(other.location)])[0]
