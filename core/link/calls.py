"""Who calls, may it, and how does a call end?

Touches gRPC calls. The certificate says who a satellite is; what a message says of its sender must
agree with it, and the settings must name the node and that certificate. Otherwise nothing is read
or written (P9). Errors become status codes here and nowhere else.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

import grpc
import grpc.aio
import structlog

from common import wire
from common.errors import DiskFull, EnvironmentFailure, LocalError, PeerError
from common.identity import ShardIdentity
from common.link import CoreStanding
from common.rpc import LET_IN, Role, peer_of, serial_of
from core.custody.release import FetchRefused
from core.feed.feed import FeedEnded
from core.fleet.refused_callers import RefusedCallers
from core.fleet.roster import Roster
from core.link.comers import Comers
from core.records.lives import FORKS_KEPT, Fenced, ForkedSpool, LifeStanding, TooManyLives

log = structlog.get_logger()

HELLO_S = 10.0  # a stream whose first message does not come within this is closed

T = TypeVar("T")
Context = grpc.aio.ServicerContext[Any, Any]
Handler = Callable[[Any, Context], Awaitable[T]]


class NotPermitted(PeerError):
    """The certificate does not allow what was asked for."""


class NotInSettings(NotPermitted):
    """The certificate is good, and its node is none of ours: not yet, or not any more."""


class TooManyCalls(PeerError):
    """Its node has more calls open than all its shards together need."""


class Replaced(PeerError):
    """The same shard opened the same stream anew: this one is what a cut left behind."""


class Stopping(EnvironmentFailure):
    """The core stops."""


class Access:
    """The rule of who may speak for which node, and the first word to whoever may.

    Args:
        cluster: ours.
        roster: says which nodes there are, and which of their certificates are let in.
        standing: returns what this core says of itself.
    """

    def __init__(
        self,
        *,
        cluster: str,
        roster: Roster,
        standing: Callable[[], CoreStanding],
    ) -> None:
        self._cluster = cluster
        self._roster = roster
        self.standing = standing

    async def admit(
        self, context: Context, identity: ShardIdentity, *, digest_at_yours: bytes | None = None
    ) -> None:
        """Accept that this caller speaks for ``identity``, and say which core it speaks to.

        Args:
            context: the call; nothing was sent on it so far.
            identity: who the caller says it is.
            digest_at_yours: of our set at the revision that it named; None: it named none, or
                we do not know it.

        Raises:
            NotPermitted: as ``check``.
        """
        self.check(context, identity)
        standing = dataclasses.replace(self.standing(), digest_at_yours=digest_at_yours)
        await context.send_initial_metadata(((LET_IN, "1"), wire.standing_to_metadata(standing)))

    def check(self, context: Context, identity: ShardIdentity) -> None:
        """Accept that this caller speaks for ``identity``.

        Raises:
            NotPermitted: its certificate says otherwise, or the settings do not name its node, or
                name other certificates of it.
        """
        shown = context.auth_context()
        try:
            peer, serial = peer_of(shown), serial_of(shown)
        except PeerError as error:
            raise NotPermitted(error.what) from None
        if peer.cluster != self._cluster:
            raise NotPermitted(f"its certificate is of cluster {peer.cluster}")
        if peer.role is not Role.SATELLITE:
            raise NotPermitted(f"its certificate is of a {peer.role}, not of a satellite")
        if peer.name != identity.node:
            raise NotPermitted(f"its certificate is of {peer.name}, it speaks for {identity.node}")
        check_certificate(self._roster, peer.name, serial)


def check_certificate(roster: Roster, name: str, serial: str) -> None:
    """Accept that a certificate is one that the settings let in.

    Raises:
        NotPermitted: it is not.
    """
    why = roster.why_not(name, serial)
    if why:
        raise NotPermitted(why) if name in roster else NotInSettings(why)


class Streams:
    """The open streams: one of each kind for each shard."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, int], asyncio.Future[NoReturn]] = {}
        self.comers = Comers()
        self._lives: dict[tuple[str, int], str] = {}  # the newest of each shard
        self._forks: dict[tuple[str, int], dict[str, str]] = {}  # by shard: runs, and why
        self._is_stopping = False

    def let_in(self, identity: ShardIdentity, standing: LifeStanding) -> None:
        """The store says that this life is the newest, and which processes of it may not speak."""
        if self._lives.get(identity.place) != identity.incarnation:
            self._lives[identity.place] = identity.incarnation
            self._forks.pop(identity.place, None)
        for mark in standing.forks:
            self.fork(replace(identity, run=mark.run), mark.why)

    def fork(self, identity: ShardIdentity, why: str) -> None:
        """Let a process that speaks for a copy of a spool replace no stream any more."""
        if identity.run:
            forks = self._forks.setdefault(identity.place, {})
            forks[identity.run] = why
            while len(forks) > FORKS_KEPT:
                del forks[next(iter(forks))]

    @contextmanager
    def only(self, kind: str, identity: ShardIdentity) -> Iterator[Awaitable[NoReturn]]:
        """Be the only stream of its kind of a shard.

        Gives what raises once a later one opens, or the core stops.

        Raises:
            Fenced: a later life has spoken, or this is a copy and another one is open.
        """
        newest = self._lives.get(identity.place, identity.incarnation)
        if newest != identity.incarnation:
            raise Fenced(identity, newest=newest)
        key = (kind, *identity.place)
        former = self._open.get(key)
        if former is not None and not former.done():
            why = self._forks.get(identity.place, {}).get(identity.run)
            if why is not None:
                raise ForkedSpool(identity, why)
            former.set_exception(Replaced("the same stream was opened anew"))
        mine: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        self._open[key] = mine
        if self._is_stopping:
            mine.set_exception(Stopping("the core stops"))
        try:
            yield mine
        finally:
            if self._open.get(key) is mine:
                del self._open[key]
            if not mine.cancel() and not mine.cancelled():
                mine.exception()  # seen here, whoever else was told

    def stop(self) -> None:
        """End all streams."""
        self._is_stopping = True
        for stream in self._open.values():
            if not stream.done():
                stream.set_exception(Stopping("the core stops"))


