"""A Trend Vision One File Security that does what a test tells it to, on a port of loopback.

tests/integration/test_file_security_client.py has the vendor's own client talk to it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

import grpc
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

from tests.support.network.ports import free_port

ATSE_VERSION = {
    "engine": "23.57.0-1002",
    "lptvpn": 301,
    "ssaptn": 721,
    "tmblack": 253,
    "tmwhite": 227,
    "macvpn": 904,
}


class Hang(Exception):
    """Answer nothing, and keep the call."""


class Refuse(Exception):
    """End the call with a status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


class Close(Exception):
    """End the call without a result."""


class ScriptedFileSecurity:
    """Calls ``script(content)`` for each file, and gives what it returns as the result.

    Args:
        script: gives the JSON; may raise ``Hang``, ``Refuse`` or ``Close``.
        port: to listen on; 0: a free one.
        asks: the ranges that it asks for, given the size; none: the whole, in pieces of 64 KiB.
        certificate: a file with key and certificate for TLS; None: it speaks in the open.
    """

    def __init__(
        self,
        script: Callable[[bytes], str],
        *,
        port: int = 0,
        asks: Callable[[int], list[tuple[int, int]]] | None = None,
        certificate: Path | None = None,
    ) -> None:
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.firsts: list[FromClient] = []
        self.metadata: list[dict[str, str]] = []
        self.received = asyncio.Event()
        self._script = script
        self._asks = asks or _whole
        self._certificate = certificate
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> Self:
        handler = grpc.stream_stream_rpc_method_handler(
            self._run,
            request_deserializer=FromClient.FromString,
            response_serializer=FromServer.SerializeToString,
        )
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("amaas.scan.v1.Scan", {"Run": handler}),)
        )
        if self._certificate is None:
            self._server.add_insecure_port(self.address)
        else:
            both = self._certificate.read_bytes()
            credentials = grpc.ssl_server_credentials([(both, both)])
            self._server.add_secure_port(self.address, credentials)
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await self._server.stop(None)

    async def _run(
        self, said: AsyncIterator[FromClient], context: Any
    ) -> AsyncIterator[FromServer]:
        first = await anext(said)
        if first.stage != STAGE_INIT:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "Incorrect stage")
        self.firsts.append(first)
        self.metadata.append(dict(context.invocation_metadata()))
        content = bytearray(first.file_bytes)
        ranges = self._asks(first.file_bytes)
        if ranges:
            yield FromServer(
                stage=STAGE_RUN,
                command=COMMAND_RETRIEVE,
                bulk_offset=[offset for offset, _ in ranges],
                bulk_length=[length for _, length in ranges],
            )
        for _ in ranges:
            chunk = await anext(said)
            while chunk.stage == STAGE_HEARTBEAT:
                chunk = await anext(said)
            self.received.set()
            content[chunk.offset : chunk.offset + len(chunk.chunk)] = chunk.chunk
        try:
            result = self._script(bytes(content))
        except Hang:
            await asyncio.Event().wait()
            raise
        except Close:
            return
        except Refuse as refusal:
            await context.abort(refusal.code, refusal.details)
            raise
        yield FromServer(stage=STAGE_FINISHED, command=COMMAND_QUIT, result=result)


def _whole(size: int) -> list[tuple[int, int]]:
    return [(offset, min(65_536, size - offset)) for offset in range(0, size, 65_536)]


def verbose(*names: str, by_learning: tuple[str, ...] = (), error: object = None) -> str:
    """Return a result in the verbose form, with names of findings."""
    malware = [{"name": name, "fileName": "a.exe", "type": "Trojan"} for name in names]
    learned = [{"name": name, "fileName": "a.exe", "type": "Ransom"} for name in by_learning]
    return json.dumps(
        {
            "scanType": "sdk",
            "schemaVersion": "1.0.0",
            "scannerVersion": "1.0.0-1",
            "fileName": "01TEST.eml",
            "scanId": "84947a19-b84a-4091-bb7d-8422ab5098a7",
            "result": {
                "atse": {
                    "elapsedTime": 1004335,
                    "version": ATSE_VERSION,
                    "malwareCount": len(malware),
                    "malware": malware or None,
                    "error": error,
                },
                "trendx": {
                    "version": {"engine": "23.57.0-1002", "tmblack": 253, "trendx": 331},
                    "malwareCount": len(learned),
                    "malware": learned or None,
                    "error": None,
                },
            },
            "appName": "V1FS",
        }
    )


def concise(*names: str, result: object = None) -> str:
    """Return a result in the concise form, with names of findings."""
    return json.dumps(
        {
            "scannerVersion": "1.0.0-29",
            "schemaVersion": "1.0.0",
            "scanResult": len(names) or result,
            "scanId": "74c7362b-8245-48be-81fe-b620a0409ef1",
            "fileName": "01TEST.eml",
            "foundMalwares": [{"fileName": "Eicar.exe", "malwareName": name} for name in names],
        }
    )
