"""What does an rspamd think of the message, and what does it learn?

Touches rspamd's normal worker (or its proxy) over HTTP. Its symbols become tests of ours, weighted
by the filter's document; its action never acts. A message larger than ``bytes_max`` is not shown.
Where its controllers are named it learns, each customer for himself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from common.errors import LocalError
from common.kinds import options_of, takes
from common.lessons import Lesson, LessonOutcome, known_as
from common.settings.satellite import FilterSettings
from common.settings.values import Server
from common.verdict import points
from satellite.filtering.filter import Filter, FilterContext, Learned, Mail
from satellite.filtering.servers import rspamd_answer, rspamd_learning
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.http_messages import HttpQuestion
from satellite.filtering.servers.http_peer import HttpPeer
from satellite.filtering.servers.learning_scorer import LearningScorer
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

PASSWORD_BYTES_MAX = 1_024
CONTROLLERS_MAX = 8


class RspamdOptions(HttpServersOptions):
    """What the settings of an ``rspamd`` filter may say."""

    bytes_max: BytesMax = 2_097_152
    """Octets of the largest message that is shown."""
    user: Annotated[str, Field(max_length=200)] = ""
    """The user that rspamd is told (`User`), for rules that go by it; empty: none."""
    controllers: Annotated[tuple[Server, ...], Field(max_length=CONTROLLERS_MAX)] = ()
    """The controllers of all rspamds that are to learn; none: nothing is learned."""
    password_file: Annotated[str, Field(max_length=4_096)] = ""
    """A file with the password of the controllers; empty: they want none from here."""

    @model_validator(mode="after")
    def _password_is_for_somebody(self) -> RspamdOptions:
        if self.password_file and not self.controllers:
            raise ValueError("password_file without controllers: nobody would be told it")
        return self


class AsksRspamd:
    """The question, and what its answer comes to.

    Args:
        name: of the filter.
        user: that rspamd is told.
        learns: whether it is told the customer, for what it has learned of his mail.
    """

    def __init__(self, name: str, user: str, *, learns: bool) -> None:
        self._name = name
        self._user = user
        self._learns = learns

    async def opinion(
        self, server: HttpPeer, mail: Mail, octets: bytes, weights: TakenOverWeights
    ) -> Opinion:
        """Return its symbols as our tests."""
        customer = mail.preferences.taught_by(mail.envelope.recipients) if self._learns else ""
        question = rspamd_answer.question(
            mail.envelope,
            octets,
            user=self._user,
            customer=known_as(customer) if customer else "",
        )
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


class TeachesRspamd:
    """How a controller is told a lesson.

    Args:
        password: of the controllers; empty: none.
    """

    def __init__(self, password: str) -> None:
        self._password = password
        self._ready: set[str] = set()  # those that were seen to have a classifier

    async def taught(self, server: HttpPeer, lesson: Lesson) -> Learned:
        """Return what it made of a lesson."""
        if server.address not in self._ready:
            what = await self._learns_nothing(server)
            if what:
                return Learned(LessonOutcome.AWAY, what)
            self._ready.add(server.address)
        question = rspamd_learning.learning_question(lesson, password=self._password)
        learned = rspamd_learning.learned(await server.asked(question))
        if learned.outcome is LessonOutcome.AWAY:
            self._ready.discard(server.address)
        return learned

    async def readiness(self, server: HttpPeer) -> str:
        """Return that it is a controller with a classifier, and takes our password."""
        what = await self._learns_nothing(server)
        if not what:
            trial = rspamd_learning.trial_question(password=self._password)
            what = rspamd_learning.takes_no_lessons(await server.asked(trial))
        if what:
            raise Nonsense(what)
        return "learns"

    async def _learns_nothing(self, server: HttpPeer) -> str:
        statistics = rspamd_learning.statistics_question(password=self._password)
        return rspamd_learning.learns_nothing(await server.asked(statistics))


@takes(RspamdOptions, of_document=TakenOverWeights)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter.

    Raises:
        LocalError: an address, an option or the password is wrong.
    """
    if settings is None:
        raise LocalError("it is not configured", hint="name it under filters")
    options = options_of(settings, RspamdOptions)
    addresses, tls = addresses_of(settings, options), tls_of(options)
    servers = [HttpPeer(at, clock=context.clock, tls=tls) for at in addresses]
    asks = AsksRspamd(settings.name, options.user, learns=bool(options.controllers))
    limits = limits_of(settings, options, bytes_max=options.bytes_max)
    if not options.controllers:
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
        taught=[HttpPeer(at, clock=context.clock, tls=tls) for at in options.controllers],
        teaches=TeachesRspamd(_password(options.password_file)),
    )


def _password(file: str) -> str:
    if not file:
        return ""
    try:
        with Path(file).open("rb") as opened:
            said = opened.read(PASSWORD_BYTES_MAX).decode("ascii").strip()
    except (OSError, UnicodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "no ASCII"
        raise LocalError(
            f"the password cannot be read: {file}: {what}",
            hint="let it hold the controller's password in one line",
        ) from None
    if not said or not said.isprintable():
        raise LocalError(f"{file} holds no password", hint="write it there in one line")
    return said
