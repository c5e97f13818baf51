"""What does SpamAssassin think of the message?

Touches its server spamd, over TCP or a Unix socket, with a connection for each message, as its
protocol has it. Its score is taken over, weighted by the filter's document. With ``REPORT`` each of
its tests has its points; with ``SYMBOLS`` and ``CHECK`` there is only the sum.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from common.errors import LocalError
from common.kinds import options_of, takes
from common.settings.satellite import FilterSettings
from common.verdict import points
from satellite.filtering.filter import Filter, FilterContext, Mail
from satellite.filtering.servers import spamd_protocol
from satellite.filtering.servers.once_server import OnceServer
from satellite.filtering.servers.scorer import (
    BytesMax,
    Opinion,
    Scorer,
    ServersOptions,
    addresses_of,
    limits_of,
)
from satellite.filtering.servers.spamd_protocol import REPLY_BYTES_MAX
from satellite.filtering.servers.taken_over import TakenOverWeights, as_tests

NAMES_LENGTH_MAX = 400  # of the symbols without points, in the verdict's detail


class SpamassassinOptions(ServersOptions):
    """What the settings of a ``spamassassin`` filter may say."""

    bytes_max: BytesMax = 524_288
    """Octets of the largest message that is shown; spamc's own limit is 500 KiB."""
    command: Literal["report", "symbols", "check"] = "report"
    """What spamd is asked for: tests with their points, their names, or the score alone."""
    user: Annotated[str, Field(pattern=spamd_protocol.USER_PATTERN)] = ""
    """Whose preferences hold at spamd; empty: its own."""


class AsksSpamd:
    """The question, and what its answer comes to.

    Args:
        name: of the filter.
        options: of its settings.
    """

    def __init__(self, name: str, options: SpamassassinOptions) -> None:
        self._name = name
        self._options = options

    async def opinion(
        self, server: OnceServer, mail: Mail, octets: bytes, weights: TakenOverWeights
    ) -> Opinion:
        """Return its tests as ours."""
        message = spamd_protocol.envelope_fields(mail.envelope, now_us=mail.now_us) + octets
        opening = spamd_protocol.question(
            self._options.command.upper(), message, user=self._options.user
        )
        said = spamd_protocol.reply(
            await server.said(opening, message, reply_bytes_max=REPLY_BYTES_MAX)
        )
        names = ",".join(one.name for one in said.symbols if not one.score)[:NAMES_LENGTH_MAX]
        return Opinion(
            tests=as_tests(self._name, said.symbols, total=said.score, weights=weights),
            detail=f"{points(said.score)} of {points(said.required)}; {names}".rstrip("; "),
        )

    async def condition(self, server: OnceServer) -> str:
        """Return that it answers a ping."""
        ping = b"PING SPAMC/1.5\r\n\r\n"
        return spamd_protocol.pong(await server.said(ping, reply_bytes_max=REPLY_BYTES_MAX))


@takes(SpamassassinOptions, of_document=TakenOverWeights)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter.

    Raises:
        LocalError: an address or an option is wrong.
    """
    if settings is None:
        raise LocalError("it is not configured", hint="name it under filters")
    options = options_of(settings, SpamassassinOptions)
    return Scorer(
        settings,
        context,
        servers=[OnceServer(at) for at in addresses_of(settings, options)],
        asks=AsksSpamd(settings.name, options),
        weights=TakenOverWeights,
        limits=limits_of(settings, options, bytes_max=options.bytes_max),
    )
