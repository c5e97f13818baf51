"""Which satellites are there, how far has each one come, and what do they say of themselves?

Pure. A node is the set of its shards: its applied revision is the lowest, its lag the largest. What
is not known is None, and a lag is never 0 because nobody answers (G7). Times are of the
monotonic clock; the satellites' own clocks only show their skew (G13).

Long because a node is told from its shards in one place: each figure beside the others of its kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from common.identity import ShardIdentity
from common.preferences import Position
from common.preferences.documents import NOTHING
from common.reports import EngineReport, FilterReport, HoldReport, NodeReport, PreferenceProblem
from core.feed.session import PreferenceStanding
from core.fleet.extremes import largest, later, lowest, merged_engines
from core.fleet.holds import left_to_operators, merged_holds
from core.fleet.node_settings import SettingsStanding, settings_standing
from core.preferences.epochs import OtherEpoch, other_epochs

SILENT_S = 10.0  # five reports are missing
WARNED_S = 600.0  # a spool that is not heard tries again within seconds, or was stopped
NOTICED_S = 86_400.0  # what is lost stays lost: it is in the events, too
FORMER_MAX = 64  # lives of a shard that are remembered as over

Place = tuple[str, int]  # node, shard


class SatelliteState(StrEnum):
    """How a shard or a node is, seen from here."""

    LIVE = "live"  # it has all that there is
    REFUSING = "refusing"  # this core, or a revision of it: what is in force there stays as it is
    CATCHING_UP = "catching up"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardStatus:
    """One shard."""

    shard: int
    state: SatelliteState
    incarnation: str
    version: str
    applied: Position | None
    agreed: Position | None  # what it has applied of ours, digest for digest; None: unknown
    lag: int | None  # revisions; None: unknown
    heard_s_ago: float
    refused: PreferenceProblem | None
    core_refused: str  # why it hands nothing to this core; empty: it does
    skew_us: int | None  # its clock less ours at its last report
    report: NodeReport


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One node: the lowest, the largest, or the sum of its shards."""

    node: str
    site: str
    state: SatelliteState
    applied: Position | None  # the lowest; None: some shard never said
    agreed: Position | None  # the lowest of what is ours, digest for digest; None: unknown
    lag: int | None  # the largest; None: unknown for some shard
    heard_s_ago: float | None  # the longest; None: some shard was never heard
    shards_expected: int
    refused: PreferenceProblem | None
    core_refused: str  # why it, or some shard of it, hands nothing to this core; empty: all do
    accepting: bool
    not_accepting_reason: str
    spool: dict[str, int]
    engines: tuple[EngineReport, ...]
    holds: tuple[HoldReport, ...]
    outbox_records: int
    outbox_quarantine: int
    oldest_us: int
    skew_us: int | None
    versions: tuple[str, ...]
    problems: tuple[str, ...]
    settings: SettingsStanding
    shards: tuple[ShardStatus, ...]


@dataclass(slots=True)
class _Shard:
    """What is remembered of one shard."""

    incarnation: str
    heard_s: float
    version: str = ""
    shards: int = 1
    is_connected: bool = False
    applied: Position | None = None
    standing: PreferenceStanding | None = None
    report: NodeReport = field(default_factory=NodeReport)
    skew_us: int | None = None
    noticed: tuple[str, float] = ("", 0.0)  # by the core itself, and when


