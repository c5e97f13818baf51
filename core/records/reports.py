"""How did mail end, by day, site, customer or domain?

Pure. Counted are recipients: one message to two people is two. Copies that a release delivered and
notices that we made ourselves are counted apart: they were not accepted from anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from common.records.bounds import TIME_US_MAX
from common.states import OUTCOMES, State
from core.records.lost import LOST
from core.records.search import iso_time

DAY_US = 86_400_000_000
EVER_US = TIME_US_MAX
TOP_MAX = 20  # threats and senders shown

UNKNOWN_CUSTOMER = "unknown"  # mail for a domain whose route was gone when its record arrived


class ReportGroup(StrEnum):
    """What the groups of a report are."""

    DAY = "day"  # UTC
    SITE = "site"
    CUSTOMER = "customer"
    DOMAIN = "domain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many recipients there are of one group, state and origin."""

    key: str | int  # the group as it is stored: a node, or a day since the epoch
    state: str
    origin: str
    recipients: int


@dataclass(slots=True)
class Tally:
    """The counts of one group."""

    accepted: int = 0
    in_progress: int = 0
    released: int = 0
    outcomes: dict[str, int] = field(
        default_factory=lambda: {
            **{str(state): 0 for state in State if state in OUTCOMES},
            LOST: 0,
        }
    )

    def add(self, counted: Counted) -> None:
        """Add what was counted."""
        match counted.origin:
            case "release":
                self.released += counted.recipients
            case "bounce":
                pass  # a notice of ours is no mail of the customer's
            case _:
                self.accepted += counted.recipients
                if counted.state in self.outcomes:
                    self.outcomes[counted.state] += counted.recipients
                else:
                    self.in_progress += counted.recipients

    def as_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return {
            "accepted": self.accepted,
            "in_progress": self.in_progress,
            **self.outcomes,
            "released": self.released,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How mail ended, in groups, and what stands out."""

    by: ReportGroup
    since_us: int
    until_us: int
    groups: Mapping[str, Tally]
    totals: Tally
    threats: tuple[tuple[str, str, int], ...]  # name, engine, messages
    senders: tuple[tuple[str, int], ...]  # address, messages

    def as_json(self) -> dict[str, Any]:
        """Return the report as it travels."""
        return {
            "by": str(self.by),
            "since": iso_time(self.since_us),
            "until": iso_time(self.until_us) if self.until_us < EVER_US else None,
            "groups": [{"name": name, **tally.as_json()} for name, tally in self.groups.items()],
            "totals": self.totals.as_json(),
            "threats": [
                {"name": name, "by": engine, "messages": messages}
                for name, engine, messages in self.threats
            ],
            "senders": [
                {"sender": sender, "messages": messages} for sender, messages in self.senders
            ],
        }


def grouped(
    counted: Iterable[Counted], by: ReportGroup, *, sites: Mapping[str, str], limit: int
) -> tuple[dict[str, Tally], Tally]:
    """Return the groups and the totals of all, shown or not.

    Args:
        counted: the counts.
        by: what the groups are.
        sites: the site of each node.
        limit: at most so many groups: the newest days, otherwise the busiest.
    """
    groups: dict[str, Tally] = {}
    totals = Tally()
    for one in counted:
        groups.setdefault(_name(one.key, by, sites), Tally()).add(one)
        totals.add(one)
    if by is ReportGroup.DAY:
        ordered = sorted(groups.items(), reverse=True)
    else:
        ordered = sorted(groups.items(), key=lambda item: (-item[1].accepted, item[0]))
    return dict(ordered[:limit]), totals


def _name(key: str | int, by: ReportGroup, sites: Mapping[str, str]) -> str:
    match by:
        case ReportGroup.DAY:
            return iso_time(int(key) * DAY_US)[:10]
        case ReportGroup.SITE:
            return sites.get(str(key), str(key))
        case ReportGroup.CUSTOMER:
            return str(key) or UNKNOWN_CUSTOMER
        case ReportGroup.DOMAIN:
            return str(key)
