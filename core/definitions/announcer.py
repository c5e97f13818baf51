"""How do the sites hear of the definitions that they are to use?

Touches the control streams, through a port. Each shard is told once a visit, and again when
something of it changes; a command that found no room is given again with the next look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from common.clock import Clock
from common.link import DefinitionsOffer
from core.definitions.candidate import serial_at
from core.definitions.choice import DefinitionsChoice
from core.definitions.rollout import NodeStand, Rollout, RolloutPlan, SiteStand
from core.definitions.sets import StoredSet
from core.fleet.fleet import Fleet, NodeStatus, Place, SatelliteState
from core.fleet.roster import Roster

log = structlog.get_logger()

_CLOCKS_APART_US = 86_400_000_000  # of the core as it is, and as it was before it was restored
NOTHING_YET = RolloutPlan(sites={}, offered={}, problems=())


class DefinitionsLink(Protocol):
    """The link to all satellites, as far as definitions are announced on it."""

    @property
    def fleet(self) -> Fleet: ...

    @property
    def roster(self) -> Roster: ...

    def visits(self) -> Mapping[Place, int]: ...

    def tell(self, node: str, shard: int, command: DefinitionsOffer) -> bool: ...


class Announcer:
    """Tells every shard which set is to be in use, and whose turn it is.

    Args:
        family: of the definitions.
        rollout: decides whose turn it is.
        link: to the shards.
        port: where they fetch; 0: their settings say it.
        clock: for the turns.
    """

    def __init__(
        self,
        *,
        family: str,
        rollout: Rollout,
        link: DefinitionsLink,
        port: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._family = family
        self._rollout = rollout
        self._link = link
        self._port = port
        self._clock = clock
        self._told: dict[Place, tuple[int, DefinitionsOffer]] = {}
        self.plan = NOTHING_YET  # as it was at the last look

    def look(self, current: StoredSet | None, choice: DefinitionsChoice) -> RolloutPlan:
        """Tell whoever does not know yet, and return how far the sites are.

        Args:
            current: the set that is to be in use; None: there is none, and nothing is told.
            choice: what is decided.
        """
        if current is None:
            self.plan = NOTHING_YET
            return self.plan
        now_s = self._clock.monotonic_s()
        nodes = [stand_of(node, self._family) for node in self._link.fleet.nodes(now_s=now_s)]
        before, self.plan = (
            self.plan,
            self._rollout.plan(
                nodes,
                serial=current.manifest.serial,
                highest=choice.highest,
                is_rollback=choice.is_rollback,
                now_s=now_s,
            ),
        )
        self._log_changes(before, current.manifest.serial)
        for place, visit in self._link.visits().items():
            may_load = self.plan.offered.get(place[0])
            if may_load is not None:
                self._tell(place, visit, self._offer(current, may_load=may_load))
        return self.plan

    def highest_seen(self) -> int:
        """Return the highest serial that any node says it uses, of those that may be a core's.

        A node that lies must not leave us without numbers.
        """
        latest = serial_at(self._clock.now_us() + _CLOCKS_APART_US)
        nodes = self._link.fleet.nodes(now_s=self._clock.monotonic_s())
        stands = [stand_of(node, self._family) for node in nodes]
        said = [report.serial for stand in stands for report in stand.reports]
        return max((serial for serial in said if serial <= latest), default=0)

    def _offer(self, current: StoredSet, *, may_load: bool) -> DefinitionsOffer:
        return DefinitionsOffer(
            family=self._family,
            serial=current.manifest.serial,
            sha256=current.sha256,
            may_load=may_load,
            port=self._port(),
        )

    def _tell(self, place: Place, visit: int, offer: DefinitionsOffer) -> None:
        if self._told.get(place) != (visit, offer) and self._link.tell(*place, offer):
            self._told[place] = (visit, offer)

    def _log_changes(self, before: RolloutPlan, serial: int) -> None:
        for site, stand in self.plan.sites.items():
            if before.sites.get(site) is not stand:
                tell = log.error if stand is SiteStand.FAILED else log.info
                tell("definitions.site", site=site, stand=stand.value, serial=serial)
        for problem in self.plan.problems:
            if problem not in before.problems:
                log.error("definitions.rollout_problem", problem=problem)


def stand_of(node: NodeStatus, family: str) -> NodeStand:
    """Return what a node says of a family of definitions."""
    return NodeStand(
        node=node.node,
        site=node.site,
        is_live=node.state is not SatelliteState.SILENT and not node.core_refused,
        reports=tuple(
            report
            for shard in node.shards
            if shard.shard < node.shards_expected
            for report in shard.report.definitions
            if report.family == family
        ),
    )
