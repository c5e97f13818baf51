"""What does SpamAssassin think of the message, and what does it learn?

Touches its server spamd, over TCP or a Unix socket, with a connection for each message, as its
protocol has it. Its score is taken over, weighted by the filter's document. With ``REPORT`` each of
its tests has its points; with ``SYMBOLS`` and ``CHECK`` there is only the sum. Where it learns, it
does so for each customer by himself, as whose user it is asked.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.errors import LocalError
from common.kinds import options_of, takes
from common.lessons import NOBODY, Lesson, known_as
from common.settings.satellite import FilterSettings
from common.verdict import points
from satellite.filtering.filter import Filter, FilterContext, Learned, Mail
from satellite.filtering.servers import spamd_protocol
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.learning_scorer import LearningScorer
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
    learns: bool = False
    """Whether it learns, for each customer as a user of his own; it must be started with
    `--allow-tell`, and all `addresses` are told."""

    @model_validator(mode="after")
    def _is_asked_for_one(self) -> SpamassassinOptions:
        if self.learns and self.user:
            raise ValueError("user beside learns: it is asked as the customer; take user out")
        return self


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
        user = self._options.user
        if self._options.learns:
            # spamd goes on with what the last user's mail has taught it, unless it is told another.
            customer = mail.preferences.taught_by(mail.envelope.recipients)
            user = known_as(customer) if customer else NOBODY
        opening = spamd_protocol.question(self._options.command.upper(), message, user=user)
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


class TeachesSpamd:
    """How spamd is told a lesson."""

    async def taught(self, server: OnceServer, lesson: Lesson) -> Learned:
        """Return what it made of a lesson."""
        opening = spamd_protocol.tell(
            lesson.octets, truth=lesson.truth, user=known_as(lesson.customer)
        )
        said = await server.said(opening, lesson.octets, reply_bytes_max=REPLY_BYTES_MAX)
        return spamd_protocol.told(said)

    async def readiness(self, server: OnceServer) -> str:
        """Return that it takes what it is told, by something that it cannot learn."""
        nothing = b"TELL SPAMC/1.5\r\nContent-length: 0\r\nMessage-class: ham\r\n\r\n"
        said = await server.said(nothing, reply_bytes_max=REPLY_BYTES_MAX)
        found = spamd_protocol.told(said)
        if found.reason:
            raise Nonsense(found.reason)
        return "learns"


@takes(SpamassassinOptions, of_document=TakenOverWeights)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter.

    Raises:
        LocalError: an address or an option is wrong.
    """
    if settings is None:
        raise LocalError("it is not configured", hint="name it under filters")
    options = options_of(settings, SpamassassinOptions)
    addresses = addresses_of(settings, options)
    asks = AsksSpamd(settings.name, options)
    servers = [OnceServer(at) for at in addresses]
    limits = limits_of(settings, options, bytes_max=options.bytes_max)
    if not options.learns:
        return Scorer(
            settings, context, servers=servers, asks=asks, weights=TakenOverWeights, limits=limits
        )
    return LearningScorer(
        settings,
        context,
        servers=servers,
        asks=asks,
        weights=TakenOverWeights,
        limits=limits,
        taught=[OnceServer(at) for at in addresses],
        teaches=TeachesSpamd(),
    )
