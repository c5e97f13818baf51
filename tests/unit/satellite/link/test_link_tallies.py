"""What becomes of the counts when the core is of another version?"""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest

from common.errors import PeerError
from common.identity import ShardIdentity
from satellite.link.accepted_core import AcceptedCore
from satellite.link.tallies import TallyStream
from satellite.tallies.shared_tallies import SharedTallies
from tests.support.clock import FakeClock

IDENTITY = ShardIdentity("lon1", 0, "01KDVDNA000000000000000002")


class RefusedCall:
    """A stream that the other end refuses."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    async def write(self, message: object) -> None:
        pass  # it is on its way before anybody answers

    async def initial_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    async def code(self) -> grpc.StatusCode:
        return self._code

    async def details(self) -> str:
        return "no"

    def cancel(self) -> None:
        pass


class RefusingStub:
    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def Tallies(self, *, wait_for_ready: bool) -> RefusedCall:  # as gRPC has it
        return RefusedCall(self._code)


def stream() -> TallyStream:
    clock = FakeClock()
    tallies = SharedTallies("scout", clock=clock, salt=1, life="0" * 16)
    core = AcceptedCore(clock)
    return TallyStream(
        tallies=tallies, identity=IDENTITY, clock=clock, core=core, heard=lambda: None
    )


async def test_an_older_core_is_told_of_in_words() -> None:
    stub: Any = RefusingStub(grpc.StatusCode.UNIMPLEMENTED)

    with pytest.raises(PeerError, match="older"):
        await stream().once(stub, wait=False)


async def test_any_other_end_is_told_of_as_it_came() -> None:
    stub: Any = RefusingStub(grpc.StatusCode.PERMISSION_DENIED)

    with pytest.raises(grpc.aio.AioRpcError):
        await stream().once(stub, wait=False)
