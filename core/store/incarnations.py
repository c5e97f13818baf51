"""Which life of a shard is the newest, and may this one still speak?

Touches the database, in the transaction of what the shard asked for.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update

from common.identity import ShardIdentity
from core.records.lives import (
    LIVES_BURST,
    LIVES_WINDOW_US,
    Fenced,
    ForkMark,
    LifeStanding,
    TooManyLives,
    check_run,
    read_forks,
    written_forks,
)
from core.store import tables


def enter(connection: Connection, identity: ShardIdentity, *, now_us: int) -> None:
    """Take note of a shard's life; what it asks for may go on in this transaction.

    Raises:
        Fenced: a later life of the same shard has spoken, or this is a copy of its spool.
        TooManyLives: its node has begun too many.
    """
    forks = _newest(connection, identity, now_us=now_us)
    if forks != "[]":
        check_run(identity, LifeStanding(number=0, forks=read_forks(forks)))


def let_in(connection: Connection, identity: ShardIdentity, *, now_us: int) -> LifeStanding:
    """Do the same for a shard that only says how it is: a copy may say so, too.

    Raises:
        Fenced: a later life of the same shard has spoken.
        TooManyLives: its node has begun too many.
    """
    forks = _newest(connection, identity, now_us=now_us)
    life = tables.life
    number, is_settled = connection.execute(
        select(life.c.number, life.c.is_settled).where(
            _life_here(identity), life.c.incarnation == identity.incarnation
        )
    ).one()
    return LifeStanding(number=number, is_settled=is_settled, forks=read_forks(forks))


def check(connection: Connection, identity: ShardIdentity) -> None:
    """Accept a shard's life without writing anything.

    Raises:
        Fenced: a later life of the same shard has spoken, or this is a copy of its spool.
    """
    table = tables.shard
    row = connection.execute(
        select(table.c.incarnation, table.c.forks).where(_here(identity))
    ).first()
    if row is None:
        return
    if row.incarnation != identity.incarnation:
        raise Fenced(identity, newest=row.incarnation)
    check_run(identity, LifeStanding(number=0, forks=read_forks(row.forks)))


def has_what(connection: Connection, identity: ShardIdentity, incarnation: str) -> bool:
    """Say whether a life is another one of its shard, or has all that this one had."""
    table = tables.life
    query = select(table.c.incarnation, table.c.former).where(_life_here(identity))
    former = {row.incarnation: row.former for row in connection.execute(query)}
    one: str | None = identity.incarnation
    while one and one != incarnation:
        one = former.pop(one, None)
    return one == incarnation


def mark_fork(connection: Connection, identity: ShardIdentity, mark: ForkMark) -> bool:
    """Let a process of the newest life speak no more; return whether that is new."""
    table = tables.shard
    row = connection.execute(select(table).where(_here(identity)).with_for_update()).first()
    if row is None or row.incarnation != identity.incarnation or not mark.run:
        return False
    forks = read_forks(row.forks)
    if LifeStanding(number=0, forks=forks).fork_of(identity) is not None:
        return False
    connection.execute(
        update(table).where(_here(identity)).values(forks=written_forks((*forks, mark)))
    )
    return True


def _newest(connection: Connection, identity: ShardIdentity, *, now_us: int) -> str:
    """Return the forks of a life that is the newest, or becomes it here."""
    table = tables.shard
    # On a server the row is locked: no later life can slip in before this transaction ends.
    row = connection.execute(
        select(table.c.incarnation, table.c.forks).where(_here(identity)).with_for_update()
    ).first()
    if row is None:
        _begin(connection, identity, number=1, now_us=now_us)
        connection.execute(
            insert(table).values(
                node=identity.node,
                shard=identity.shard,
                incarnation=identity.incarnation,
                first_seen_us=now_us,
                last_seen_us=now_us,
                hello="{}",
                report="{}",
                forks="[]",
            )
        )
        return "[]"
    if row.incarnation == identity.incarnation:
        return str(row.forks)
    _supersede(connection, identity, newest=row.incarnation, now_us=now_us)
    return "[]"


def _supersede(
    connection: Connection, identity: ShardIdentity, *, newest: str, now_us: int
) -> None:
    """Let a life that was never heard of be the newest."""
    if _number(connection, identity) is not None:
        raise Fenced(identity, newest=newest)
    table = tables.life
    recent = select(func.count()).where(
        table.c.node == identity.node,
        table.c.number > 1,
        table.c.first_seen_us.between(now_us - LIVES_WINDOW_US, now_us),
    )
    if (connection.scalar(recent) or 0) >= LIVES_BURST:
        raise TooManyLives(identity)
    last = select(func.max(table.c.number)).where(_life_here(identity))
    number = (connection.scalar(last) or 0) + 1
    _begin(connection, identity, number=number, now_us=now_us)
    connection.execute(
        update(tables.shard)
        .where(_here(identity))
        .values(incarnation=identity.incarnation, forks="[]")
    )


def _begin(connection: Connection, identity: ShardIdentity, *, number: int, now_us: int) -> None:
    origin = identity.origin
    connection.execute(
        insert(tables.life).values(
            node=identity.node,
            shard=identity.shard,
            incarnation=identity.incarnation,
            number=number,
            first_seen_us=now_us,
            former=origin.former if origin is not None else None,
            carried=origin.carried if origin is not None else 0,
            is_settled=number == 1 or origin is None or bool(origin.former),
        )
    )


def _number(connection: Connection, identity: ShardIdentity) -> int | None:
    table = tables.life
    return connection.scalar(
        select(table.c.number).where(
            _life_here(identity), table.c.incarnation == identity.incarnation
        )
    )


def _here(identity: ShardIdentity) -> ColumnElement[bool]:
    table = tables.shard
    return and_(table.c.node == identity.node, table.c.shard == identity.shard)


def _life_here(identity: ShardIdentity) -> ColumnElement[bool]:
    table = tables.life
    return and_(table.c.node == identity.node, table.c.shard == identity.shard)
