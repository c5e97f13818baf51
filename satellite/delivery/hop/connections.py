"""Which host of a destination is tried, and which open SMTP session is reused?

Touches DNS and the next hops. A kept session goes on with its destination; otherwise the hosts are
tried in order until one can be talked to, within one time for all of them. A host that failed a
moment ago is tried last; one that was silent is passed over until it was seen to greet again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from common.clock import Clock
from common.preferences.deliver_to import Target
from common.preferences.policy import TlsPolicy
from satellite.delivery.decisions.hold import ASKED_S_MIN
from satellite.delivery.decisions.outcome import (
    STATUS_LOOP,
    STATUS_UNREACHABLE,
    RecipientResult,
    Stage,
)
from satellite.delivery.decisions.reply import TEXT_LENGTH_MAX
from satellite.delivery.decisions.routing import Destination, Own
from satellite.delivery.hop.hop_finding import HopFinder
from satellite.delivery.hop.host_order import (
    HopUnreachable,
    HostOrder,
    not_found_in_time,
    silence_of,
)
from satellite.delivery.hop.kept_sessions import KeptSessions
from satellite.delivery.hop.lookup import MxResolver
from satellite.delivery.hop.protection import Tls
from satellite.delivery.hop.session import (
    Deadlines,
    Hop,
    HopFailed,
    HopSession,
    open_session,
)
from satellite.delivery.hop.silent_hosts import HostAddress
from satellite.delivery.hop.tls_choice import TlsChoice, TlsDemand

LIFETIME_S = 120.0  # then a preferred host that is back gets its mail again
SHARE_S_MAX = 10.0  # of one host where another may take the mail
SHARE_S_MIN = 1.0  # of one host: a packet that was lost is sent again after one second
OTHERS_MAX = 2  # addresses tried after one that put the mail off
OTHERS_S = 30.0  # for all of that


def _nobody_waits() -> None:
    """Do nothing."""


def _nobody_measures(_target: Target, _connect_s: float) -> None:
    """Do nothing."""


class Connections:
    """Sessions with next hops, kept for the next message.

    Args:
        hostname: our name in EHLO.
        own: who we are, for the loop guard.
        deadlines: how long next hops may take.
        idle_max: kept sessions of one destination.
        tls: how TLS is done.
        resolver: DNS, for the servers that are configured.
        strangers: DNS, for the domains that senders name to us; left out: the same.
        clock: for the age of what is kept.
        spread: gives a number from 0 up to 1, drawn anew each time.
        greets_again: is told of a destination one of whose hosts was silent and has answered.
        reached: is told which configured target a session was opened with, and of its connect.
    """

    def __init__(
        self,
        *,
        hostname: str,
        own: Own,
        deadlines: Deadlines,
        idle_max: int,
        tls: TlsChoice,
        resolver: MxResolver,
        strangers: MxResolver | None = None,
        clock: Clock,
        spread: Callable[[], float],
        greets_again: Callable[[Destination], None],
        reached: Callable[[Target, float], None] = _nobody_measures,
    ) -> None:
        self._reached = reached
        self._order = HostOrder(clock=clock, spread=spread, greets_again=greets_again)
        self.silent = self._order.silent
        self._hostname = hostname
        self._own = own
        self._deadlines = deadlines
        self._finder = HopFinder(resolver, strangers=strangers or resolver, own=own, spread=spread)
        self._clock = clock
        self._tls = tls
        self._kept = KeptSessions(most=idle_max)
        self._in_use: Counter[Destination] = Counter()

    def is_in_use(self, destination: Destination) -> bool:
        """Say whether a session with a destination carries or awaits mail, or is being opened."""
        kept = self._kept.of(destination)
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
        now_s = self._clock.monotonic_s()
        while (session := self._kept.take(destination)) is not None:
            is_fit = session.fits(policy) and (not targets or session.hop.configured in targets)
            if is_fit and session.is_usable and not _is_old(session, now_s):
                self._in_use[destination] += 1
                return session
            session.leave()
        return None

    async def open(
        self,
        destination: Destination,
        targets: Sequence[Target],
        *,
        policy: TlsPolicy,
        asked_before: bool,
        is_probe: bool,
        within_s: float,
        on_found: Callable[[], None] = _nobody_waits,
    ) -> HopSession:
        """Return a new session with the first host of a destination that can be talked to.

        Args:
            destination: where to.
            targets: its configured hosts; not used for one that goes by MX.
            policy: how mail leaves for it.
            asked_before: this is not the first try for this message.
            is_probe: the destination is away: hosts that are silent are asked, too.
            within_s: the time for all steps with all hosts together.
            on_found: called once the hosts are known, before the first of them is asked.

        Raises:
            HopUnreachable: there is none.
        """
        # Counted while it is being opened: of several that fail together the last one decides.
        self._in_use[destination] += 1
        due_s = asyncio.get_running_loop().time() + within_s
        try:
            hops = await self._hops_in_time(destination, targets, due_s, asked_before=asked_before)
            hops = self._order.to_ask(destination, hops, is_probe=is_probe)
            on_found()
            # Whose name took long to find is given a moment all the same, or it would seem silent.
            moment_s = min(within_s, ASKED_S_MIN)
            due_s = max(due_s, asyncio.get_running_loop().time() + moment_s)
            return await self._first_of(destination, hops, policy, due_s, is_probe=is_probe)
        except BaseException:  # cancelled too: what was begun is undone
            self._no_longer_in_use(destination)
            raise

    async def open_other(
        self, destination: Destination, targets: Sequence[Target], *, policy: TlsPolicy, than: Hop
    ) -> HopSession | None:
        """Return a session with another host of a destination; None: there is none.

        Args:
            destination: where to.
            targets: its configured hosts; not used for one that goes by MX.
            policy: how mail leaves for it.
            than: the one that was talked to.
        """
        self._in_use[destination] += 1
        due_s = asyncio.get_running_loop().time() + OTHERS_S
        try:
            hops = await self._hops_in_time(destination, targets, due_s, asked_before=True)
            others = [hop for hop in hops if hop.target != than.target]
            if others:  # most strangers have one host
                asked = self._order.to_ask(destination, others, is_probe=False)[:OTHERS_MAX]
                return await self._first_of(destination, asked, policy, due_s, is_probe=False)
        except HopUnreachable:
            pass  # then it is as if there were none
        except BaseException:  # cancelled too: what was begun is undone
            self._no_longer_in_use(destination)
            raise
        self._no_longer_in_use(destination)
        return None

    async def ask(self, host: HostAddress, *, within_s: float) -> None:
        """Find out whether a silent host, which mail passes over, greets again; no mail is sent."""
        address, port = host
        hop = Hop(Target(address, port), address)
        started_s = self._clock.monotonic_s()
        self.silent.asking(host)
        try:
            async with asyncio.timeout(within_s):
                session = await self._open(hop, self._deadlines, self._tls.opportunistic())
            self._order.answered(hop)
            await session.quit()
        except TimeoutError:
            self._order.fell_silent(hop, started_s=started_s)
        except HopFailed as error:
            self._order.failed(hop, error, started_s=started_s)
        finally:
            self.silent.asked(host)

    def hangs(self, destination: Destination, session: HopSession) -> None:
        """Take note that a session takes long: it is no sign of life, nor are those beside it."""
        if session.is_hanging:
            return
        session.is_hanging = True
        self._no_longer_in_use(destination)
        for other in self._kept.let_go(destination):
            other.abort()

    def give_back(self, destination: Destination, session: HopSession) -> None:
        """Keep a session for the next message, or end it when it is of no more use."""
        if session.is_hanging:
            session.is_hanging = False
        else:
            self._no_longer_in_use(destination)
        now_s = self._clock.monotonic_s()
        is_good = session.is_usable and not _is_old(session, now_s)
        if not (is_good and self._kept.keep(destination, session, now_s=now_s)):
            session.leave()

    def overdue(self) -> list[HopSession]:
        """Return sessions that were idle for too long; they are not kept any more."""
        return self._kept.overdue(self._clock.monotonic_s())

    def next_overdue_s(self) -> float | None:
        """Return the monotonic time at which the next kept session is overdue, or None."""
        return self._kept.next_s()

    def close(self) -> list[HopSession]:
        """Keep nothing any more; return what was kept."""
        return self._kept.let_all_go()

    def _no_longer_in_use(self, destination: Destination) -> None:
        self._in_use[destination] -= 1
        if not self._in_use[destination]:
            del self._in_use[destination]

    async def _hops_in_time(
        self,
        destination: Destination,
        targets: Sequence[Target],
        due_s: float,
        *,
        asked_before: bool,
    ) -> list[Hop]:
        try:
            async with asyncio.timeout_at(due_s):
                return await self._finder.hops(destination, targets, asked_before=asked_before)
        except TimeoutError:
            raise not_found_in_time(destination) from None

    async def _first_of(
        self,
        destination: Destination,
        hops: Sequence[Hop],
        policy: TlsPolicy,
        due_s: float,
        *,
        is_probe: bool,
    ) -> HopSession:
        problems: list[HopFailed] = []
        for number, hop in enumerate(hops):
            left_s = due_s - asyncio.get_running_loop().time()
            if left_s <= 0 and problems:
                break  # nothing is said of who was not asked
            share_s = max(left_s / (len(hops) - number), SHARE_S_MIN)
            if number + 1 < len(hops):
                share_s = min(share_s, SHARE_S_MAX)
            started_s = self._clock.monotonic_s()
            if is_probe:
                self.silent.asking(hop.host)
            try:
                with self._order.pending(hop):
                    async with asyncio.timeout(min(share_s, left_s)):
                        demand = await self._tls.of(hop, policy)
                        session = await self._open(hop, self._deadlines.within(share_s), demand)
            except TimeoutError:
                what = f"no session within {share_s:g} s"
                problems.append(HopFailed(hop, what, is_silence=True))
            except HopFailed as error:
                problems.append(error)
            except asyncio.CancelledError:  # it had its time, and others wait for the place
                if self._clock.monotonic_s() - started_s >= ASKED_S_MIN:
                    self._order.fell_silent(hop, started_s=started_s)
                raise
            else:
                session.deadlines = self._deadlines
                self._order.answered(hop)
                self._reached(hop.configured, session.wire.connect_s)
                session.policy = policy
                session.opened_s = self._clock.monotonic_s()
                return session
            finally:
                if is_probe:
                    self.silent.asked(hop.host)
            self._order.failed(hop, problems[-1], started_s=started_s)
            self.silent.waits(hop.host, destination)
        reason = silence_of(hops) if all(problem.is_silence for problem in problems) else ""
        raise HopUnreachable(_failed(problems), is_away=True, reason=reason)

    async def _open(self, hop: Hop, deadlines: Deadlines, demand: TlsDemand) -> HopSession:
        try:
            session = await self._opened(hop, deadlines, demand.tls)
        except HopFailed as error:
            self._tls.note(hop, demand, error)
            if not error.tls_status:
                raise
            if demand.is_testing:
                return await self._open(hop, deadlines, self._tls.opportunistic())
            if demand.tls.is_required:
                raise
            problem = error.what
        else:
            self._tls.note(hop, demand, None)
            return session
        # Opportunistic: mail that cannot go protected goes as it went before TLS, on a connection
        # that knows nothing of the failed handshake. The attempt's record tells of it.
        session = await self._opened(hop, deadlines, None)
        session.tls_problem = problem
        return session

    async def _opened(self, hop: Hop, deadlines: Deadlines, tls: Tls | None) -> HopSession:
        return await open_session(
            hop,
            hostname=self._hostname,
            deadlines=deadlines,
            tls=tls,
            is_own=partial(self._own.is_us, hop.target),
        )


def _is_old(session: HopSession, now_s: float) -> bool:
    return now_s - session.opened_s >= LIFETIME_S


def _failed(problems: Sequence[HopFailed]) -> RecipientResult:
    """Return what it means that no host could be talked to as the policy wants it."""
    text = "; ".join(problem.what for problem in problems)[:TEXT_LENGTH_MAX]
    by_tls = [problem.tls_status for problem in problems if problem.tls_status]
    status = by_tls[0] if len(by_tls) == len(problems) else STATUS_UNREACHABLE
    if all(problem.is_loop for problem in problems):
        status = STATUS_LOOP
    return RecipientResult(stage=Stage.CONNECT, finding=text, status=status)
