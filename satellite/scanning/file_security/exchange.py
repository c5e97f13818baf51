"""How is one message shown to Trend Vision One File Security?

Touches one call of gRPC. The server asks for the ranges that it wants, in any order and perhaps
again, and ends with its result. What it asks for is bounded: a server that has gone wrong reads no
message for ever, and nothing but the message.

Source: amaas/grpc/aio of trendmicro/tm-v1-fs-python-sdk 1.5.0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TypeAlias

import grpc.aio
from borderscout.file_security.scan_pb2 import (
    COMMAND_QUIT,
    COMMAND_RETRIEVE,
    STAGE_FINISHED,
    STAGE_HEARTBEAT,
    STAGE_INIT,
    STAGE_RUN,
    FromClient,
    FromServer,
)

from satellite.scanning.sample import Sample, SampleUnreadable
from satellite.scanning.sessions.connection import Misunderstood, SessionEnded

METHOD = "/amaas.scan.v1.Scan/Run"
HEARTBEAT_S = 30.0
RANGE_BYTES_MAX = 4 * 1024 * 1024  # more a server of gRPC does not take by itself
RANGES_MAX = 100_000  # of one message
READ_TIMES_MAX = 8  # the whole message, all its ranges together
READ_BYTES_MIN = 1024 * 1024  # so much of a small one may be asked for in any case

ScanCall: TypeAlias = "grpc.aio.StreamStreamCall[FromClient, FromServer]"
ScanMethod: TypeAlias = "grpc.aio.StreamStreamMultiCallable[FromClient, FromServer]"


def method_of(channel: grpc.aio.Channel) -> ScanMethod:
    """Return the method that scans, of a channel."""
    return channel.stream_stream(
        METHOD,
        request_serializer=FromClient.SerializeToString,
        response_deserializer=FromServer.FromString,
    )


async def exchange(
    call: ScanCall, sample: Sample, *, machine_learning: bool, shown: asyncio.Event
) -> str:
    """Return the result for one message, as it came.

    Args:
        call: fresh; the caller cancels it.
        sample: the message.
        machine_learning: whether files are judged by machine learning, too.
        shown: set once the server asks for something.

    Raises:
        SessionEnded, Misunderstood: there is no result.
        SampleUnreadable: the message cannot be read.
        grpc.aio.AioRpcError: the call failed.
    """
    reading = _BoundedReading(sample)
    await call.write(
        FromClient(
            stage=STAGE_INIT,
            file_name=f"{sample.id}.eml",
            file_bytes=sample.size,
            machine_learning=machine_learning,
            bulk=True,
            verbose=True,
        )
    )
    while True:
        said = await _heard(call)
        shown.set()
        if (said.stage, said.command) == (STAGE_FINISHED, COMMAND_QUIT):
            return said.result
        if (said.stage, said.command) != (STAGE_RUN, COMMAND_RETRIEVE):
            raise Misunderstood(f"it says {said.command} in stage {said.stage}")
        for offset, chunk in reading.asked_for(said):
            await call.write(FromClient(stage=STAGE_RUN, offset=offset, chunk=chunk))


async def _heard(call: ScanCall) -> FromServer:
    """Return what the server says next; it hears of us while it thinks."""
    reading = asyncio.ensure_future(call.read())
    try:
        while not (await asyncio.wait({reading}, timeout=HEARTBEAT_S))[0]:
            await call.write(FromClient(stage=STAGE_HEARTBEAT))
        said = await reading
    finally:
        reading.cancel()
    if not isinstance(said, FromServer):
        raise SessionEnded("it ended the scan without a result")
    return said


class _BoundedReading:
    """What a server has asked for of one message."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._ranges_left = RANGES_MAX
        self._bytes_left = max(READ_TIMES_MAX * sample.size, READ_BYTES_MIN)

    def asked_for(self, said: FromServer) -> Iterator[tuple[int, bytes]]:
        """Yield offset and octets of each range.

        Raises:
            Misunderstood: it is no range of the message, or it asked for too much by now.
            SampleUnreadable: the message cannot be read.
        """
        offsets, lengths = list(said.bulk_offset), list(said.bulk_length)
        if len(offsets) != len(lengths) or not offsets:
            raise Misunderstood("it asks for no range")
        for offset, length in zip(offsets, lengths, strict=True):
            if not (0 <= offset <= self._sample.size and 0 < length <= RANGE_BYTES_MAX):
                raise Misunderstood(f"it asks for {length} octets from {offset} on")
            # A range may reach beyond the end; what is there is what it gets.
            length = min(length, self._sample.size - offset)  # noqa: PLW2901
            self._ranges_left -= 1
            self._bytes_left -= length
            if self._ranges_left < 0 or self._bytes_left < 0:
                raise Misunderstood("it asks for the message over and over")
            yield offset, self._read(offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            chunk = self._sample.read(offset, length)
        except OSError as error:
            raise SampleUnreadable(f"the body cannot be read: {error.strerror}") from None
        if len(chunk) != length:
            raise SampleUnreadable("the body is shorter than it was")
        return chunk
