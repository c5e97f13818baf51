"""How does a filter give its verdict that asks another program, whatever that one does?

Touches the loop and the program. The filter's document says what the answer weighs, and whether it
is asked for at all. What goes wrong outside is a verdict that says so, and gives no points.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Annotated, Generic, Protocol, TypeVar

from pydantic import Field, ValidationError, model_validator

from common.errors import LocalError
from common.frozen import dataclass
from common.kinds import Options
from common.preferences import Kind
from common.preferences.bodies import FilterBody
from common.server_tls import server_tls
from common.settings.satellite import FilterSettings
from common.settings.values import Server
from common.verdict import DETAIL_LENGTH_MAX, Outcome, Test, Verdict, printable
from satellite.filtering.filter import FilterContext, FilterHealth, Mail, name_of_test
from satellite.filtering.inside import NoInside
from satellite.filtering.servers.failures import HungUp, Nonsense, NoServer
from satellite.filtering.servers.fallback import ADDRESSES_MAX, Fallback, FallbackServer

BUDGET_S_MAX = 9.0  # of one message: our own time ends before that of all filters (10 s)
PROBE_S = 5.0
FAILURES_TO_TELL = 3  # in a row: one crafted message is no news for an operator
BYTES_MAX_MAX = 16_777_216  # a message lies in memory while it is shown

BytesMax = Annotated[int, Field(ge=1_024, le=BYTES_MAX_MAX)]


class ServersOptions(Options):
    """What the settings of every filter may say that asks another program."""

    addresses: Annotated[tuple[Server, ...], Field(max_length=ADDRESSES_MAX - 1)] = ()
    """Further servers; the one with the least to do is asked, another one when it fails."""
    sessions_max: Annotated[int, Field(ge=1, le=100)] = 16
    """Questions at once, of one worker and one server."""


class HttpServersOptions(ServersOptions):
    """What the settings of a filter may say that asks over HTTP."""

    tls: bool = False
    """Encrypt the way to it (https); its certificate must name the host of its address."""
    tls_authorities: Annotated[str, Field(max_length=4_096)] = ""
    """A file with the certificates (PEM) of who may vouch for it; empty: the system's."""

    @model_validator(mode="after")
    def _hides_what_it_says(self) -> HttpServersOptions:
        if self.tls_authorities and not self.tls:
            raise ValueError("tls_authorities without tls: all goes in the clear; say tls: true")
        return self


