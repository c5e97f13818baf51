"""How is it kept which nodes have joined, and with which tokens one may?

Touches the database. A token is used and its node entered in one transaction, so that of two who
come with one token one joins. A secret is never here: only its digest is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from common.clock import Clock
from common.counted import counted
from core.people.members import RETIRED_S, MadeToken, MemberGone, NodeMember, TokenNotGood
from core.store import tables
from core.store.audit import write_entry
from core.store.writer import StoreReaders, StoreWriter

KEPT_US = 7 * 86_400_000_000  # of tokens that are over: the audit has them for longer


class MemberStore:
    """The members, and the tokens for those that are to be."""

    def __init__(self, writer: StoreWriter, readers: StoreReaders, clock: Clock) -> None:
        self._writer = writer
        self._people = readers.people
        self._link = readers.link
        self._clock = clock

    async def members(self) -> list[NodeMember]:
        """Return all that have ever joined, those that were revoked included."""
        query = select(tables.member).order_by(tables.member.c.node)
        return await self._link.run(lambda c: [_member(row) for row in c.execute(query)])

    async def token(self, digest: str) -> MadeToken | None:
        """Return the token whose secret has this digest."""
        query = select(tables.join_token).where(tables.join_token.c.digest == digest)

        def read(connection: Connection) -> MadeToken | None:
            row = connection.execute(query).first()
            return None if row is None else MadeToken(**row._mapping)

        return await self._link.run(read)

    async def tokens(self) -> list[MadeToken]:
        """Return the tokens that nobody has used and whose time is not over."""
        table = tables.join_token
        now_us = self._clock.now_us()
        query = (
            select(table)
            .where(table.c.expires_us > now_us, table.c.used_us == 0)
            .order_by(table.c.expires_us)
        )
        return await self._people.run(
            lambda c: [MadeToken(**row._mapping) for row in c.execute(query)]
        )

    async def add_token(self, token: MadeToken) -> None:
        """Keep a token that was made, and forget those that are long over."""
        now_us, table = self._clock.now_us(), tables.join_token
        values = {name: getattr(token, name) for name in table.c.keys()}  # noqa: SIM118

        def work(connection: Connection) -> None:
            connection.execute(delete(table).where(table.c.expires_us < now_us - KEPT_US))
            connection.execute(insert(table).values(values))
            detail = f"good until {token.expires_us // 1_000_000}" + (", again" * token.again)
            write_entry(
                connection,
                now_us=now_us,
                who=token.who,
                what="member.token",
                subject=token.node,
                detail=detail,
            )

        await self._writer.run(work)

    async def withdraw_tokens(self, node: str = "", *, who: str) -> int:
        """Make tokens worthless that nobody has used; return how many those were.

        Args:
            node: whose; empty: all nodes'.
            who: for the audit.
        """
        now_us, table = self._clock.now_us(), tables.join_token

        def work(connection: Connection) -> int:
            gone = connection.execute(delete(table).where(_unused(node, now_us=now_us))).rowcount
            if gone or node:
                write_entry(
                    connection,
                    now_us=now_us,
                    who=who,
                    what="member.token_withdrawn",
                    subject=node or "all nodes",
                    detail=counted(gone, "token"),
                )
            return gone

        return await self._writer.run(work)

    async def join(
        self, digest: str, *, keys: str, issued: str, member: NodeMember, client: str
    ) -> tuple[NodeMember, str]:
        """Use a token for a member, and return it with what was signed for it.

        Whoever came before with the same keys gets what he got then.

        Args:
            digest: of the token's secret.
            keys: tell these keys from all others.
            issued: what was signed for them, JSON.
            member: as it is to be.
            client: where it came from, for the audit.

        Raises:
            TokenNotGood: it is not, or not any more.
        """
        now_us, table = self._clock.now_us(), tables.join_token

        def work(connection: Connection) -> tuple[NodeMember, str]:
            row = connection.execute(select(table).where(table.c.digest == digest)).first()
            token = None if row is None else MadeToken(**row._mapping)
            if token is None or not token.is_good_for(keys, now_us=now_us):
                raise TokenNotGood
            known = _of(connection, token.node)
            if token.used_us:
                if known is None or known.revoked_us:  # revoked between the two
                    raise TokenNotGood
                return known, token.issued
            if known is not None and not known.revoked_us and not token.again:
                raise TokenNotGood
            connection.execute(
                update(table)
                .where(table.c.digest == digest)
                .values(used_us=now_us, keys=keys, issued=issued)
            )
            _put(connection, member)
            detail = f"from {client}" + (", in place of what it had" if known else "")
            write_entry(
                connection,
                now_us=now_us,
                who=member.node,
                what="member.joined",
                subject=member.node,
                detail=detail,
            )
            return member, issued

        return await self._writer.run(work)

    async def change(
        self,
        node: str,
        change: Callable[[NodeMember], NodeMember],
        *,
        who: str,
        what: str,
        detail: str = "",
        shown: str | None = None,
        ends_tokens: bool = False,
    ) -> NodeMember:
        """Change what is known of a member, and return that.

        Args:
            node: its name.
            change: returns it as it is to be; may raise what is wrong, and nothing is written.
            who, what, detail: for the audit.
            shown: serial number of the certificate that the member shows; None: a person asks. It
                was let in when the member began to ask. But a request may take its time, and
                another machine may have joined in its place meanwhile: so it must be let in now.
                One that is retired, and let in for what is under way, gets no other one any more.
            ends_tokens: tokens of the node that nobody has used are worthless from then on.

        Raises:
            MemberGone: it has not joined, or was revoked.
            TokenNotGood: what it shows is not let in any more.
        """
        now_us = self._clock.now_us()

        def work(connection: Connection) -> NodeMember:
            known = _of(connection, node)
            if known is None or known.revoked_us:
                raise MemberGone(node)
            if shown is not None and shown not in known.let_in(now_s=now_us / 1e6 + RETIRED_S):
                raise TokenNotGood
            changed = change(known)
            if ends_tokens:
                connection.execute(delete(tables.join_token).where(_unused(node, now_us=now_us)))
            if changed != known:
                _put(connection, changed)
            write_entry(connection, now_us=now_us, who=who, what=what, subject=node, detail=detail)
            return changed

        return await self._writer.run(work)


def _unused(node: str, *, now_us: int) -> ColumnElement[bool]:
    table = tables.join_token
    of_node = [table.c.node == node] if node else []
    return and_(table.c.expires_us > now_us, table.c.used_us == 0, *of_node)


def _of(connection: Connection, node: str) -> NodeMember | None:
    row = connection.execute(select(tables.member).where(tables.member.c.node == node)).first()
    return None if row is None else _member(row)


def _member(row: Any) -> NodeMember:
    values = dict(row._mapping)
    return NodeMember(**{**values, "certificates": json.loads(values["certificates"])})


def _put(connection: Connection, member: NodeMember) -> None:
    table = tables.member
    connection.execute(delete(table).where(table.c.node == member.node))
    connection.execute(
        insert(table).values(
            node=member.node,
            joined_us=member.joined_us,
            certificates=json.dumps(dict(member.certificates), sort_keys=True),
            wireguard=member.wireguard,
            wireguard_beside=member.wireguard_beside,
            rotate_us=member.rotate_us,
            revoked_us=member.revoked_us,
        )
    )
