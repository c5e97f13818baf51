"""Which verdict does Trend Vision One File Security give of a message?

Touches its server, a scanner of your own or the vendor's cloud. The cloud is shown a message only
where the policy of each of its recipients allows that (``engine.cloud``). The vendor's client is
not used: it demands versions of gRPC and protobuf that are older than ours can be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import grpc
import grpc.aio
from pydantic import Field, model_validator

from common.clock import Clock
from common.errors import LocalError
from common.frozen import dataclass
from common.kinds import Options, options_of, takes
from common.settings.satellite import EngineSettings
from common.verdict import DETAIL_LENGTH_MAX, Outcome, Verdict, printable
from satellite.scanning.engine import BARRED, Engine, EngineContext, EngineHealth
from satellite.scanning.file_security.exchange import exchange, method_of
from satellite.scanning.file_security.outcomes import (
    NO_LICENCE,
    FileSecurityResult,
    refused,
    result_of,
)
from satellite.scanning.meaning import Meaning
from satellite.scanning.sample import Sample, SampleUnreadable
from satellite.scanning.sessions.connection import Misunderstood, SessionEnded
from satellite.working_places import WorkingPlaces

PROBE_S = 5.0
HELD_S = 1.0  # a scan that takes longer lets another begin beside it
SCANS_TIMES_MAX = 8  # so many times the scans that are to work at once, hung ones included
KEY_BYTES_MAX = 8_192
CLOUD_DOMAIN = "trendmicro.com"
_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),
)

Region = Literal[
    "",
    "us-east-1",
    "eu-central-1",
    "eu-west-2",
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-south-1",
    "ca-central-1",
    "me-central-1",
    "af-south-1",
]
_HOSTS: Mapping[Region, str] = {
    "us-east-1": "us-1",
    "eu-central-1": "de-1",
    "eu-west-2": "gb-1",
    "ap-northeast-1": "jp-1",
    "ap-southeast-1": "sg-1",
    "ap-southeast-2": "au-1",
    "ap-southeast-3": "id-1",
    "ap-south-1": "in-1",
    "ca-central-1": "ca-1",
    "me-central-1": "ae-1",
    "af-south-1": "za-1",
}


class TrendV1fsOptions(Options):
    """What a ``trend-v1fs`` engine may be told."""

    region: Region = ""
    """The vendor's cloud of this region, in place of an address: mail leaves the house."""
    api_key_file: Annotated[str, Field(max_length=4096)] = ""
    """A file with the API key and nothing else; the cloud wants one."""
    tls: bool = True
    """Encrypt the way to a scanner of your own; without, the API key is not sent."""
    tls_authorities: Annotated[str, Field(max_length=4096)] = ""
    """A file with the certificates (PEM) of who may vouch for it; empty: gRPC's own."""
    machine_learning: bool = False
    """Judge files by machine learning, too (PML)."""
    scans_max: Annotated[int, Field(ge=1, le=100)] = 8
    """Scans at once, of one worker."""

    @model_validator(mode="after")
    def _fits(self) -> TrendV1fsOptions:
        if self.region and not (self.tls and self.api_key_file):
            raise ValueError("the cloud wants TLS and an API key; name options.api_key_file")
        if self.tls_authorities and not self.tls:
            raise ValueError("tls_authorities without tls: all goes in the clear; say tls: true")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSecurityServer:
    """Where the server is and how it is reached.

    Args:
        target: ``HOST:PORT``.
        is_cloud: it is the vendor's, out of the house.
        authorities: whom to believe, in PEM; None: gRPC's own.
        uses_tls: whether the way is encrypted.
        key: the API key; empty: none is sent.
    """

    target: str
    is_cloud: bool
    authorities: bytes | None
    uses_tls: bool
    key: str


@takes(TrendV1fsOptions)
def build(settings: EngineSettings, context: EngineContext) -> Engine:
    """Return the engine.

    Raises:
        LocalError: the address or an option is wrong.
    """
    options = options_of(settings, TrendV1fsOptions)
    return TrendV1fs(
        settings.name,
        _server(settings.address, options),
        clock=context.clock,
        scans_max=options.scans_max,
        machine_learning=options.machine_learning,
    )


def _server(address: str, options: TrendV1fsOptions) -> FileSecurityServer:
    if bool(address) == bool(options.region) or address.startswith("unix:"):
        raise LocalError(
            "it needs an address or a region, one of the two",
            hint="write address: HOST:PORT of your own scanner, or options.region of the cloud",
        )
    host = address.rpartition(":")[0].rstrip(".").lower()
    is_cloud = bool(options.region) or host == CLOUD_DOMAIN or host.endswith(f".{CLOUD_DOMAIN}")
    if is_cloud and not (options.tls and options.api_key_file):
        raise LocalError("the cloud wants TLS and an API key", hint="name options.api_key_file")
    target = address or f"antimalware.{_HOSTS[options.region]}.cloudone.{CLOUD_DOMAIN}:443"
    key = _content(options.api_key_file, "API key").decode("latin-1").strip()
    if options.api_key_file and not (key.isascii() and key.isprintable() and key):
        raise LocalError(
            f"there is no API key in {options.api_key_file}", hint="put the key there, in one line"
        )
    authorities = _content(options.tls_authorities, "certificate") or None
    return FileSecurityServer(
        target=target,
        is_cloud=is_cloud,
        authorities=authorities,
        uses_tls=options.tls,
        key=key if options.tls else "",
    )


