"""How are quarantined messages kept, and found again?

Touches the database. The bodies are not here: ``held`` is written only after a body is durable, and
a body goes only after ``deleted`` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select, tuple_

from common.clock import Clock
from common.identity import ShardIdentity, check_identity
from common.link import Case
from core.quarantine.cases import (
    KEEPING_BODY,
    CaseRefused,
    CaseState,
    KeptCase,
    check_case,
    check_step,
)
from core.store import case_pages, case_rows, incarnations, lost, release_rows, tables
from core.store.audit import write_entry
from core.store.case_pages import CaseFilter
from core.store.case_room import CaseRoom
from core.store.message_rows import in_parts
from core.store.preferences import PreferenceStore
from core.store.writer import StoreReaders, StoreWriter

OLD_BODIES_MAX = 200  # in one answer
_KEEPING = [str(state) for state in KEEPING_BODY]


@dataclass(frozen=True, slots=True)
class Deleted:
    """A case that is gone, and whether its body may go too."""

    case: KeptCase
    body_is_free: bool


@dataclass(frozen=True, slots=True)
class OldBody:
    """What decides on how long a body stays; times by our clock."""

    message_id: str
    opened_us: int
    held_us: int
    reason: str

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands among those of its state."""
        return self.opened_us, self.message_id