def host_of(context: Context) -> str:
    """Return where a call comes from, without the port, which is another one for each."""
    return context.peer().rpartition(":")[0] or context.peer()


async def until_first(*works: Coroutine[Any, Any, object] | Awaitable[NoReturn]) -> None:
    """Run all until one ends, end the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def first_message(messages: AsyncIterator[T]) -> T:
    """Return the first message of a stream.

    Raises:
        PeerError: none came in time.
    """
    try:
        async with asyncio.timeout(HELLO_S):
            async for message in messages:
                return message
    except TimeoutError:
        raise PeerError(f"no first message within {HELLO_S:.0f} s") from None
    raise PeerError("the stream ended before its first message")


def name_of(context: Context) -> str:
    """Return the name in a caller's certificate; empty when it holds none of ours."""
    try:
        return peer_of(context.auth_context()).name
    except PeerError:
        return ""


def guarded(handler: Handler[T], callers: RefusedCallers) -> Handler[T]:
    """Return a handler whose errors reach the caller as a status.

    Args:
        handler: of one call.
        callers: told of those that are not let in; it writes the log.
    """

    async def guarded_handler(request: Any, context: Context) -> T:
        def say(tell: Callable[..., object], event: str, error: Exception, reason: str) -> None:
            name, host = name_of(context), host_of(context)
            who, kind = name or host, type(error).__name__
            if isinstance(error, NotPermitted):
                address = host.partition(":")[2] or host  # without the kind of it
                callers.refused(name=name, host=address, kind=kind, reason=reason)
            callers.say(tell, event, who=who, kind=kind, peer=context.peer(), reason=reason)

        try:
            return await handler(request, context)
        except (NotPermitted, FetchRefused) as error:
            # Somebody with a certificate of ours tries what it may not: people should see this.
            say(log.warning, "link.not_permitted", error, error.what)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, error.what)
        except (Fenced, FeedEnded) as error:
            say(log.warning, "link.fenced", error, str(error))
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except TooManyCalls as error:
            say(log.warning, "link.too_many_calls", error, error.what)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, error.what)
        except TooManyLives as error:
            say(log.error, "link.too_many_lives", error, str(error))
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except Replaced as error:
            await context.abort(grpc.StatusCode.ABORTED, error.what)
        except (PeerError, LocalError) as error:
            say(log.warning, "link.broken", error, error.what)
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.what)
        except Stopping as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, error.what)
        except DiskFull as error:
            say(log.error, "link.disk_full", error, error.what)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, error.what)
        except EnvironmentFailure as error:
            say(log.error, "link.failed", error, error.what)
            await context.abort(grpc.StatusCode.UNAVAILABLE, error.what)
        raise AssertionError("abort always raises")

    return guarded_handler
