"""What score does a Cloudmark Authority server give the message?

Touches that server over HTTP. The steps in the filter's document say how many points a score is.
The server's analysis stands in the header of the copy, since its vendor asks for it with a
complaint. How large a message may be is asked of the server, and again while it does not say.
"""

from __future__ import annotations

import ssl
from secrets import token_hex
from typing import Literal

from common.clock import Clock
from common.errors import LocalError
from common.kinds import Options, options_of, takes
from common.settings.satellite import FilterSettings
from common.verdict import Effect, Test, points
from satellite.filtering.filter import Filter, FilterContext, Mail, name_of_test
from satellite.filtering.servers import cloudmark_score
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.http_messages import HttpQuestion, HttpReply
from satellite.filtering.servers.http_peer import HttpPeer
from satellite.filtering.servers.point_steps import PointSteps, points_of
from satellite.filtering.servers.scorer import (
    BytesMax,
    HttpServersOptions,
    Opinion,
    Scorer,
    addresses_of,
    limits_of,
    tls_of,
)

LIMIT_S = 3_600.0  # how long it is believed how large a message may be
UNKNOWN_S = 30.0  # after which it is asked again where it was not said


class CloudmarkOptions(HttpServersOptions):
    """What the settings of a ``cloudmark`` filter may say."""

    bytes_max: BytesMax = 2_097_152
    """Octets of the largest message that is shown, where the server does not say less."""
    message_type: Literal["text/plain", "message/rfc822"] = "text/plain"
    """What the message is called in the question; servers take the first."""


class CloudmarkWeights(Options):
    """What the document of a ``cloudmark`` filter may say in its ``options``."""

    steps: PointSteps = "90=10"
    """From which score on there are how many points: `90=10, 70=3`."""
    analysis: bool = True
    """Put the server's analysis into the header of the copy (`X-BorderScout-Analysis`)."""


class CloudmarkServer:
    """One server, and how large a message may be that it takes.

    Args:
        address: ``HOST:PORT``.
        clock: for the age of what is known.
        tls: what it is held to; None: nothing is encrypted.
    """

    def __init__(self, address: str, *, clock: Clock, tls: ssl.SSLContext | None) -> None:
        self.address = address
        self._peer = HttpPeer(address, clock=clock, tls=tls)
        self._clock = clock
        self._limit: int | None = None
        self._until_s = float("-inf")

    async def asked(self, question: HttpQuestion) -> HttpReply:
        """Return its reply to a question about a message.

        Raises:
            NoServer, HungUp, Nonsense: there is none.
        """
        return await self._peer.asked(question)

    async def limit(self) -> int | None:
        """Return how many octets a message may have, None while it does not say.

        Raises:
            NoServer, HungUp, Nonsense: it answers nothing.
        """
        now_s = self._clock.monotonic_s()
        if now_s >= self._until_s:
            self._until_s = now_s + UNKNOWN_S  # whoever comes meanwhile does not ask as well
            self._limit = cloudmark_score.size_limit(
                await self._peer.asked(cloudmark_score.SIZE_LIMIT)
            )
            if self._limit is not None:
                self._until_s = now_s + LIMIT_S
        return self._limit

    def close(self) -> None:
        """Close its connections."""
        self._peer.close()


class AsksCloudmark:
    """The question, and what its answer comes to.

    Args:
        name: of the filter.
        message_type: what the message is called.
    """

    def __init__(self, name: str, message_type: str) -> None:
        self._name = name
        self._message_type = message_type

    async def opinion(
        self, server: CloudmarkServer, mail: Mail, octets: bytes, weights: CloudmarkWeights
    ) -> Opinion:
        """Return the points of its score, with its analysis."""
        limit = await server.limit()
        if limit is not None and len(octets) > limit:
            return Opinion(detail=f"the server takes {limit} octets at most", is_skipped=True)
        question = cloudmark_score.question(
            mail.envelope, octets, boundary=token_hex(16), message_type=self._message_type
        )
        said = cloudmark_score.score(await server.asked(question))
        test = Test(
            name=name_of_test(self._name),
            score=points_of(weights.steps, said.score),
            detail=said.analysis,
            effect=Effect.TELL if weights.analysis and said.analysis else Effect.SCORE,
        )
        return Opinion(tests=(test,), detail=f"{points(said.score)} of 100")

    async def condition(self, server: CloudmarkServer) -> str:
        """Return how large a message may be."""
        reply = await server.asked(cloudmark_score.SIZE_LIMIT)
        limit = cloudmark_score.size_limit(reply)
        if limit is None:
            raise Nonsense(f"it answers with {reply.status}, and not how large a message may be")
        return f"messages of up to {limit} octets"


@takes(CloudmarkOptions, of_document=CloudmarkWeights)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter.

    Raises:
        LocalError: an address or an option is wrong.
    """
    if settings is None:
        raise LocalError("it is not configured", hint="name it under filters")
    options = options_of(settings, CloudmarkOptions)
    addresses, tls = addresses_of(settings, options), tls_of(options)
    return Scorer(
        settings,
        context,
        servers=[CloudmarkServer(at, clock=context.clock, tls=tls) for at in addresses],
        asks=AsksCloudmark(settings.name, options.message_type),
        weights=CloudmarkWeights,
        limits=limits_of(settings, options, bytes_max=options.bytes_max),
    )
