"""Which site may load a new set of definitions now, and what stops the roll-out?

Pure. All is derived from what the nodes report, so that a core that was restarted in the middle
goes on where it was. One site at a time, once it has fetched the set: the next has its turn when
every node of the one before uses it. Only what says something of the set stops the roll-out: a site
where it was loaded and fails. One that is not heard, cannot fetch it or cannot begin to load it is
passed over, and has its turn later. A roll-back goes to all sites at once: that set was in use
before.

A node may use a set that this core never gave out, when the core was restored from an older backup.
Nothing is pushed there until somebody says so, or a newer set comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from common.reports import DefinitionsReport, DefinitionsState

BEGIN_S = 60.0  # that a site has to begin to load; then another one has its turn


class SiteStand(StrEnum):
    """How far a site is with the set that is to be in use."""

    DONE = "done"
    LOADING = "loading"  # it is its turn
    FETCHING = "fetching"  # or it has not said yet that it has it
    WAITING = "waiting"  # for its turn
    FAILED = "failed"
    AWAY = "away"
    AHEAD = "ahead"  # it uses what this core never gave out
    UNUSED = "unused"  # nothing there loads such definitions


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStand:
    """What is known of a node.

    Args:
        node: its name.
        site: where it is.
        is_live: whether all of its shards are heard.
        reports: what its shards say of the family; empty: none loads it.
    """

    node: str
    site: str
    is_live: bool
    reports: tuple[DefinitionsReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """What is to be told, and shown.

    Args:
        sites: how far each site is, in the order of their turns.
        offered: the nodes that hear of the set, and whether they may load it.
        problems: what an operator should know, a sentence each.
    """

    sites: Mapping[str, SiteStand]
    offered: Mapping[str, bool]
    problems: tuple[str, ...]


class Rollout:
    """Gives each site its turn.

    Args:
        turn_s: a site that has not loaded it after so long in its turn has failed.
        away_s: a site that is not heard for so long is passed over.
    """

    def __init__(self, *, turn_s: float, away_s: float) -> None:
        self._turn_s = turn_s
        self._away_s = away_s
        self._serial = 0
        self._turn: tuple[str, float] | None = None  # whose, since when
        self._overdue: set[str] = set()  # began to load in their turn, and did not come to an end
        self._passed: set[str] = set()  # had their turn, and did not begin
        self._heard_s: dict[str, float] = {}  # when each site was last heard as a whole

    def plan(
        self,
        nodes: Sequence[NodeStand],
        *,
        serial: int,
        highest: int,
        is_rollback: bool,
        now_s: float,
    ) -> RolloutPlan:
        """Return what is to be told now.

        Args:
            nodes: all of them, in the order in which their sites have their turns.
            serial: of the set that is to be in use.
            highest: the highest serial that this core gave out, or was told not to mind.
            is_rollback: whether all sites may load it at once.
            now_s: the monotonic clock, in seconds.
        """
        if serial != self._serial:
            self._serial, self._turn = serial, None
            self._overdue.clear()
            self._passed.clear()
        by_site: dict[str, list[NodeStand]] = {}
        for node in nodes:
            by_site.setdefault(node.site, []).append(node)
        sites = {
            site: self._stand(site, members, highest, now_s) for site, members in by_site.items()
        }
        if is_rollback:
            self._turn = None
            may = {site for site, stand in sites.items() if stand is not SiteStand.AHEAD}
            loading = {site for site in may if sites[site] is SiteStand.WAITING}
        else:
            turn = self._whose_turn(sites, by_site, now_s)
            loading = {turn} if turn is not None else set()
            may = loading | {site for site, stand in sites.items() if stand is SiteStand.DONE}
        shown = {
            site: self._shown(stand, by_site[site], has_turn=site in loading)
            for site, stand in sites.items()
        }
        return RolloutPlan(
            sites=shown,
            offered={
                node.node: node.site in may
                for node in nodes
                if sites[node.site] is not SiteStand.AHEAD
            },
            problems=tuple(self._problems(shown, by_site)),
        )

    def _whose_turn(
        self,
        sites: Mapping[str, SiteStand],
        by_site: Mapping[str, Sequence[NodeStand]],
        now_s: float,
    ) -> str | None:
        """Return the site that may load the set, None when none may."""
        waiting = [site for site, stand in sites.items() if stand is SiteStand.WAITING]
        loading = [site for site in waiting if self._is_loading(by_site[site])]
        if self._turn is not None:
            site, since_s = self._turn
            spent_s = now_s - since_s
            if site in waiting:
                if spent_s < (self._turn_s if site in loading else BEGIN_S):
                    return site
                (self._overdue if site in loading else self._passed).add(site)
            self._turn = None
        if self._overdue or SiteStand.FAILED in sites.values():
            return None
        # One that loads already had its turn of a core that was restarted since.
        ready = loading or [site for site in waiting if self._is_ready(by_site[site])]
        following = next((site for site in ready if site not in self._passed), None)
        if following is None:
            following = next(iter(ready), None)
        if following is not None:
            self._turn = (following, now_s)
        return following

    def _stand(
        self, site: str, nodes: Sequence[NodeStand], highest: int, now_s: float
    ) -> SiteStand:
        if all(node.is_live for node in nodes):
            self._heard_s[site] = now_s
        reports = [report for node in nodes for report in node.reports]
        # What somebody said who has been silent since may have changed.
        heard = [report for node in nodes if node.is_live for report in node.reports]
        if any(report.serial > highest for report in heard):
            return SiteStand.AHEAD
        if any(self._has_failed(report) for report in heard):
            return SiteStand.FAILED
        if self._heard_s.get(site) != now_s:
            has_turn = self._turn is not None and self._turn[0] == site
            heard_s = self._heard_s.get(site, now_s - self._away_s)
            is_brief = now_s - heard_s < self._away_s
            # Whoever is on its way is waited for a while: it may have just been cut off.
            return SiteStand.WAITING if has_turn and is_brief else SiteStand.AWAY
        if not reports:
            return SiteStand.UNUSED
        if all(self._is_done(report) for report in reports):
            self._overdue.discard(site)
            self._passed.discard(site)
            return SiteStand.DONE
        return SiteStand.WAITING

    def _shown(self, stand: SiteStand, nodes: Sequence[NodeStand], *, has_turn: bool) -> SiteStand:
        if stand is not SiteStand.WAITING:
            return stand
        if has_turn:
            return SiteStand.LOADING
        return SiteStand.WAITING if self._is_ready(nodes) else SiteStand.FETCHING

    def _has_failed(self, report: DefinitionsReport) -> bool:
        return report.state is DefinitionsState.FAILED and report.offered == self._serial

    def _is_done(self, report: DefinitionsReport) -> bool:
        return report.serial == self._serial and report.state is DefinitionsState.CURRENT

    def _is_loading(self, nodes: Sequence[NodeStand]) -> bool:
        return any(
            report.state is DefinitionsState.LOADING and report.offered == self._serial
            for node in nodes
            for report in node.reports
        )

    def _is_ready(self, nodes: Sequence[NodeStand]) -> bool:
        """Say whether all of a site that does not use the set yet has fetched it."""
        return all(
            self._is_done(report)
            or (report.offered == self._serial and report.state is DefinitionsState.WAITING)
            for node in nodes
            for report in node.reports
        )

    def _problems(
        self, sites: Mapping[str, SiteStand], by_site: Mapping[str, Sequence[NodeStand]]
    ) -> Iterable[str]:
        for site, stand in sites.items():
            said = _details(by_site[site])
            if stand is SiteStand.FAILED:
                yield (
                    f"the roll-out of definitions stopped: {site} could not use them ({said});"
                    " those before stay in use there and at every site after it"
                )
            elif stand is SiteStand.AHEAD:
                newest = max(report.serial for node in by_site[site] for report in node.reports)
                yield (
                    f"{site} uses definitions {newest}, which this core does not know: was it"
                    " restored from a backup? Nothing is pushed there until newer ones come, or"
                    " somebody says borderscout definitions rollback --to SERIAL"
                )
            elif site in self._overdue:
                yield (
                    f"the roll-out of definitions stopped: {site} began to load them in its turn"
                    f" and had not come to an end after {self._turn_s:.0f} s"
                )
            elif site in self._passed:
                yield (
                    f"{site} cannot begin to load new definitions ({said}); the other sites go on,"
                    " and it has its turn again after them"
                )


def _details(nodes: Sequence[NodeStand]) -> str:
    """Return what the nodes of a site say, of those that are not well."""
    found = (
        f"{node.node}: {report.detail or report.state.value}"
        for node in nodes
        for report in node.reports
        if report.state is not DefinitionsState.CURRENT
    )
    return "; ".join(dict.fromkeys(found)) or "no reason given"