WeightsT = TypeVar("WeightsT", bound=Options)
ServerT = TypeVar("ServerT", bound=FallbackServer)
AskedT_contra = TypeVar("AskedT_contra", contravariant=True)
WeighingT_contra = TypeVar("WeighingT_contra", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What another program thinks of a message.

    Args:
        tests: ours, made of what it said.
        detail: the rest of what it said, printable or not.
        is_skipped: it did not look at it.
    """

    tests: tuple[Test, ...] = ()
    detail: str = ""
    is_skipped: bool = False


class Asks(Protocol[AskedT_contra, WeighingT_contra]):
    """How one kind of server is asked."""

    async def opinion(
        self, server: AskedT_contra, mail: Mail, octets: bytes, weights: WeighingT_contra
    ) -> Opinion:
        """Return what a server thinks of a message.

        Raises:
            NoServer, HungUp, Nonsense: there is no answer.
        """
        ...

    async def condition(self, server: AskedT_contra) -> str:
        """Return what a server says of itself, when it answers as it must.

        Raises:
            NoServer, HungUp, Nonsense: it does not.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerLimits:
    """What bounds a filter.

    Args:
        budget_s: how long one message may take.
        bytes_max: octets of the largest message that is shown.
        sessions_max: questions at once to one server.
    """

    budget_s: float
    bytes_max: int
    sessions_max: int


class Scorer(Generic[ServerT, WeightsT]):
    """A filter that asks another program.

    Args:
        settings: of the filter.
        context: the clock.
        servers: one at least.
        asks: how they are asked.
        weights: what the filter's document may say.
        limits: what bounds it.
    """

    def __init__(
        self,
        settings: FilterSettings,
        context: FilterContext,
        *,
        servers: Sequence[ServerT],
        asks: Asks[ServerT, WeightsT],
        weights: type[WeightsT],
        limits: ScorerLimits,
    ) -> None:
        self.name = settings.name
        self._kind = settings.kind
        self._clock = context.clock
        self._asks = asks
        self._weights = weights
        self._limits = limits
        self._servers = Fallback(servers, clock=context.clock, attempt_s=limits.budget_s / 2)
        self._places = asyncio.Semaphore(limits.sessions_max * len(servers))
        self._failures = 0  # in a row, of whatever was asked last
        self._last_failure = ""
        self._read: tuple[FilterBody, WeightsT | str] | None = (
            None  # the document, and what it says
        )

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict, or none where no document asks for it."""
        at_once = self.examine_at_once(mail)
        if at_once is not None:
            return at_once
        weights = self._weights_of(mail)
        assert weights is not None and not isinstance(weights, str)
        began_s = self._clock.monotonic_s()
        opinion, outcome, detail = await self._asked(mail, weights)
        self._remember(outcome, detail)
        failed = _failure_test(self.name, outcome, detail)
        return (
            Verdict(
                by=self.name,
                outcome=outcome,
                ms=int((self._clock.monotonic_s() - began_s) * 1000),
                detail=printable(detail, length_max=DETAIL_LENGTH_MAX),
                tests=opinion.tests if outcome is Outcome.SCORED else failed,
            ),
        )

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Return the verdict where nobody has to be asked, else None."""
        weights = self._weights_of(mail)
        if weights is None:
            self._failures = 0
            return ()
        if isinstance(weights, str):
            self._failures = 0  # status tells of a document that is wrong, whoever it is for
            return (
                Verdict(
                    by=self.name,
                    outcome=Outcome.ERROR,
                    detail=printable(weights, length_max=DETAIL_LENGTH_MAX),
                    tests=_failure_test(self.name, Outcome.ERROR, weights),
                ),
            )
        if mail.size > self._limits.bytes_max:
            detail = f"{mail.size} octets are more than bytes_max, {self._limits.bytes_max}"
            return (Verdict(by=self.name, outcome=Outcome.SKIPPED, detail=detail),)
        return None

    def problems(self) -> tuple[str, ...]:
        """Return why its points are missing, where the last few messages had none."""
        if self._failures < FAILURES_TO_TELL:
            return ()
        what = printable(self._last_failure, length_max=DETAIL_LENGTH_MAX)
        return (f"the filter {self.name} gives no points: {what}",)

    async def probe(self) -> tuple[FilterHealth, ...]:
        """Return whether each server would answer now, in the order of the settings."""
        return tuple(
            await asyncio.gather(*(self._health_of(server) for server in self._servers.servers))
        )

    async def close(self) -> None:
        """Close all connections."""
        self._servers.close()

    def _remember(self, outcome: Outcome, detail: str) -> None:
        is_failure = outcome not in (Outcome.SCORED, Outcome.SKIPPED)
        self._failures = min(self._failures + 1, FAILURES_TO_TELL) if is_failure else 0
        self._last_failure = detail

    async def _asked(self, mail: Mail, weights: WeightsT) -> tuple[Opinion, Outcome, str]:
        was_shown = False

        async def shown(server: ServerT) -> Opinion:
            nonlocal was_shown
            was_shown = True
            return await self._asks.opinion(server, mail, octets, weights)

        try:
            # Who waits for a place holds no message in memory.
            async with asyncio.timeout(self._limits.budget_s), self._places:
                octets = await mail.inside.octets(bytes_max=self._limits.bytes_max)
                opinion = await self._servers.ask(shown)
        except TimeoutError:
            if not was_shown:
                return Opinion(), Outcome.UNAVAILABLE, "too many other messages wait for it"
            return Opinion(), Outcome.TIMEOUT, f"no answer within {self._limits.budget_s:g} s"
        except NoServer as error:
            return Opinion(), Outcome.UNAVAILABLE, error.what
        except (HungUp, Nonsense, NoInside) as error:
            return Opinion(), Outcome.ERROR, error.what
        outcome = Outcome.SKIPPED if opinion.is_skipped else Outcome.SCORED
        return opinion, outcome, opinion.detail

    def _weights_of(self, mail: Mail) -> WeightsT | str | None:
        """Return what the document says, None where it asks nothing, or what is wrong with it."""
        document = mail.preferences.document(Kind.FILTER, self.name)
        if document is None:
            return None
        body = document.body_as(FilterBody)
        if not body.enabled:
            return None
        if self._read is None or self._read[0] is not body:
            self._read = (body, self._weights_in(body))
        return self._read[1]

    def _weights_in(self, body: FilterBody) -> WeightsT | str:
        if body.kind != self._kind:
            return f"its document is of the kind {body.kind}, and the node's settings {self._kind}"
        try:
            return self._weights.model_validate(body.options)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            return f"its document's options: {place}: {first['msg']}"

    async def _health_of(self, server: ServerT) -> FilterHealth:
        try:
            async with asyncio.timeout(PROBE_S):
                said = await self._asks.condition(server)
        except TimeoutError:
            return FilterHealth(server.address, is_answering=False, detail="it does not answer")
        except (NoServer, HungUp, Nonsense) as error:
            return FilterHealth(server.address, is_answering=False, detail=printable(error.what))
        return FilterHealth(server.address, is_answering=True, detail=printable(said))


def addresses_of(settings: FilterSettings, options: ServersOptions) -> tuple[str, ...]:
    """Return where all servers of a filter are.

    Raises:
        LocalError: there is none, or one twice.
    """
    if not settings.address:
        raise LocalError("it has no address", hint="write where its server is: address: HOST:PORT")
    addresses = (settings.address, *options.addresses)
    if len(set(addresses)) < len(addresses):
        raise LocalError("an address stands there twice", hint="name each server once")
    return addresses


def tls_of(options: HttpServersOptions) -> ssl.SSLContext | None:
    """Return what the servers of a filter are held to, None where nothing is encrypted.

    Raises:
        LocalError: the file of the authorities is wrong.
    """
    return server_tls(options.tls_authorities) if options.tls else None


def limits_of(settings: FilterSettings, options: ServersOptions, *, bytes_max: int) -> ScorerLimits:
    """Return the limits that the settings of a filter name."""
    return ScorerLimits(
        budget_s=min(settings.timeout_s, BUDGET_S_MAX),
        bytes_max=bytes_max,
        sessions_max=options.sessions_max,
    )


def _failure_test(name: str, outcome: Outcome, detail: str) -> tuple[Test, ...]:
    """Return what stands among the tests, so that nobody takes silence for a pass; no points."""
    if outcome is Outcome.SKIPPED:
        return ()
    return (Test(name=name_of_test(name, outcome.value), detail=printable(detail)),)
