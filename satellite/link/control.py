"""How are node reports sent to the core, and its commands (flush, hints, releases) obeyed?

Touches the control stream. A report leaves every few seconds; commands come back. A command that
this version does not know is not guessed at: it stays undone, and the core shows that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import grpc.aio
import structlog
from borderscout.v1 import control_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import wire
from common.clock import Clock
from common.link import (
    ControlResponse,
    DefinitionsOffer,
    Flush,
    Hello,
    Hint,
    ReleaseOffer,
    Unreadable,
    Welcome,
)
from common.reports import NodeReport
from satellite.link.streams import converse, ticking

log = structlog.get_logger()

REPORT_S = 2.0  # a customer that is away is seen at the core within ten seconds

ControlCall = grpc.aio.StreamStreamCall[control_pb2.ControlRequest, control_pb2.ControlResponse]


@dataclass(frozen=True, slots=True)
class _Due:
    """It is time for a report."""


class ControlStream:
    """Reports on one shard, and takes the core's commands.

    Args:
        hello: who we are.
        clock: for the time between reports.
        report: returns what to report now.
        on_flush: called with a destination; an empty one is all of them.
        on_hint: called with a destination whose server another shard has reached.
        on_release: called with a release that we may claim.
        on_definitions: called with a set of definitions that is to be used.
        heard: called when the core spoke.
    """

    def __init__(
        self,
        *,
        hello: Hello,
        clock: Clock,
        report: Callable[[], NodeReport],
        on_flush: Callable[[str], None],
        on_hint: Callable[[str], None],
        on_release: Callable[[ReleaseOffer], None],
        on_definitions: Callable[[DefinitionsOffer], None],
        heard: Callable[[], None],
    ) -> None:
        self._hello = hello
        self._clock = clock
        self._report = report
        self._on_flush = on_flush
        self._on_hint = on_hint
        self._on_release = on_release
        self._on_definitions = on_definitions
        self._heard = heard
        self._call: ControlCall | None = None

    async def once(self, stub: LinkStub, *, wait: bool) -> None:
        """Open the stream and report on it until it ends."""
        call = self._call = stub.Control(wait_for_ready=wait)
        due = ticking(_Due(), every_s=REPORT_S, clock=self._clock)
        try:
            await call.write(wire.control_request_to_wire(self._hello))
            await converse(
                call,
                hear=wire.control_response_from_wire,
                perform=self._perform,
                sources=[due],
            )
        finally:
            call.cancel()
            self._call = None

    async def _perform(self, event: ControlResponse | _Due) -> None:
        if isinstance(event, _Due):
            await self._send_report()
            return
        self._heard()
        match event:
            case Welcome(core=core):
                log.info("link.welcome", core=core)
                await self._send_report()
            case ReleaseOffer():
                self._on_release(event)
            case Flush(destination=destination):
                log.info("link.flush")
                self._on_flush(destination)
            case Hint(destination=destination):
                log.debug("link.hint", destination=destination)
                self._on_hint(destination)
            case DefinitionsOffer(family=family, serial=serial):
                log.debug("link.definitions_offered", family=family, serial=serial)
                self._on_definitions(event)
            case Unreadable(reason=reason):
                log.warning("link.command_unknown", reason=reason)
            case _:
                assert_never(event)

    async def _send_report(self) -> None:
        assert self._call is not None
        await self._call.write(wire.control_request_to_wire(self._report()))
