"""How do preference revisions come from the core's stream into the spool?

Touches the preference stream and the spool; the follower decides. An answer leaves only after the
spool has made the batch durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import assert_never

import grpc.aio
import structlog
from borderscout.v1 import preferences_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import wire
from common.clock import Clock
from common.errors import EnvironmentFailure
from common.identity import ShardIdentity
from common.link import Bookmark, LinkRefusal
from common.preferences import DocumentRefused
from common.records import PreferencesDamagedRecord, PreferencesRefusedRecord
from common.reports import PreferenceProblem
from common.tasks import finish
from satellite.link.accepted_core import AcceptedCore, CoreRefused
from satellite.link.follower import (
    Announce,
    Applied,
    Apply,
    ApplyFailed,
    ComplainOfPreferences,
    Connected,
    Disconnected,
    Event,
    Follower,
    Leave,
    Looked,
    Named,
    Say,
)
from satellite.link.spool import LinkSpool
from satellite.link.streams import converse
from satellite.spool.store import DigestMismatch

log = structlog.get_logger()

LOOK_S = 3600.0  # between two looks at the documents on the disk: a row may change under us
DAMAGE = (
    "the preferences on this disk are not those that were applied: changed, or not to be read here;"
    " the core is asked for all of them"
)
SAY_AGAIN_S = 60.0  # between two lines of the log about the same refusal, which is met at each try

PreferencesCall = grpc.aio.StreamStreamCall[
    preferences_pb2.PreferencesRequest, preferences_pb2.PreferencesResponse
]


class PreferenceStream:
    """Follows the core's preferences.

    Args:
        spool: where they are applied.
        identity: who we are.
        clock: for the age of what we know.
        core: told what the follower makes of the core that is reached.
        on_preferences: called after others are in force.
        heard: called when the core spoke.
    """

    def __init__(
        self,
        *,
        spool: LinkSpool,
        identity: ShardIdentity,
        clock: Clock,
        core: AcceptedCore,
        on_preferences: Callable[[], None],
        heard: Callable[[], None],
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._core = core
        self._on_preferences = on_preferences
        self._heard = heard
        self._call: PreferencesCall | None = None
        self._noted: PreferenceProblem | None = None
        self._complained_s = 0.0
        self._look_at_s = clock.monotonic_s() + LOOK_S  # what opening the spool read was looked at
        self._is_damage_told = False
        self.damages = 0  # sets of documents that were found changed on the disk, in this life
        self.skew_us: int | None = None  # our clock less the core's; it is shown and orders nothing
        current = spool.preferences
        self.follower = Follower(
            identity=identity,
            applied=current.position,
            digest=spool.announced,
            found=current.digest,
        )

    @property
    def problem(self) -> str:
        """What an operator should know; empty when all is well."""
        return DAMAGE if self.follower.is_damaged else ""

    async def once(self, stub: LinkStub, *, wait: bool) -> None:
        """Open the stream and follow it to its end."""
        call = self._call = stub.Preferences(wait_for_ready=wait)
        try:
            if self._clock.monotonic_s() >= self._look_at_s:
                self.follower.handle(await self._looked(), now_s=self._clock.monotonic_s())
            await self._tell_damage()
            await self._run(Connected())
            await self._run(Named(wire.standing_from_metadata(await call.initial_metadata())))
            await converse(
                call,
                hear=wire.preferences_response_from_wire,
                perform=self._hear,
                hearing=None,  # which core it is, is decided here
                sources=[self._looks],
            )
        finally:
            call.cancel()
            self._call = None
            self.follower.handle(Disconnected(), now_s=self._clock.monotonic_s())
            self._core.judged(self.follower.verdict)

    async def _hear(self, event: Event) -> None:
        if not isinstance(event, Looked) and not self.follower.core_refused:
            self._heard()
        if isinstance(event, Bookmark):
            self.skew_us = self._clock.now_us() - event.time_us
        await self._run(event)

    async def _looks(self, inbox: asyncio.Queue[Event]) -> None:
        """Put in the inbox what the disk holds, once an hour."""
        while True:
            await self._clock.sleep(max(0.0, self._look_at_s - self._clock.monotonic_s()))
            await inbox.put(await self._looked())

    async def _looked(self) -> Looked:
        """Return what the disk holds; one that cannot be read now is looked at in an hour."""
        self._look_at_s = self._clock.monotonic_s() + LOOK_S
        try:
            announced, found = await self._spool.preferences_digests()
        except EnvironmentFailure as error:
            log.error("preferences.not_looked_at", reason=error.what)
            return Looked(self._spool.announced, self._spool.announced)
        in_force = self._spool.preferences.digest
        # A document that is whole on the disk and cannot be read here is not in force either.
        return Looked(announced, found if in_force == announced else in_force)

    async def _tell_damage(self) -> None:
        """Record that a document was changed here, once for each time."""
        is_damaged, was_told = self.follower.is_damaged, self._is_damage_told
        self._is_damage_told = is_damaged
        if is_damaged and not was_told:
            self.damages += 1
            revision = self.follower.applied.revision
            log.error("preferences.damaged", revision=revision)
            await self._spool.note(PreferencesDamagedRecord(revision=revision, reason=DAMAGE))

    async def _run(self, event: Event) -> None:
        commands = self.follower.handle(event, now_s=self._clock.monotonic_s())
        self._core.judged(self.follower.verdict)
        await self._tell_damage()
        for command in commands:
            match command:
                case Say(message=message):
                    assert self._call is not None
                    await self._call.write(wire.preferences_request_to_wire(message))
                case Apply():
                    # Cut short, the spool would have what we do not know of.
                    await self._run(await finish(self._apply(command)))
                    await self._spool.settle_preferences()  # once the core has its answer
                case Announce(position=position):
                    log.info("preferences.applied", revision=position.revision)
                    self._noted = None
                    self._on_preferences()
                case ComplainOfPreferences(problem=problem):
                    await self._complain(problem)
                case Leave(reason=reason):
                    raise CoreRefused(reason)
                case _:
                    assert_never(command)

    async def _apply(self, batch: Apply) -> Applied | ApplyFailed:
        try:
            await self._spool.apply_preferences(
                batch.documents,
                position=batch.position,
                digest=batch.digest,
                snapshot=batch.snapshot,
            )
        except DocumentRefused as error:
            refusal = LinkRefusal(kind=error.kind, key=error.key, reason=error.reason)
        except DigestMismatch as error:
            # The content is not to blame: ours is, unless it was all sent just now.
            refusal = LinkRefusal(reason=error.what, wants_snapshot=not batch.snapshot)
        except EnvironmentFailure as error:
            refusal = LinkRefusal(reason=error.what)
        else:
            return Applied(batch.nonce, batch.position, batch.digest)
        return ApplyFailed(batch.nonce, refusal)

    async def _complain(self, problem: PreferenceProblem) -> None:
        is_new, now_s = problem != self._noted, self._clock.monotonic_s()
        if is_new or now_s - self._complained_s >= SAY_AGAIN_S:
            self._complained_s = now_s
            log.warning(
                "preferences.refused",
                revision=problem.revision,
                kind=problem.kind,
                key=problem.key,
                reason=problem.reason,
            )
        if not is_new:
            return  # recorded once; the reports go on saying it
        self._noted = problem
        refused = PreferencesRefusedRecord(
            revision=problem.revision,
            kind=problem.kind,
            key=problem.key,
            reason=problem.reason,
        )
        await self._spool.note(refused)
