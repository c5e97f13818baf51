"""What has each site measured to each of the customers' servers?

Pure: what nodes said comes in, as ``GET /api/v1/probes`` of the core tells it. The nodes of a site
speak for it together, and for no other site: of an even number the longer round trip of the middle
two counts, so that one node's word makes no site nearer that has another node. What is old is told
apart, and so is the word of a node that belongs to no site.

Source: docs/mx.md, *Measured in place of distance*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median_high
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.errors import PeerError
from common.round_trips import RTT_US_MAX, RTT_US_MIN, TARGET_LENGTH_MAX, TRIES_MAX
from common.settings.values import Name
from inventory.mx.measurements import Measured

FRESH_S = 86_400  # what was measured before says little of today
AHEAD_S = 60  # two clocks may differ so much; what is farther ahead is of a clock that went back


class Probe(BaseModel):
    """What one node has measured to one target; what a later core adds is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    node: Name
    site: Name | None
    target: Annotated[str, Field(min_length=1, max_length=TARGET_LENGTH_MAX)]
    rtt_us: Annotated[int, Field(ge=RTT_US_MIN, le=RTT_US_MAX, strict=True)] | None
    tries: Annotated[int, Field(ge=1, le=TRIES_MAX, strict=True)]
    failures: Annotated[int, Field(ge=0, le=TRIES_MAX, strict=True)]
    age_s: int  # below 0: the core's clock was set back

    @property
    def is_fresh(self) -> bool:
        """Whether it says something of today."""
        return -AHEAD_S <= self.age_s <= FRESH_S


def parse_probes(told: Iterable[Any]) -> list[Probe]:
    """Return what the core told.

    Raises:
        PeerError: it is something else.
    """
    try:
        return [Probe.model_validate(one) for one in told]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise PeerError(f"what the core tells of probes is odd: {where}: {first['msg']}") from None


@dataclass(frozen=True, slots=True)
class SiteProbe:
    """What a site's nodes have measured to one target."""

    site: str
    target: str
    measured: Measured
    age_s: int  # of the newest word
    nodes: tuple[str, ...]

    @property
    def is_fresh(self) -> bool:
        """Whether it says something of today: it is made of fresh words alone, or of old ones."""
        return -AHEAD_S <= self.age_s <= FRESH_S

    @property
    def success_share(self) -> float:
        """How many of the tries succeeded, from 0 to 1."""
        return 1.0 - self.measured.failures / self.measured.tries


def probes_by_site(told: Iterable[Probe]) -> list[SiteProbe]:
    """Return what each site knows of each target, by target and site.

    A fresh word of one node puts aside the old words of others; nodes of no site are left out.
    """
    found: dict[tuple[str, str], list[Probe]] = {}
    for one in told:
        if one.site is not None and one.failures <= one.tries:
            found.setdefault((one.target, one.site), []).append(one)
    return [_together(target, site, words) for (target, site), words in sorted(found.items())]


def _together(target: str, site: str, words: list[Probe]) -> SiteProbe:
    counted = [one for one in words if one.is_fresh] or words
    rtts = [one.rtt_us for one in counted if one.rtt_us is not None]
    return SiteProbe(
        site=site,
        target=target,
        measured=Measured(
            median_high(rtts) if rtts else None,
            sum(one.tries for one in counted),
            sum(one.failures for one in counted),
        ),
        age_s=min((one.age_s for one in counted), key=abs),
        nodes=tuple(sorted(one.node for one in counted)),
    )


def fresh_by_target(probes: Iterable[SiteProbe]) -> Mapping[str, Mapping[str, Measured]]:
    """Return what is known today of each target, by site."""
    found: dict[str, dict[str, Measured]] = {}
    for one in probes:
        if one.is_fresh:
            found.setdefault(one.target, {})[one.site] = one.measured
    return found