class Fleet:
    """All satellites that the settings name.

    Args:
        nodes: name and site of each, in the order in which they are shown.
    """

    def __init__(self, nodes: Sequence[tuple[str, str]]) -> None:
        self._sites = dict(nodes)
        self._shards: dict[Place, _Shard] = {}
        self._former: dict[Place, list[str]] = {}  # lives that a later one has followed
        self._warnings: dict[Place, tuple[str, float]] = {}
        self._remembered: dict[Place, tuple[float, int]] = {}  # heard before this core began
        self._elsewhere: dict[str, Position] = {}  # what nodes follow that only looked in here
        self._head = NOTHING

    @property
    def sites(self) -> Mapping[str, str]:
        """The site of each node that the settings name."""
        return MappingProxyType(self._sites)

    # ---- what happened

    def remember(self, place: Place, *, heard_s: float, shards: int) -> None:
        """An earlier run of this core heard a shard then, by this run's monotonic clock."""
        self._remembered[place] = (heard_s, shards)

    def take(self, nodes: Sequence[tuple[str, str]]) -> None:
        """The settings name other nodes: forget what is known of those that are gone.

        Args:
            nodes: as for the class.
        """
        self._sites = dict(nodes)
        for known in (self._shards, self._former, self._warnings, self._remembered):
            for place in [place for place in known if place[0] not in self._sites]:
                del known[place]
        self._elsewhere = {n: one for n, one in self._elsewhere.items() if n in self._sites}

    def moved(self, head: Position) -> None:
        """The core's preferences are here now."""
        self._head = head

    def greeted(self, identity: ShardIdentity, *, shards: int, version: str, now_s: float) -> None:
        """A control stream opened."""
        shard = self._heard(identity, now_s)
        if shard is None:
            return
        if shard.version != version and shard.standing is not None:
            # Another program may understand what this one refused.
            shard.standing = replace(shard.standing, refused_target=None)
        shard.version, shard.shards = version, shards
        shard.is_connected = True

    def reported(
        self, identity: ShardIdentity, report: NodeReport, *, now_s: float, now_us: int
    ) -> None:
        """A report came."""
        shard = self._heard(identity, now_s)
        if shard is not None:
            shard.report = report
            shard.applied = later(shard.applied, report.applied)
            shard.skew_us = report.time_us - now_us

    def looked(self, identity: ShardIdentity, follows: Position) -> None:
        """A shard that hangs on another core asked which one this is."""
        if identity.node in self._sites:
            self._elsewhere[identity.node] = follows

    def stood(self, identity: ShardIdentity, standing: PreferenceStanding, *, now_s: float) -> None:
        """A preference stream said where the shard stands."""
        shard = self._heard(identity, now_s)
        if shard is not None:
            shard.standing = standing
            shard.applied = standing.applied
            self._elsewhere.pop(identity.node, None)

    def noticed(self, identity: ShardIdentity, problem: str, *, now_s: float) -> None:
        """The core saw something that an operator should know; shown for a day."""
        shard = self._heard(identity, now_s)
        if shard is not None:
            shard.noticed = (problem, now_s)

    def warned(self, identity: ShardIdentity, what: str, *, now_s: float) -> None:
        """A spool speaks for a shard and is not heard; shown for as long as it tries."""
        if identity.node in self._sites:
            self._warnings[identity.place] = (what, now_s)

    def left(self, identity: ShardIdentity) -> None:
        """A control stream ended."""
        shard = self._shards.get(identity.place)
        if shard is not None and shard.incarnation == identity.incarnation:
            shard.is_connected = False

    # ---- what is asked

    def standing(self, identity: ShardIdentity) -> PreferenceStanding | None:
        """Return where a shard stood when it last said so, in this life of it."""
        shard = self._shards.get(identity.place)
        if shard is None or shard.incarnation != identity.incarnation:
            return None
        return shard.standing

    def holds_of(self, node: str) -> Mapping[str, HoldReport]:
        """Return what the shards of a node held when they were last heard, by destination."""
        reports = [s.report for place, s in self._shards.items() if place[0] == node and s.report]
        return {
            hold.destination: hold for hold in merged_holds(h for r in reports for h in r.holds)
        }

    def connected(self) -> list[Place]:
        """Return the shards whose control stream is open."""
        return sorted(place for place, shard in self._shards.items() if shard.is_connected)

    def engine_names(self) -> frozenset[str]:
        """Return the engines that any node has, as it last said; none: nobody has said anything."""
        shards = self._shards.values()
        return frozenset(engine.name for shard in shards for engine in shard.report.engines)

    def other_epochs(self) -> list[OtherEpoch]:
        """Return the nodes that take nothing from this core, since they follow another one."""
        shards = sorted(self._shards.items())
        here = [(node, shard.applied) for (node, _), shard in shards if shard.applied is not None]
        return other_epochs([*here, *sorted(self._elsewhere.items())], ours=self._head)

    def filters(self) -> frozenset[FilterReport]:
        """Return the filters that any node has, as it last said; none: some have not said it."""
        said = [shard.report.filters for shard in self._shards.values()]
        heard = {node for node, _ in self._shards}
        if not all(said) or not heard.issuperset(self._sites):
            return frozenset()
        return frozenset(each for filters in said for each in filters)

    def nodes(self, *, now_s: float) -> list[NodeStatus]:
        """Return every node of the settings.

        Args:
            now_s: the monotonic clock, in seconds.
        """
        return [self.node(name, now_s=now_s) for name in self._sites]

    def node(self, name: str, *, now_s: float) -> NodeStatus:
        """Return one node of the settings."""
        expected = self._expected(name)
        shards = [
            self._status(place, shard, now_s)
            for place, shard in sorted(self._shards.items())
            if place[0] == name and (place[1] < expected or not self._is_silent(shard, now_s))
        ]
        is_whole = {s.shard for s in shards} >= set(range(expected))
        reports = [s.report for s in shards]
        states = {s.state for s in shards}
        # A shard that is one too many takes no mail, and that is as it should be.
        listening = [s.report for s in shards if s.shard < expected]
        not_accepting = [r.not_accepting_reason for r in listening if not r.accepting]
        spool = dict(sum((Counter(r.spool) for r in reports), Counter()))
        return NodeStatus(
            node=name,
            site=self._sites[name],
            state=_worst(states) if is_whole else SatelliteState.SILENT,
            applied=lowest(s.applied for s in shards) if is_whole else None,
            agreed=lowest(s.agreed for s in shards) if is_whole else None,
            lag=largest(s.lag for s in shards) if is_whole else None,
            heard_s_ago=self._heard_s_ago(name, expected, now_s),
            shards_expected=expected,
            refused=next((s.refused for s in shards if s.refused), None),
            core_refused=next((s.core_refused for s in shards if s.core_refused), ""),
            accepting=is_whole and not not_accepting and SatelliteState.SILENT not in states,
            not_accepting_reason=next((reason for reason in not_accepting if reason), ""),
            spool=spool,
            engines=merged_engines(reports),
            holds=merged_holds(hold for r in reports for hold in r.holds),
            outbox_records=sum(r.outbox_records for r in reports),
            outbox_quarantine=sum(r.outbox_quarantine for r in reports),
            oldest_us=max((r.oldest_us for r in reports), default=0),
            skew_us=max(
                (s.skew_us for s in shards if s.skew_us is not None), key=abs, default=None
            ),
            versions=tuple(sorted({s.version for s in shards if s.version})),
            settings=settings_standing(reports),
            problems=(*self._problems(name, reports, now_s), *left_to_operators(spool)),
            shards=tuple(shards),
        )

    # ---- inside

    def _heard(self, identity: ShardIdentity, now_s: float) -> _Shard | None:
        """Return the shard, or None when its node is gone or a later life of it is known.

        Whoever speaks was let in by the store, which knows the order of lives: one that was never
        heard here is the newest.
        """
        if identity.node not in self._sites:
            return None  # what was under way when the settings took it away
        shard = self._shards.get(identity.place)
        former = self._former.setdefault(identity.place, [])
        if identity.incarnation in former:
            return None
        if shard is None or shard.incarnation != identity.incarnation:
            if shard is not None:
                former.append(shard.incarnation)
                del former[:-FORMER_MAX]
                self._warnings.pop(identity.place, None)  # whoever still tries is told of again
            shard = self._shards[identity.place] = _Shard(identity.incarnation, now_s)
        shard.heard_s = now_s
        return shard

    def _is_silent(self, shard: _Shard, now_s: float) -> bool:
        return now_s - shard.heard_s > SILENT_S

    def _status(self, place: Place, shard: _Shard, now_s: float) -> ShardStatus:
        silent, standing = self._is_silent(shard, now_s), shard.standing
        refused = (standing.refused if standing else None) or _reported_refusal(shard)
        lag = None if silent else self._lag(shard)
        state = (
            SatelliteState.SILENT
            if silent
            else SatelliteState.REFUSING
            if refused is not None or shard.report.core_refused
            else SatelliteState.LIVE
            if lag == 0
            else SatelliteState.CATCHING_UP
        )
        return ShardStatus(
            shard=place[1],
            state=state,
            incarnation=shard.incarnation,
            version=shard.version,
            applied=shard.applied,
            agreed=self._agreed(shard),
            lag=lag,
            heard_s_ago=max(0.0, now_s - shard.heard_s),
            refused=refused,
            core_refused=shard.report.core_refused,
            skew_us=shard.skew_us,
            report=shard.report,
        )

    def _lag(self, shard: _Shard) -> int | None:
        """Return how far a shard is behind; None: it follows another history, or may do so."""
        applied, standing = shard.applied, shard.standing
        if applied is None or applied.epoch != self._head.epoch or shard.report.core_refused:
            return None
        if standing is not None and standing.applied == applied and standing.agreed is None:
            return None  # another set at the same revision
        behind = self._head.revision - applied.revision
        return behind if behind >= 0 else None

    def _agreed(self, shard: _Shard) -> Position | None:
        standing = shard.standing
        if standing is None or standing.agreed is None or shard.report.core_refused:
            return None
        return standing.agreed if standing.agreed.epoch == self._head.epoch else None

    def _expected(self, node: str) -> int:
        """Return how many shards a node has, as the one said that spoke last."""
        found = [shard for place, shard in self._shards.items() if place[0] == node]
        if found:
            return max(found, key=lambda shard: shard.heard_s).shards
        told = [heard for place, heard in self._remembered.items() if place[0] == node]
        return max(told)[1] if told else 1

    def _heard_s_ago(self, node: str, expected: int, now_s: float) -> float | None:
        """Return since when some shard is not heard; None: it never was."""
        ago = 0.0
        for place in ((node, number) for number in range(expected)):
            shard = self._shards.get(place)
            if shard is None and place not in self._remembered:
                return None
            heard_s = shard.heard_s if shard is not None else self._remembered[place][0]
            ago = max(ago, now_s - heard_s)
        return ago

    def _problems(self, node: str, reports: Iterable[NodeReport], now_s: float) -> tuple[str, ...]:
        warned = (
            what
            for place, (what, warned_s) in sorted(self._warnings.items())
            if place[0] == node and now_s - warned_s <= WARNED_S
        )
        told = (shard.noticed for place, shard in sorted(self._shards.items()) if place[0] == node)
        noticed = (what for what, noticed_s in told if now_s - noticed_s <= NOTICED_S)
        reported = (problem for report in reports for problem in report.problems)
        return tuple(
            dict.fromkeys(problem for problem in (*warned, *noticed, *reported) if problem)
        )


def _reported_refusal(shard: _Shard) -> PreferenceProblem | None:
    """Return what the report calls refused; one from before the shard moved on tells nothing."""
    return shard.report.refused if shard.report.applied == shard.applied else None


def _worst(states: set[SatelliteState]) -> SatelliteState:
    worst_first = (
        SatelliteState.SILENT,
        SatelliteState.REFUSING,
        SatelliteState.CATCHING_UP,
        SatelliteState.LIVE,
    )
    return next((state for state in worst_first if state in states), SatelliteState.SILENT)
