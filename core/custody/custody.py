"""What can be done with the messages that are held here?

Touches the database and the folder of bodies. A body goes only after its case is ``deleted``, and
only when no other case stands on the same octets.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

from common.address import fold, parse_domain
from common.clock import Clock
from common.identity import ShardIdentity
from common.ids import is_ulid
from common.tasks import finish
from core.custody.bodies import BodyFolder, Partial
from core.quarantine.cases import TABLE, CaseNotHeld, CaseState, KeptCase, UnknownCase
from core.quarantine.retention import BodyDays
from core.store.case_pages import CaseFilter
from core.store.database import Database
from core.store.retention import Rest

GRACE_S = 86_400  # a file that nobody stands on may still be on its way for so long
EVER_US = 1 << 62  # later than any file
PAGE = 200  # cases that are looked at at once
FOLDERS = 256  # of bodies, one for each first octet of a digest
RETENTION = "retention"  # who, in cases and in the audit


@dataclass(frozen=True, slots=True)
class SweptFiles:
    """How many files nobody stood on any more; those set aside are still there."""

    partials: int
    bodies: int
    aside: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledCases:
    """How many bodies no case knew, and how many cases had no body."""

    aside: int
    wanted: int


class LetGo(Enum):
    """What became of a body that no case seemed to stand on."""

    NOT = auto()
    REMOVED = auto()
    SET_ASIDE = auto()  # no case ever had it


class Custody:
    """The quarantine as people see it."""

    def __init__(self, *, database: Database, bodies: BodyFolder, clock: Clock) -> None:
        self._cases = database.cases
        self._bodies = bodies
        self._clock = clock

    async def cases(
        self,
        *,
        state: CaseState | None = None,
        customer: str | None = None,
        domain: str | None = None,
        recipient: str | None = None,
        node: str | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 50,
    ) -> list[KeptCase]:
        """Return cases, the newest first.

        Args:
            state: only those in this state.
            customer: only mail to this customer.
            domain: only mail to this domain.
            recipient: only mail to this address.
            node: only what this node quarantined.
            before: ``(quarantined_us, message_id)`` of the last one of the page before.
            limit: at most so many.

        Raises:
            AddressError: ``domain`` is none.
        """
        return await self._cases.cases(
            CaseFilter(
                state=state,
                customer=customer,
                domain=parse_domain(domain) if domain is not None else None,
                recipient=fold(recipient) if recipient is not None else None,
                node=node,
                before=before,
            ),
            limit=limit,
        )

    async def case(self, message_id: str) -> KeptCase | None:
        """Return one case, or None when there is none."""
        return await self._cases.case(message_id) if is_ulid(message_id) else None

    async def read(self, message_id: str, offset: int, length: int) -> bytes:
        """Return octets of a message's body; none beyond its end.

        Raises:
            UnknownCase: there is no such message.
            CaseNotHeld: its body is not here yet, or not any more.
            EnvironmentFailure: the disk failed.
        """
        case = await self.case(message_id)
        if case is None:
            raise UnknownCase(message_id)
        if not TABLE[case.state].keeps_body:
            raise CaseNotHeld(message_id, case.state, "read")
        return await self._bodies.read(case.told.sha256, offset, length)

    async def delete(self, message_id: str, *, who: str) -> KeptCase:
        """Delete a message's body for good; its row stays. A second time changes nothing.

        Raises:
            UnknownCase: there is no such message.
            CaseNotHeld: it is arriving, or a release of it is under way.
        """
        case = await self.case(message_id)
        if case is None:
            raise UnknownCase(message_id)
        return await finish(self._delete(case, who))

    async def expire(self, kept: BodyDays, *, rest: Rest, who: str = RETENTION) -> int:
        """Delete the bodies that were kept for long enough; return how many messages that was.

        What is arriving, or being released, stays for the next time.

        Args:
            kept: for how long.
            rest: awaited after each step, so that others have their turn.
            who: for the cases.
        """
        now_us = self._clock.now_us()
        before_us = kept.any_over_us(now_us=now_us)
        deleted = 0
        for state in (CaseState.HELD, CaseState.RELEASED):
            after = (0, "")
            while found := await self._cases.old_bodies(state, before_us=before_us, after=after):
                for case in found:
                    if kept.is_over(case.reason, held_us=case.held_us, now_us=now_us):
                        deleted += await finish(self._expire(case.message_id, who))
                        await rest()
                after = found[-1].place
        return deleted

    async def sweep(self, *, rest: Rest, grace_s: float = GRACE_S) -> SweptFiles:
        """Remove files that no case stands on and that are older than ``grace_s`` seconds.

        They are left by a crash between a file and its row, and by shards that never came back. A
        body that no case ever had is set aside instead: the database may have been put back to a
        time before it came, and its satellite has let go of it.

        Args:
            rest: awaited after each of some hundred steps.
            grace_s: how old.
        """
        limit_us = self._clock.now_us() - round(grace_s * 1_000_000)
        partials = 0
        for name in await self._bodies.partials_older_than(limit_us):
            if not await self._is_arriving(name):
                await self._bodies.discard_file(name)
                partials += 1
            await rest()
        bodies = aside = 0
        for first in range(FOLDERS):
            old = await self._bodies.bodies_older_than(limit_us, first=first)
            needed = await self._cases.needed_bodies(old)
            for sha256 in old:
                if sha256 not in needed:
                    gone = await self._let_go(sha256)
                    bodies += gone is LetGo.REMOVED
                    aside += gone is LetGo.SET_ASIDE
            if old:
                await rest()
        return SweptFiles(partials, bodies, aside)

    async def settle(self, *, who: str) -> SettledCases:
        """Make cases and bodies agree after one of them was put back, before anybody comes.

        A case whose body is not there is asked for again; a body that no case knows is set aside.
        """
        aside, wanted, after = 0, 0, ""
        for first in range(FOLDERS):
            found = await self._bodies.bodies_older_than(EVER_US, first=first)
            for page in (found[start : start + PAGE] for start in range(0, len(found), PAGE)):
                for sha256 in set(page) - await self._cases.known_bodies(page):
                    await self._bodies.set_aside(sha256)
                    aside += 1
        while cases := await self._cases.keeping(after=after, limit=PAGE):
            after = cases[-1].message_id
            missing = await self._bodies.missing([(c.told.sha256, c.told.size) for c in cases])
            lost = [one for one in cases if one.told.sha256 in missing]
            if lost:
                wanted += await self._cases.want_again(lost, who=who)
        return SettledCases(aside=aside, wanted=wanted)

    async def _let_go(self, sha256: bytes) -> LetGo:
        """Let a body go, unless a case has come that stands on it."""
        async with self._bodies.lock(sha256):
            if await self._cases.body_is_needed(sha256):
                return LetGo.NOT
            if await self._cases.known_bodies([sha256]):
                await self._bodies.remove(sha256)
                return LetGo.REMOVED
            await self._bodies.set_aside(sha256)
            return LetGo.SET_ASIDE

    async def _expire(self, message_id: str, who: str) -> bool:
        """Delete one that was kept for long enough, unless it moved meanwhile."""
        case = await self.case(message_id)
        if case is None or case.state not in (CaseState.HELD, CaseState.RELEASED):
            return False
        with suppress(CaseNotHeld):
            await self._delete(case, who, is_audited=False)
            return True
        return False

    async def _delete(self, case: KeptCase, who: str, *, is_audited: bool = True) -> KeptCase:
        async with self._bodies.lock(case.told.sha256):
            deleted = await self._cases.delete(case.message_id, who=who, is_audited=is_audited)
            if deleted.body_is_free:
                await self._bodies.remove(case.told.sha256)
            return deleted.case

    async def _is_arriving(self, file_name: str) -> bool:
        case = await self.case(file_name.rpartition(".")[2])
        if case is None or case.state is not CaseState.ARRIVING:
            return False
        owner = ShardIdentity(case.node, case.shard, case.incarnation)
        return Partial(owner, case.message_id).file_name == file_name
