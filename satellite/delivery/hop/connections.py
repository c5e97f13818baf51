"""Which host of a destination is tried, and which open SMTP session is reused?

Touches DNS and the next hops. A kept session goes on with its destination; otherwise the hosts are
tried in order until one can be talked to. A host that failed a moment ago is tried last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from common.clock import Clock
from common.preferences.policy import TlsPolicy
from satellite.delivery.decisions.hold import probe_connect_s
from satellite.delivery.decisions.outcome import STATUS_UNREACHABLE, RecipientResult, Stage
from satellite.delivery.decisions.reply import TEXT_LENGTH_MAX
from satellite.delivery.decisions.routing import (
    Destination,
    LookupResult,
    Own,
    Target,
    Via,
    exchanges_of,
    nowhere,
    public_addresses,
)
from satellite.delivery.hop.lookup import MxResolver
from satellite.delivery.hop.protection import Protection, Tls
from satellite.delivery.hop.session import (
    Deadlines,
    Hop,
    HopFailed,
    HopSession,
    open_session,
)

IDLE_S = 10.0  # a kept session without mail; servers drop idle clients after minutes
LIFETIME_S = 120.0  # then a preferred host that is back gets its mail again
IDLE_SESSIONS_MAX = 200  # kept in all, for file descriptors
HOPS_MAX = 20  # addresses tried for one transaction
FAILED_S = 60.0  # a host that failed is tried last for so long
FAILED_MAX = 10_000  # hosts that are remembered as failed
SMTP_PORT = 25


class HopUnreachable(Exception):
    """No session could be had.

    Args:
        answer: what that means for the recipients.
        is_away: hosts are known, and none could be talked to.
    """

    def __init__(self, answer: RecipientResult, *, is_away: bool) -> None:
        super().__init__(answer.finding)
        self.answer = answer
        self.is_away = is_away


class Connections:
    """Sessions with next hops, kept for the next message.

    Args:
        hostname: our name in EHLO.
        own: who we are, for the loop guard.
        deadlines: how long next hops may take.
        idle_max: kept sessions of one destination.
        protection: how TLS is done.
        resolver: DNS.
        clock: for the age of what is kept.
        spread: gives a number from 0 up to 1, drawn anew each time.
    """

    def __init__(
        self,
        *,
        hostname: str,
        own: Own,
        deadlines: Deadlines,
        idle_max: int,
        protection: Protection,
        resolver: MxResolver,
        clock: Clock,
        spread: Callable[[], float],
    ) -> None:
        self._hostname = hostname
        self._own = own
        self._deadlines = deadlines
        self._idle_max = idle_max
        self._resolver = resolver
        self._clock = clock
        self._spread = spread
        self._protection = protection
        self._idle: dict[Destination, list[HopSession]] = {}
        self._in_use: Counter[Destination] = Counter()
        self._failed_until: dict[Hop, float] = {}

    def is_in_use(self, destination: Destination) -> bool:
        """Say whether a session with a destination carries or awaits mail, or is being opened."""
        kept = self._idle.get(destination, ())
        return self._in_use[destination] > 0 or any(session.is_usable for session in kept)

    def kept(
        self, destination: Destination, targets: Sequence[Target], *, policy: TlsPolicy
    ) -> HopSession | None:
        """Return a kept session that still looks alive, or None; ``give_back`` takes it again.

        Args:
            destination: where to.
            targets: its configured hosts; a session with another one is not gone on with.
            policy: how mail leaves for it now.
        """
        sessions = self._idle.get(destination)
        now_s = self._clock.monotonic_s()
        while sessions:
            session = sessions.pop()
            is_fit = session.fits(policy) and (not targets or session.hop.target in targets)
            if is_fit and session.is_usable and not _is_old(session, now_s):
                self._in_use[destination] += 1
                return session
            session.abort()
        self._idle.pop(destination, None)
        return None

    async def open(
        self,
        destination: Destination,
        targets: Sequence[Target],
        *,
        policy: TlsPolicy,
        asked_before: bool,
        is_probe: bool,
    ) -> HopSession:
        """Return a new session with the first host of a destination that can be talked to.

        Args:
            destination: where to.
            targets: its configured hosts; not used for one that goes by MX.
            policy: how mail leaves for it.
            asked_before: this is not the first try for this message.
            is_probe: the destination is away: all hosts must be asked before the next probe.

        Raises:
            Unreachable: there is none.
        """
        # Counted while it is being opened: of several that fail together the last one decides.
        self._in_use[destination] += 1
        try:
            hops = await self._hops(destination, targets, asked_before=asked_before)
            tls = self._protection.tls(policy)
            return await self._first_of(hops, tls, is_probe=is_probe)
        except BaseException:  # cancelled too: what was begun is undone
            self._no_longer_in_use(destination)
            raise

    def give_back(self, destination: Destination, session: HopSession) -> None:
        """Keep a session for the next message, or end it when it is of no more use."""
        self._no_longer_in_use(destination)
        sessions = self._idle.setdefault(destination, [])
        now_s = self._clock.monotonic_s()
        total = sum(map(len, self._idle.values()))
        context = len(sessions) < self._idle_max and total < IDLE_SESSIONS_MAX
        if not session.is_usable or not context or _is_old(session, now_s):
            session.abort()
            return
        session.idle_since_s = now_s
        sessions.append(session)

    def overdue(self) -> list[HopSession]:
        """Return sessions that were idle for too long; they are not kept any more."""
        now_s = self._clock.monotonic_s()
        found: list[HopSession] = []
        for destination, sessions in list(self._idle.items()):
            found += [s for s in sessions if now_s - s.idle_since_s >= IDLE_S or not s.is_usable]
            rest = [s for s in sessions if s not in found]
            if rest:
                self._idle[destination] = rest
            else:
                del self._idle[destination]
        return found

    def next_overdue_s(self) -> float | None:
        """Return the monotonic time at which the next kept session is overdue, or None."""
        since = [s.idle_since_s for sessions in self._idle.values() for s in sessions]
        return min(since) + IDLE_S if since else None

    def close(self) -> list[HopSession]:
        """Keep nothing any more; return what was kept."""
        found = [session for sessions in self._idle.values() for session in sessions]
        self._idle.clear()
        return found

    def _no_longer_in_use(self, destination: Destination) -> None:
        self._in_use[destination] -= 1
        if not self._in_use[destination]:
            del self._in_use[destination]

    async def _first_of(self, hops: Sequence[Hop], tls: Tls, *, is_probe: bool) -> HopSession:
        deadlines = self._deadlines
        if is_probe:
            deadlines = deadlines.within(probe_connect_s(deadlines.connect_s, hosts=len(hops)))
        problems: list[HopFailed] = []
        for hop in self._in_order(hops):
            try:
                session = await self._open(hop, deadlines, tls)
            except HopFailed as error:
                problems.append(error)
                self._remember_failed(hop)
                continue
            self._failed_until.pop(hop, None)
            session.opened_s = self._clock.monotonic_s()
            return session
        raise HopUnreachable(_failed(problems), is_away=True)

    async def _open(self, hop: Hop, deadlines: Deadlines, tls: Tls) -> HopSession:
        try:
            return await open_session(hop, hostname=self._hostname, deadlines=deadlines, tls=tls)
        except HopFailed as error:
            if tls.is_required or not error.tls_status:
                raise
            problem = error.what
        # Opportunistic: mail that cannot go protected goes as it went before TLS, on a connection
        # that knows nothing of the failed handshake. The attempt's record tells of it.
        session = await open_session(hop, hostname=self._hostname, deadlines=deadlines, tls=None)
        session.tls_problem = problem
        return session

    async def _hops(
        self, destination: Destination, targets: Sequence[Target], *, asked_before: bool
    ) -> list[Hop]:
        if destination.via is not Via.MX:
            return await self._configured_hops(destination, targets)
        lookup = await self._resolver.exchanges(destination.name)
        hosts = exchanges_of(
            destination.name,
            lookup,
            own=self._own,
            asked_before=asked_before,
            spread=self._spread(),
        )
        if isinstance(hosts, RecipientResult):
            raise HopUnreachable(hosts, is_away=False)
        hops: list[Hop] = []
        founds: list[LookupResult] = []
        refused = False
        for host in hosts:
            found = await self._resolver.addresses(host)
            founds.append(found.found)
            usable = public_addresses(found.records, own=self._own)
            refused = refused or len(usable) < len(found.records)
            hops += [Hop(Target(host, SMTP_PORT), address) for address in usable]
        if not hops:
            answer = nowhere(destination.name, founds, asked_before=asked_before, refused=refused)
            raise HopUnreachable(answer, is_away=False)
        return hops[:HOPS_MAX]

    async def _configured_hops(
        self, destination: Destination, targets: Sequence[Target]
    ) -> list[Hop]:
        if not targets:
            text = f"the domain {destination.name} has no route"
            answer = RecipientResult(stage=Stage.ROUTE, finding=text, status="4.3.5")
            raise HopUnreachable(answer, is_away=False)
        hops: list[Hop] = []
        problem = ""
        for target in targets:
            found = await self._resolver.addresses(target.host)
            hops += [Hop(target, address) for address in found.records]
            problem = problem or f"{target}: {found.found}"
        if not hops:
            raise HopUnreachable(_connect(problem), is_away=True)
        return hops[:HOPS_MAX]

    def _in_order(self, hops: Sequence[Hop]) -> list[Hop]:
        now_s = self._clock.monotonic_s()
        return sorted(hops, key=lambda hop: self._failed_until.get(hop, 0.0) > now_s)

    def _remember_failed(self, hop: Hop) -> None:
        if len(self._failed_until) >= FAILED_MAX:
            self._failed_until.clear()  # only an order of preference is lost
        self._failed_until[hop] = self._clock.monotonic_s() + FAILED_S


def _is_old(session: HopSession, now_s: float) -> bool:
    return now_s - session.opened_s >= LIFETIME_S


def _failed(problems: Sequence[HopFailed]) -> RecipientResult:
    """Return what it means that no host could be talked to as the policy wants it."""
    text = "; ".join(problem.what for problem in problems)[:TEXT_LENGTH_MAX]
    by_tls = [problem.tls_status for problem in problems if problem.tls_status]
    status = by_tls[0] if len(by_tls) == len(problems) else STATUS_UNREACHABLE
    return RecipientResult(stage=Stage.CONNECT, finding=text, status=status)


def _connect(text: str) -> RecipientResult:
    return RecipientResult(stage=Stage.CONNECT, finding=text, status=STATUS_UNREACHABLE)