class CaseStore:
    """The rows of the quarantine."""

    def __init__(
        self, writer: StoreWriter, readers: StoreReaders, clock: Clock, preferences: PreferenceStore
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._preferences = preferences
        self.room = CaseRoom(readers.link)

    async def open_case(self, identity: ShardIdentity, told: Case) -> tuple[KeptCase, bool]:
        """Keep what a satellite says of a message; return the case and whether it is begun anew.

        Raises:
            IdentityRefused: it names no shard.
            CaseRefused: it can never be taken, or belongs to another shard.
            Fenced: a later life of the shard has spoken.
            QuarantineFull: its node has too much here; what was opened before may still arrive.
        """
        check_identity(identity)
        await self.room.know(now_s=self._clock.monotonic_s())
        told = case_rows.tidy(check_case(told))
        preferences = self._preferences.current
        now_us = self._clock.now_us()

        def customer_of(domain: str) -> str:
            route = preferences.route(domain)
            return route.customer if route else ""

        def work(connection: Connection) -> tuple[KeptCase, bool]:
            incarnations.enter(connection, identity, now_us=now_us)
            case = case_rows.find(connection, told.message_id)
            if case is not None:
                _check_owner(case, identity)
                if case.state is not CaseState.ARRIVING:
                    _check_same_body(case, told)
                    return case, False
                if case.told == told and case.incarnation == identity.incarnation:
                    return case, False
            more = told.size - (case.told.size if case is not None else 0)
            if more > 0:
                self.room.check(told.message_id, identity.node, more)
            case_rows.put(connection, identity, told, now_us=now_us, customer_of=customer_of)
            self.room.changed(identity.node, more)
            return case_rows.get(connection, told.message_id), True

        return await self._writer.run(work)

    async def arriving(self, identity: ShardIdentity, message_id: str) -> KeptCase:
        """Return a case of this shard that its body may be written for.

        Raises:
            CaseRefused: it was never opened, or not in this life of the shard.
            Fenced: a later life of the shard has spoken.
        """

        def read(connection: Connection) -> KeptCase:
            incarnations.check(connection, identity)
            case = case_rows.find(connection, message_id, locks=False)
            if case is None:
                raise CaseRefused(message_id, "it was not opened")
            _check_owner(case, identity)
            if case.state is CaseState.ARRIVING and case.incarnation != identity.incarnation:
                raise CaseRefused(message_id, "it was not opened in this life of the shard")
            return case

        return await self._readers.link.run(read)

    async def hold(self, identity: ShardIdentity, message_id: str) -> KeptCase:
        """Write that a body is durable and right; after this the satellite may let go of its own.

        Raises:
            UnknownCase, CaseRefused, CaseNotHeld: it was not arriving from this shard.
            Fenced: a later life of the shard has spoken.
        """
        now_us = self._clock.now_us()

        def work(connection: Connection) -> KeptCase:
            incarnations.enter(connection, identity, now_us=now_us)
            case = case_rows.get(connection, message_id)
            _check_owner(case, identity)
            check_step(message_id, case.state, CaseState.HELD, wish="held")
            # One whose body was lost may have been released before, or half of it.
            after = release_rows.state_of_case(connection, case)
            case_rows.set_state(connection, message_id, after, held_us=now_us)
            lost.arrived_after_all(connection, message_id)
            return case_rows.get(connection, message_id)

        return await self._writer.run(work)

    async def want_again(self, lost: Sequence[KeptCase], *, who: str) -> int:
        """Write that bodies are not here after all, and return of how many cases that is news."""
        now_us = self._clock.now_us()

        def work(connection: Connection) -> int:
            count = 0
            for known in lost:
                case = case_rows.find(connection, known.message_id)
                if case is not None and case.state in KEEPING_BODY:
                    # It has as long to arrive as one that is opened now.
                    again = {"held_us": 0, "opened_us": now_us}
                    case_rows.set_state(connection, case.message_id, CaseState.ARRIVING, **again)
                    write_entry(
                        connection,
                        now_us=now_us,
                        who=who,
                        what="quarantine.lost",
                        subject=case.message_id,
                        detail=f"its body is not there; it was {case.state}",
                    )
                    count += 1
            return count

        return await self._writer.run(work)

    async def keeping(self, *, after: str, limit: int) -> list[KeptCase]:
        """Return cases that stand on a body, in the order of their ids, after one of them."""
        table = tables.quarantine_case
        query = (
            select(table)
            .where(
                # By the ids: an index of states would have each page read all there are.
                table.c.message_id > after,
                table.c.state.concat("").in_(_KEEPING),
            )
            .order_by(table.c.message_id)
            .limit(limit)
        )
        return await self._readers.people.run(
            lambda connection: [case_rows.as_case(row) for row in connection.execute(query)]
        )

    async def case(self, message_id: str) -> KeptCase | None:
        """Return one case, or None when there is none."""
        return await self._readers.people.run(
            lambda connection: case_rows.find(connection, message_id, locks=False)
        )

    async def cases(self, wanted: CaseFilter, *, limit: int) -> list[KeptCase]:
        """Return cases, the newest first."""
        return await self._readers.people.run(lambda c: case_pages.page(c, wanted, limit=limit))

    async def old_bodies(
        self, state: CaseState, *, before_us: int, after: tuple[int, str]
    ) -> list[OldBody]:
        """Return cases in a state that were opened before a time, the oldest first, some of them.

        Args:
            state: one that keeps its body.
            before_us: microseconds since the epoch, UTC, by our clock.
            after: ``place`` of the last one that was looked at; ``(0, "")`` to begin.
        """
        table = tables.quarantine_case
        names = ("message_id", "opened_us", "held_us", "reason")
        query = (
            select(*(table.c[name] for name in names))
            .where(
                table.c.state == str(state),
                tuple_(table.c.opened_us, table.c.message_id) > tuple_(*after),
                table.c.opened_us < before_us,
            )
            .order_by(table.c.opened_us, table.c.message_id)
            .limit(OLD_BODIES_MAX)
        )
        return await self._readers.people.run(
            lambda connection: [OldBody(*row) for row in connection.execute(query)]
        )

    async def delete(self, message_id: str, *, who: str, is_audited: bool = True) -> Deleted:
        """Write that a case is deleted; a second time changes nothing.

        Args:
            message_id: the case.
            who: wants it so.
            is_audited: whether the audit gets an entry of it; one entry tells of all that expire.

        Raises:
            UnknownCase: there is none.
            CaseNotHeld: it is arriving, or a release of it is under way.
        """
        now_us = self._clock.now_us()

        def work(connection: Connection) -> Deleted:
            case = case_rows.get(connection, message_id)
            if case.state is not CaseState.DELETED:
                check_step(message_id, case.state, CaseState.DELETED, wish="deleted")
                case_rows.set_state(
                    connection,
                    message_id,
                    CaseState.DELETED,
                    deleted_us=now_us,
                    deleted_by=who[:200],
                )
                self.room.changed(case.node, -case.told.size)
                if is_audited:
                    what = "quarantine.delete"
                    write_entry(connection, now_us=now_us, who=who, what=what, subject=message_id)
                case = case_rows.get(connection, message_id)
            return Deleted(case, not _is_needed(connection, case.told.sha256))

        return await self._writer.run(work)

    async def needed_bodies(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return those of some bodies that a case stands on."""
        table = tables.quarantine_case

        def read(connection: Connection) -> set[bytes]:
            found: set[bytes] = set()
            for part in in_parts(digests):
                stands = and_(table.c.sha256.in_(part), table.c.state.in_(_KEEPING))
                found.update(connection.scalars(select(table.c.sha256).where(stands).distinct()))
            return found

        return await self._readers.people.run(read)

    async def body_is_needed(self, sha256: bytes) -> bool:
        """Say whether a case still stands on this body."""
        return await self._readers.people.run(lambda connection: _is_needed(connection, sha256))

    async def known_bodies(self, bodies: Sequence[bytes]) -> set[bytes]:
        """Return those of some digests that any case ever had, as far as this database knows."""
        table = tables.quarantine_case

        def read(connection: Connection) -> set[bytes]:
            # One by one: a mailing's body has very many cases, of which the first one is enough.
            return {
                one
                for one in bodies
                if connection.execute(
                    select(table.c.sha256).where(table.c.sha256 == one).limit(1)
                ).first()
            }

        return await self._readers.people.run(read)


def _check_owner(case: KeptCase, identity: ShardIdentity) -> None:
    if (case.node, case.shard) != identity.place:
        # P9: a stolen certificate must not reach another node's mail.
        raise CaseRefused(case.message_id, "it belongs to another shard")


def _check_same_body(case: KeptCase, told: Case) -> None:
    if (case.told.sha256, case.told.size) != (told.sha256, told.size):
        # To say `durable` would let the satellite delete a body that nobody else has.
        raise CaseRefused(case.message_id, "another body was taken for it before")


def _is_needed(connection: Connection, sha256: bytes) -> bool:
    table = tables.quarantine_case
    query = (
        select(table.c.message_id)
        .where(table.c.sha256 == sha256, table.c.state.in_(_KEEPING))
        .limit(1)
    )
    return connection.execute(query).first() is not None
