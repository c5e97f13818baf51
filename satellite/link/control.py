"""How are node reports sent to the core, and its commands (flush, hints, releases) obeyed?

Touches the control stream. A report leaves every few seconds; commands come back. A command that
this version does not know is not guessed at: it stays undone, and the core shows that. A core that
is refused hears so in each report, and none of its commands is obeyed; those that come before the
verdict on it wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

import grpc.aio
import structlog
from borderscout.v1 import control_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import wire
from common.clock import Clock
from common.errors import PeerError
from common.link import (
    Command,
    ControlResponse,
    DefinitionsOffer,
    DrainOrder,
    Flush,
    Hello,
    Hint,
    ReleaseOffer,
    SettingsOrder,
    Unreadable,
    Welcome,
)
from common.reports import NodeReport
from satellite.link.accepted_core import AcceptedCore, Hearing
from satellite.link.streams import converse, ticking

log = structlog.get_logger()

REPORT_S = 2.0  # a customer that is away is seen at the core within ten seconds

ControlCall = grpc.aio.StreamStreamCall[control_pb2.ControlRequest, control_pb2.ControlResponse]


COMMANDS_MAX = 256  # that wait for the verdict on their core; further ones are given again


@dataclass(frozen=True, slots=True)
class _Due:
    """It is time for a report."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """There is another verdict on a core."""


class ControlStream:
    """Reports on one shard, and takes the core's commands.

    Args:
        hello: who we are.
        clock: for the time between reports.
        core: says whether the core that is reached is the accepted one.
        report: returns what to report now.
        on_flush: called with a destination; an empty one is all of them.
        on_hint: called with a destination whose server another shard has reached.
        on_release: called with a release that we may claim.
        on_definitions: called with a set of definitions that is to be used.
        on_settings: called with which settings the node shall take.
        on_drain: called with whether the node shall take no mail from now on.
        heard: called when the core spoke.
    """

    def __init__(
        self,
        *,
        hello: Hello,
        clock: Clock,
        core: AcceptedCore,
        report: Callable[[], NodeReport],
        on_flush: Callable[[str], None],
        on_hint: Callable[[str], None],
        on_release: Callable[[ReleaseOffer], None],
        on_definitions: Callable[[DefinitionsOffer], None],
        on_settings: Callable[[SettingsOrder], None],
        on_drain: Callable[[bool], None],
        heard: Callable[[], None],
    ) -> None:
        self._hello = hello
        self._clock = clock
        self._core = core
        self._report = report
        self._on_flush = on_flush
        self._on_hint = on_hint
        self._on_release = on_release
        self._on_definitions = on_definitions
        self._on_settings = on_settings
        self._on_drain = on_drain
        self._heard = heard
        self._call: ControlCall | None = None
        self._hearing: Hearing | None = None
        self._waiting: list[Command] = []  # for the verdict on the core that gave them
        self._has_passed_over = False  # commands of this stream's core, while it was refused

    @property
    def hearing(self) -> Hearing | None:
        """Whom the stream has reached; None: nobody, as long as it is not open."""
        return self._hearing

    async def once(self, stub: LinkStub, *, wait: bool) -> None:
        """Open the stream and report on it until it ends.

        Raises:
            PeerError: its core is accepted only now, and shall say again what it said before.
        """
        self._waiting, self._has_passed_over = [], False
        call = self._call = stub.Control(wait_for_ready=wait)
        due = ticking(_Due(), every_s=REPORT_S, clock=self._clock)
        try:
            await call.write(wire.control_request_to_wire(self._hello))
            self._hearing = await self._core.reached(call)
            await converse(
                call,
                hear=wire.control_response_from_wire,
                perform=self._perform,
                hearing=None,  # reports go to any core; commands are looked at one by one
                sources=[due, self._judgements],
            )
        finally:
            call.cancel()
            self._call = self._hearing = None

    async def _judgements(self, inbox: asyncio.Queue[Any]) -> None:
        """Put in the inbox that there is another verdict, whenever there is one."""
        while True:
            await self._core.changed()
            await inbox.put(_Judged())

    async def _perform(self, event: ControlResponse | _Due | _Judged) -> None:
        match event:
            case _Due():
                await self._send_report()
                return
            case _Judged():
                await self._judge()
                return
        self._heard()
        match event:
            case Welcome(core=core, standing=standing):
                named = {} if standing is None else {"revision": standing.position.revision}
                log.info("link.welcome", core=core, **named)
                await self._send_report()
            case Unreadable(reason=reason):
                log.warning("link.command_unknown", reason=reason)
            case _:
                self._hear(event)

    async def _judge(self) -> None:
        """Do what has waited for the verdict on our core, or pass it over."""
        assert self._hearing is not None
        objection = self._hearing.objection
        if objection is None:
            return
        waiting, self._waiting = self._waiting, []
        for command in waiting:
            self._hear(command)
        if objection == "" and self._has_passed_over:
            raise PeerError("its core is accepted by now: it shall say its commands again")
        await self._send_report()

    def _hear(self, command: Command) -> None:
        """Obey a command, if its core is the accepted one."""
        assert self._hearing is not None
        objection = self._hearing.objection
        if objection == "":
            self._obey(command)
        elif objection is None and len(self._waiting) < COMMANDS_MAX:
            self._waiting.append(command)
        else:
            self._has_passed_over = True
            log.debug("link.command_passed_over", command=type(command).__name__)

    def _obey(self, command: Command) -> None:
        match command:
            case ReleaseOffer():
                self._on_release(command)
            case Flush(destination=destination):
                log.info("link.flush")
                self._on_flush(destination)
            case Hint(destination=destination):
                log.debug("link.hint", destination=destination)
                self._on_hint(destination)
            case DefinitionsOffer(family=family, serial=serial):
                log.debug("link.definitions_offered", family=family, serial=serial)
                self._on_definitions(command)
            case SettingsOrder():
                self._on_settings(command)
            case DrainOrder(on=on):
                self._on_drain(on)
            case _:
                assert_never(command)

    async def _send_report(self) -> None:
        assert self._call is not None
        await self._call.write(wire.control_request_to_wire(self._report()))
