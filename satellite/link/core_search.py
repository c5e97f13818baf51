"""When is the core to be dialled at another address?

Touches the event loop, and for a look the network. While a core is accepted, each other address is
looked at once a minute by one short call that asks for nothing: its first metadata say which core
is there. So a node that hangs on an old core finds the one that was restored on another machine.
That nothing answers there is as it should be, and is not even logged.

Source: docs/sync.md, *On several machines*.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import grpc.aio
import structlog
from borderscout.v1 import control_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import wire
from common.clock import Clock
from common.identity import ShardIdentity
from common.link import CoreStanding
from common.preferences import Position
from common.repeats import Repeats
from common.tasks import finish
from satellite.link.core_choice import ChoiceWaits, CoreChoice, Reached
from satellite.link.other_core import FollowedCore, complaint_of, is_later
from satellite.link.streams import FAILURES

log = structlog.get_logger()

POLL_S = 0.5  # between looks at what the link has reached
LOOK_S = 60.0  # between looks at one other address, half as much more or less
ANSWER_S = 5.0  # a core says at once which one it is

NO_RELEASE = ""  # nobody's: a claim of it is answered, and changes nothing

Look = Callable[[str], Awaitable[CoreStanding | None]]


class CoreSearch:
    """Where one shard dials its core.

    Args:
        addresses: of the core, HOST:PORT, one or more.
        clock: for the waits.
        spread: a random number from 0 up to 1, drawn for each wait.
        waits: how long each address is kept.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        clock: Clock,
        spread: Callable[[], float],
        waits: ChoiceWaits | None = None,
    ) -> None:
        self._choice = CoreChoice(addresses, waits=waits)
        self._clock = clock
        self._spread = spread
        self._repeats = Repeats()
        self._looks = 0
        self._look_at_s = clock.monotonic_s() + self._look_wait_s()
        self._elsewhere: dict[str, str] = {}  # what is wrong with the core at an address

    @property
    def address(self) -> str:
        """The address that is dialled."""
        return self._choice.address

    @property
    def is_standby(self) -> bool:
        """Whether that is not the first one."""
        return self._choice.is_standby

    @property
    def moves(self) -> int:
        """Times that another address was dialled instead."""
        return self._choice.moves

    @property
    def other_cores(self) -> tuple[str, ...]:
        """What an operator should know of cores that run at other addresses, a sentence each."""
        return tuple(self._elsewhere.values())

    async def moved(
        self, *, reached: Callable[[], Reached], ours: Callable[[], FollowedCore], look: Look
    ) -> None:
        """Return once another address is to be dialled; with only one: never.

        Args:
            reached: returns what the link has reached at this one.
            ours: returns the accepted core, while there is one.
            look: returns what the core at an address says of itself; None: none says anything.
        """
        if not self._choice.others:
            await asyncio.get_running_loop().create_future()
        while True:
            await self._clock.sleep(POLL_S)
            found, now_s, former = reached(), self._clock.monotonic_s(), self.address
            if self._choice.look(found, now_s=now_s, spread=self._spread()):
                self._say_moved(former, found.name.lower())
                return
            if found is not Reached.ACCEPTED or now_s < self._look_at_s:
                continue
            if await self._is_later_elsewhere(ours, look):
                self._say_moved(former, "an earlier one")
                return

    # ---- inside

    async def _is_later_elsewhere(self, ours: Callable[[], FollowedCore], look: Look) -> bool:
        """Look at one other address, and take it when a later core is there."""
        others = self._choice.others
        address = others[self._looks % len(others)]
        other = await look(address)
        self._looks += 1
        self._look_at_s = self._clock.monotonic_s() + self._look_wait_s()
        if other is not None and is_later(other, ours()):
            self._choice.go(address)
            return True
        self._note(address, "" if other is None else complaint_of(other, ours(), address=address))
        return False

    def _note(self, address: str, complaint: str) -> None:
        if not complaint:
            self._elsewhere.pop(address, None)
        elif self._elsewhere.get(address) != complaint:
            self._elsewhere[address] = complaint
            log.warning("link.another_core", reason=complaint)

    def _look_wait_s(self) -> float:
        """Return how long after a look the next address has its turn."""
        return LOOK_S / max(1, len(self._choice.others)) * (0.5 + self._spread())

    def _say_moved(self, former: str, found: str) -> None:
        self._elsewhere.clear()
        now_s = self._clock.monotonic_s()
        left_out = self._repeats.again((former, self.address), now_s=now_s)
        if left_out is not None:
            facts = {"left_out": left_out} if left_out else {}
            log.info("link.core_moved", address=self.address, former=former, found=found, **facts)


async def standing_of(
    channel: grpc.aio.Channel, identity: ShardIdentity, follows: Position
) -> CoreStanding | None:
    """Return what the core at the other end of a channel says of itself, and close the channel.

    Args:
        channel: just opened; one call is made on it.
        identity: who asks: a core says nothing to those who are not its nodes.
        follows: what is followed here; an earlier core shows it to its operator.

    Returns:
        None: nothing answers, or what answers says nothing that can be understood.
    """
    request = control_pb2.ClaimRequest(
        identity=wire.identity_to_wire(identity),
        release_id=NO_RELEASE,
        follows=wire.position_to_wire(follows),
    )
    call = LinkStub(channel).Claim(request, timeout=ANSWER_S)
    try:
        return wire.standing_from_metadata(await call.initial_metadata())
    except FAILURES:
        return None
    finally:
        call.cancel()
        await finish(channel.close())
