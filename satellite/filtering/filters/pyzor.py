"""How often was the message called spam, as Pyzor's servers count?

Touches a Pyzor server by datagrams. It is shown a digest and nothing of the message. With
``report`` what is for nobody but spam traps is reported, once by a worker.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from secrets import randbelow
from typing import Annotated

from pydantic import Field

from common.clock import Clock
from common.errors import LocalError, PeerError
from common.kinds import Options, options_of, takes
from common.settings.satellite import FilterSettings
from common.verdict import Test
from satellite.filtering.filter import Filter, FilterContext, Mail, name_of_test
from satellite.filtering.servers import pyzor_protocol
from satellite.filtering.servers.datagrams import heard
from satellite.filtering.servers.failures import NoServer
from satellite.filtering.servers.point_steps import PointSteps, points_of
from satellite.filtering.servers.pyzor_digest import pyzor_digest
from satellite.filtering.servers.pyzor_protocol import PyzorAccount, PyzorCounts
from satellite.filtering.servers.scorer import (
    BytesMax,
    Opinion,
    Scorer,
    ServersOptions,
    addresses_of,
    limits_of,
)
from satellite.filtering.servers.server_stream import UNIX_PREFIX
from satellite.filtering.servers.spam_traps import TrapAddresses, is_for_traps

INLINE_BYTES_MAX = 8_192  # a digest takes some milliseconds for more, and is made in a thread
REPORTED_MAX = 10_000
KEY_BYTES_MAX = 1_024


class PyzorOptions(ServersOptions):
    """What the settings of a ``pyzor`` filter may say."""

    bytes_max: BytesMax = 262_144
    """Octets of the largest message that is digested."""
    user: Annotated[str, Field(pattern=pyzor_protocol.USER_PATTERN)] = pyzor_protocol.ANONYMOUS
    """The account at the server."""
    key_file: Annotated[str, Field(max_length=4_096)] = ""
    """A file with the account's key as `pyzor genkey` gives it (`SALT,KEY`); empty: none."""
    report: bool = False
    """Report what is for nobody but spam traps."""


class PyzorWeights(Options):
    """What the document of a ``pyzor`` filter may say in its ``options``."""

    steps: PointSteps = "5=1.5"
    """From how many reports on there are how many points, fewer where others call it no spam."""
    traps: TrapAddresses = ""
    """Addresses of spam traps; with `report` what is for these alone is reported."""


class PyzorServer:
    """One server.

    Args:
        address: ``HOST:PORT``.
        account: who asks.
        clock: for the signatures.
    """

    def __init__(self, address: str, *, account: PyzorAccount, clock: Clock) -> None:
        self.address = address
        self._account = account
        self._clock = clock

    async def said(self, operation: str, digest: str = "") -> bytes:
        """Return its reply.

        Raises:
            NoServer: nobody listens there.
        """
        first, end = pyzor_protocol.THREADS
        thread = first + randbelow(end - first)
        question = pyzor_protocol.question(
            operation,
            digest,
            thread=thread,
            account=self._account,
            now_s=self._clock.now_us() // 1_000_000,
        )
        return await heard(
            self.address,
            question,
            is_answer=lambda reply: pyzor_protocol.thread_of(reply) in (thread, None),
            may_repeat=operation != "report",  # each counts
        )

    def close(self) -> None:
        """Nothing is kept."""


class AsksPyzor:
    """The question, and what its answer comes to.

    Args:
        name: of the filter.
        reports: whether what traps get is reported.
    """

    def __init__(self, name: str, *, reports: bool) -> None:
        self._name = name
        self._reports = reports
        self._reported: OrderedDict[str, None] = OrderedDict()

    async def opinion(
        self, server: PyzorServer, mail: Mail, octets: bytes, weights: PyzorWeights
    ) -> Opinion:
        """Return the points of its counts."""
        if len(octets) <= INLINE_BYTES_MAX:
            digest = pyzor_digest(octets)
        else:
            digest = await asyncio.to_thread(pyzor_digest, octets)
        if digest is None:
            return Opinion(detail="there is too little text for a digest", is_skipped=True)
        counts = pyzor_protocol.counts(await server.said("check", digest))
        detail = f"{digest}: {counts.reports} reports, {counts.welcomes} of no spam"
        if self._reports and is_for_traps(mail.envelope.recipients, weights.traps):
            detail += await self._report(server, digest)
        points = round(points_of(weights.steps, counts.reports) * _share(counts), 3)
        tests = (Test(name=name_of_test(self._name), score=points, detail=detail),)
        return Opinion(tests=tests if points else (), detail=detail)

    async def condition(self, server: PyzorServer) -> str:
        """Return that it answers a ping."""
        pyzor_protocol.check_answered(await server.said("ping"))
        return "answers"

    async def _report(self, server: PyzorServer, digest: str) -> str:
        """Report a digest, and return what became of it; nothing depends on that."""
        if digest in self._reported:
            return ""
        self._reported[digest] = None
        if len(self._reported) > REPORTED_MAX:
            self._reported.popitem(last=False)
        try:
            pyzor_protocol.check_answered(await server.said("report", digest))
        except (NoServer, PeerError) as error:
            return f"; not reported: {error.what}"
        return "; reported"


def _share(counts: PyzorCounts) -> float:
    """Return how much of the points counts: less where many say that it is no spam."""
    both = counts.reports + counts.welcomes
    return max(0.0, (counts.reports - counts.welcomes) / both) if both else 0.0


@takes(PyzorOptions, of_document=PyzorWeights)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter.

    Raises:
        LocalError: an address, an option or the key's file is wrong.
    """
    if settings is None:
        raise LocalError("it is not configured", hint="name it under filters")
    options = options_of(settings, PyzorOptions)
    addresses = addresses_of(settings, options)
    if any(address.startswith(UNIX_PREFIX) for address in addresses):
        raise LocalError("Pyzor is asked by datagrams", hint="write HOST:24441")
    account = PyzorAccount(user=options.user, key=_key(options))
    return Scorer(
        settings,
        context,
        servers=[PyzorServer(at, account=account, clock=context.clock) for at in addresses],
        asks=AsksPyzor(settings.name, reports=options.report),
        weights=PyzorWeights,
        limits=limits_of(settings, options, bytes_max=options.bytes_max),
    )


def _key(options: PyzorOptions) -> str:
    if not options.key_file:
        if options.user != pyzor_protocol.ANONYMOUS:
            raise LocalError("a user without a key", hint="write key_file: PATH")
        return ""
    try:
        with Path(options.key_file).open("rb") as file:
            said = file.read(KEY_BYTES_MAX).decode("ascii").strip()
    except (OSError, UnicodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "no ASCII"
        raise LocalError(
            f"the key cannot be read: {options.key_file}: {what}",
            hint="let it hold SALT,KEY, as pyzor genkey gives it",
        ) from None
    key = said.rpartition(",")[2]
    if not key or any(digit not in "0123456789abcdefABCDEF" for digit in key):
        raise LocalError(
            f"{options.key_file} holds no key", hint="write SALT,KEY, as pyzor genkey gives it"
        )
    return key
