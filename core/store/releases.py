"""How are releases kept, assigned and claimed?

Touches the database: each step is durable before anybody hears of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection, insert

from common.address import fold
from common.clock import Clock
from common.identity import ShardIdentity
from core.quarantine.assignment import Place, Release, ReleaseState, assign, refusal
from core.quarantine.cases import (
    CaseNotHeld,
    CaseState,
    KeptCase,
    NoSuchRecipient,
    check_step,
)
from core.store import case_rows, incarnations, open_releases, release_rows, tables
from core.store.audit import write_entry
from core.store.writer import StoreReaders, StoreWriter


@dataclass(frozen=True, slots=True)
class Claimed:
    """A release and its case; ``reason`` says why it is not granted, empty when it is."""

    release: Release | None
    case: KeptCase | None
    reason: str


class ReleaseStore:
    """The rows of releases."""

    def __init__(self, writer: StoreWriter, readers: StoreReaders, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._reminded: dict[Place, str] = {}  # the last claimed one that a shard was reminded of

    async def request(
        self,
        message_id: str,
        *,
        release_id: str,
        who: str,
        again: bool,
        recipients: Sequence[str] = (),
    ) -> tuple[Release, bool]:
        """Return the release of a message, and whether it is a new one.

        One that was asked for before is not made a second time: whoever of its recipients has one
        already is left out of the new one.

        Args:
            message_id: the quarantined message.
            release_id: what a new one shall be called.
            who: for the release and the audit.
            again: make another although one was claimed already.
            recipients: to whom, in any spelling that names the same mailbox; none: all.

        Raises:
            UnknownCase: there is no such message.
            CaseNotHeld: its body is not here yet, or not any more.
            NoSuchRecipient: it is not kept for one of these.
        """
        now_us = self._clock.now_us()

        def work(connection: Connection) -> tuple[Release, bool]:
            case = case_rows.get(connection, message_id)
            if case.state is CaseState.DELETED:
                raise CaseNotHeld(message_id, case.state, "released")
            everybody = case.told.recipients
            wanted = _wanted(message_id, everybody, recipients)
            known = release_rows.of_case(connection, message_id)
            waiting = [release for release in known if release.state is ReleaseState.WAITING]
            there = _all_of(waiting if again else known, everybody)
            left = [one for one in wanted if one not in there]
            if not left:
                return _newest_for(wanted, waiting or known, everybody), False
            is_again = not _all_of(known, everybody).isdisjoint(left)
            check_step(message_id, case.state, CaseState.RELEASING, wish="released")
            case_rows.set_state(connection, message_id, CaseState.RELEASING)
            _insert(
                connection,
                release_id,
                message_id,
                now_us=now_us,
                who=who,
                again=is_again,
                recipients=() if len(left) == len(everybody) else left,
            )
            write_entry(
                connection,
                now_us=now_us,
                who=who,
                what="quarantine.release",
                subject=message_id,
                detail=_told(left, everybody, is_again=is_again),
            )
            return release_rows.get(connection, release_id), True

        return await self._writer.run(work)

    async def assigned(self, connected: Collection[Place], *, claim_wait_us: int) -> list[Release]:
        """Assign what nobody has claimed, and return what the connected shards should be offered.

        A release that was claimed and is not done is offered to the life that claimed it.
        """
        now_us = self._clock.now_us()
        waiting, claimed = await self._readers.link.run(lambda c: self._open(c, connected))
        found: list[Release] = []
        moves: list[tuple[Release, Place]] = []
        for release, origin in waiting:
            place = assign(
                release,
                origin=origin,
                connected=connected,
                now_us=now_us,
                claim_wait_us=claim_wait_us,
            )
            if place is not None and place != release.place:
                moves.append((release, place))
            else:
                found.append(release)
        found += await self._move(moves, now_us=now_us)
        return [release for release in (*found, *claimed) if release.place in connected]

    def _open(
        self, connection: Connection, connected: Collection[Place]
    ) -> tuple[list[tuple[Release, Place]], list[Release]]:
        """Return releases that nobody has claimed, and those that connected shards have."""
        theirs: list[Release] = []
        for place in connected:
            after = self._reminded.get(place, "")
            some = open_releases.claimed(connection, place, after=after)
            self._reminded[place] = some[-1].id if some else ""
            theirs += some
        return open_releases.waiting(connection), theirs

    async def _move(self, moves: Sequence[tuple[Release, Place]], *, now_us: int) -> list[Release]:
        """Assign releases, some at a time, and return them as they are now."""
        found: list[Release] = []
        for start in range(0, len(moves), open_releases.MOVES_MAX):
            some = moves[start : start + open_releases.MOVES_MAX]
            moved = await self._writer.run(partial(open_releases.move, moves=some, now_us=now_us))
            found += [
                replace(release, node=place[0], shard=place[1], assigned_us=now_us)
                for release, place in some
                if release.id in moved
            ]
        return found

    async def claim(self, identity: ShardIdentity, release_id: str) -> Claimed:
        """Give a release to a shard, or say why not.

        Raises:
            Fenced: a later life of the shard has spoken.
        """
        now_us = self._clock.now_us()

        def work(connection: Connection) -> Claimed:
            incarnations.enter(connection, identity, now_us=now_us)
            claimed = _look(connection, identity, release_id)
            if claimed.reason or claimed.release is None:
                return claimed
            if claimed.release.state is ReleaseState.WAITING:
                release_rows.change(
                    connection,
                    release_id,
                    state=str(ReleaseState.CLAIMED),
                    incarnation=identity.incarnation,
                    claimed_us=now_us,
                )
            return claimed

        return await self._writer.run(work)

    async def held_by(self, identity: ShardIdentity, release_id: str) -> Claimed:
        """Return a release that this shard has claimed; otherwise say why it may not read it."""

        def read(connection: Connection) -> Claimed:
            incarnations.check(connection, identity)
            claimed = _look(connection, identity, release_id, locks=False)
            if claimed.release and claimed.release.state is ReleaseState.WAITING:
                return Claimed(claimed.release, None, "it was not claimed")
            return claimed

        return await self._readers.link.run(read)

    async def release(self, release_id: str) -> Release | None:
        """Return one release."""
        return await self._readers.link.run(lambda c: release_rows.find(c, release_id, locks=False))

    async def of_case(self, message_id: str) -> list[Release]:
        """Return every release of a message, the oldest first."""
        return await self._readers.people.run(lambda c: release_rows.of_case(c, message_id))


def _wanted(
    message_id: str, everybody: Sequence[str], recipients: Sequence[str]
) -> tuple[str, ...]:
    """Return the recipients that are meant, as they came."""
    kept = {one: _folded(one) for one in everybody}
    asked = {_folded(one): one for one in recipients}
    for folded, given in asked.items():
        if folded not in kept.values():
            raise NoSuchRecipient(message_id, given, recipients=everybody)
    return tuple([one for one in everybody if not asked or kept[one] in asked])


def _folded(address: str) -> str:
    return fold(address) if "@" in address else address.casefold()


def _all_of(releases: Sequence[Release], everybody: Sequence[str]) -> set[str]:
    return {address for release in releases for address in release.delivers_to(everybody)}


def _newest_for(
    wanted: Sequence[str], releases: Sequence[Release], everybody: Sequence[str]
) -> Release:
    """Return the newest release that delivers to one of these; there is one."""
    return [one for one in releases if not set(wanted).isdisjoint(one.delivers_to(everybody))][-1]


def _told(left: Sequence[str], everybody: Sequence[str], *, is_again: bool) -> str:
    """Return what the audit says of a release."""
    whom = "" if len(left) == len(everybody) else f"to {', '.join(left)}"
    return "; ".join(filter(None, (whom, "again: it may be delivered twice" if is_again else "")))


def _look(
    connection: Connection, identity: ShardIdentity, release_id: str, *, locks: bool = True
) -> Claimed:
    release = release_rows.find(connection, release_id, locks=locks)
    reason = refusal(release, place=identity.place, incarnation=identity.incarnation)
    if reason or release is None:
        return Claimed(release, None, reason)
    case = case_rows.find(connection, release.message_id, locks=locks)
    if case is None or case.state is CaseState.DELETED:
        return Claimed(release, None, "its body is gone")
    if case.state is CaseState.ARRIVING:
        return Claimed(release, None, "its body was lost, and is asked for again")
    return Claimed(release, case, "")


def _insert(
    connection: Connection,
    release_id: str,
    message_id: str,
    *,
    now_us: int,
    who: str,
    again: bool,
    recipients: Sequence[str],
) -> None:
    connection.execute(
        insert(tables.release).values(
            id=release_id,
            message_id=message_id,
            requested_us=now_us,
            requested_by=who[:200],
            again=again,
            state=str(ReleaseState.WAITING),
            node="",
            shard=0,
            incarnation="",
            assigned_us=0,
            claimed_us=0,
            done_us=0,
            released_as="",
            recipients=json.dumps(list(recipients)),
        )
    )