def _content(path: str, what: str) -> bytes:
    """Return what is in a file, nothing where none is named."""
    if not path:
        return b""
    try:
        with Path(path).open("rb") as file:
            return file.read(1_000_000 if what == "certificate" else KEY_BYTES_MAX)
    except OSError as error:
        raise LocalError(
            f"the {what} cannot be read: {path}: {error.strerror}", hint="check path and rights"
        ) from None


class TrendV1fs:
    """The engine of the kind ``trend-v1fs``."""

    keeps_its_time = True  # every wait below is gRPC's or a place's, within the deadline

    def __init__(
        self,
        name: str,
        server: FileSecurityServer,
        *,
        clock: Clock,
        scans_max: int,
        machine_learning: bool,
    ) -> None:
        self._name = name
        self._server = server
        self._clock = clock
        self._machine_learning = machine_learning
        self._places = WorkingPlaces(scans_max, held_s=HELD_S, most=scans_max * SCANS_TIMES_MAX)
        self._channel: grpc.aio.Channel | None = None  # made in the loop that uses it
        self._last = FileSecurityResult(meaning=Meaning(Outcome.CLEAN))

    @property
    def name(self) -> str:
        return self._name

    def scan_at_once(self, sample: Sample) -> Verdict | None:
        """Return that it is not shown what must not leave the house, without asking anybody."""
        if not self._server.is_cloud or sample.may_leave:
            return None
        return Verdict(by=self._name, outcome=Outcome.SKIPPED, detail=BARRED)

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        barred = self.scan_at_once(sample)
        if barred is not None:
            return barred
        began_s = self._clock.monotonic_s()
        shown = asyncio.Event()  # to the server: before, no silence has to do with the message
        try:
            async with asyncio.timeout(deadline_s):
                said = await self._asked(sample, shown)
        except TimeoutError:
            said = _late(deadline_s, was_shown=shown.is_set())
        except (SessionEnded, Misunderstood, SampleUnreadable) as error:
            said = Meaning(Outcome.ERROR, (), error.what)
        return Verdict(
            by=self._name,
            outcome=said.outcome,
            version=self._last.version,
            definitions=self._last.definitions,
            ms=round((self._clock.monotonic_s() - began_s) * 1000),
            threats=said.threats,
            detail=printable(said.detail, length_max=DETAIL_LENGTH_MAX),
        )

    async def probe(self) -> EngineHealth:
        """Return whether it takes connections, and would not refuse us for want of a licence.

        Nothing is scanned for it: each scan in the cloud is paid for, or counted.
        """
        channel = self._connected()
        try:
            async with asyncio.timeout(PROBE_S):
                while (state := channel.get_state(True)) is not grpc.ChannelConnectivity.READY:
                    await channel.wait_for_state_change(state)
        except TimeoutError:
            detail = f"no connection to {self._server.target}"
            return EngineHealth(answering=False, detail=detail)
        if NO_LICENCE in self._last.meaning.detail:
            return EngineHealth(answering=False, detail=self._last.meaning.detail)
        return EngineHealth(
            answering=True,
            version=self._last.version,
            detail="connected, " + ("out of the house" if self._server.is_cloud else "in house"),
            definitions=self._last.definitions,
        )

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close(None)

    async def _asked(self, sample: Sample, shown: asyncio.Event) -> Meaning:
        async with self._places.place():
            call = method_of(self._connected())(metadata=self._metadata())
            try:
                result = await exchange(
                    call, sample, machine_learning=self._machine_learning, shown=shown
                )
                said = result_of(result, sha256=sample.sha256)
            except grpc.aio.AioRpcError as error:
                said = self._refused(error.code(), error.details())
            except asyncio.InvalidStateError:  # it ended the call while we were writing
                said = self._refused(await call.code(), await call.details())
            finally:
                call.cancel()
        self._last = said
        return said.meaning

    def _refused(self, code: grpc.StatusCode, details: str | None) -> FileSecurityResult:
        return FileSecurityResult(
            meaning=refused(code.value[0], details or ""),
            version=self._last.version,
            definitions=self._last.definitions,
        )

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        key = self._server.key
        return (("tm-app-name", "V1FS"), *((("authorization", f"ApiKey {key}"),) if key else ()))

    def _connected(self) -> grpc.aio.Channel:
        if self._channel is None:
            target = self._server.target
            if self._server.uses_tls:
                credentials = grpc.ssl_channel_credentials(self._server.authorities)
                self._channel = grpc.aio.secure_channel(target, credentials, _CHANNEL_OPTIONS)
            else:
                self._channel = grpc.aio.insecure_channel(target, _CHANNEL_OPTIONS)
        return self._channel


def _late(deadline_s: float, *, was_shown: bool) -> Meaning:
    if was_shown:
        return Meaning(Outcome.TIMEOUT, (), f"no answer within {deadline_s:g} s")
    return Meaning(Outcome.UNAVAILABLE, (), f"no session within {deadline_s:g} s")
