"""What does an rspamd think of the message?

Touches rspamd's normal worker (or its proxy) over HTTP. Its symbols become tests of ours, weighted
by the filter's document; its action never acts. A message larger than ``bytes_max`` is not shown.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from common.errors import LocalError
from common.kinds import options_of, takes
from common.settings.satellite import FilterSettings
from common.verdict import points
from satellite.filtering.filter import Filter, FilterContext, Mail
from satellite.filtering.servers import rspamd_answer
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.http_messages import HttpQuestion
from satellite.filtering.servers.http_peer import HttpPeer
from satellite.filtering.servers.scorer import (
    BytesMax,
    HttpServersOptions,
    Opinion,
    Scorer,
    addresses_of,
    limits_of,
    tls_of,
)
from satellite.filtering.servers.taken_over import TakenOverWeights, as_tests


class RspamdOptions(HttpServersOptions):
    """What the settings of an ``rspamd`` filter may say."""

    bytes_max: BytesMax = 2_097_152
    """Octets of the largest message that is shown."""
    user: Annotated[str, Field(max_length=200)] = ""
    """The user that rspamd is told (`User`), for rules that go by it; empty: none."""


class AsksRspamd:
    """The question, and what its answer comes to.

    Args:
        name: of the filter.
        user: that rspamd is told.
    """

    def __init__(self, name: str, user: str) -> None:
        self._name = name
        self._user = user

    async def opinion(
        self, server: HttpPeer, mail: Mail, octets: bytes, weights: TakenOverWeights
    ) -> Opinion:
        """Return its symbols as our tests."""
        question = rspamd_answer.question(mail.envelope, octets, user=self._user)
        said = rspamd_answer.answer(await server.asked(question))
        if said.is_skipped:
            return Opinion(detail="rspamd skips it, by its own settings", is_skipped=True)
        return Opinion(
            tests=as_tests(self._name, said.symbols, total=said.score, weights=weights),
            detail=f"{points(said.score)} of {points(said.required)}; {said.action}",
        )

    async def condition(self, server: HttpPeer) -> str:
        """Return that it answers a ping."""
        reply = await server.asked(HttpQuestion(method="GET", target="/ping"))
        if reply.status != 200 or reply.body.strip() != b"pong":
            raise Nonsense(f"it answers /ping with {reply.status}: is it rspamd's normal worker?")
        return "answers"


@takes(RspamdOptions, of_document=TakenOverWeights)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter.

    Raises:
        LocalError: an address or an option is wrong.
    """
    if settings is None:
        raise LocalError("it is not configured", hint="name it under filters")
    options = options_of(settings, RspamdOptions)
    addresses, tls = addresses_of(settings, options), tls_of(options)
    servers = [HttpPeer(at, clock=context.clock, tls=tls) for at in addresses]
    return Scorer(
        settings,
        context,
        servers=servers,
        asks=AsksRspamd(settings.name, options.user),
        weights=TakenOverWeights,
        limits=limits_of(settings, options, bytes_max=options.bytes_max),
    )
