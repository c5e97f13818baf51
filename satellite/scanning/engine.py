"""What is an engine, and which engine kinds are there, ours and other packages'?

Touches the installed packages, through ``common.kinds``: an engine of somebody else is found like
our own. How one is written stands in docs/engines.md; ``conformance`` tells whether it is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from common.clock import Clock
from common.errors import LocalError, SettingsError
from common.frozen import dataclass
from common.kinds import Group, checked_factory_of, complaints_of
from common.pushed_rules import PushedRules
from common.settings.satellite import EngineSettings
from common.verdict import Verdict
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample

# The detail of a ``skipped`` by an engine that a policy kept from the mail: it is not missed.
BARRED = "engine.cloud: not all recipients allow that the mail leaves the house"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHealth:
    """Whether an engine would answer now.

    Args:
        answering: it gave the answer that it must give.
        version: of the engine; empty when unknown.
        detail: its condition in words, or what is wrong; data from outside.
        definitions: their version; empty when unknown.
        definitions_us: when they were made, microseconds since the epoch; 0 when unknown.
    """

    answering: bool
    version: str = ""
    detail: str = ""
    definitions: str = ""
    definitions_us: int = 0


class Engine(Protocol):
    """One virus scanner."""

    @property
    def name(self) -> str:
        """Return the name in the settings."""
        ...

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        """Return what the engine says of one message.

        ``clean`` only when the engine said so in its own words: no answer, half an answer and an
        answer that is not understood are ``unavailable``, ``timeout`` or ``error``. Several scans
        run at once. A cancelled one leaves nothing behind.

        Args:
            sample: what to scan.
            deadline_s: seconds from now in which the answer is of use; then ``timeout``.
        """
        ...

    async def probe(self) -> EngineHealth:
        """Return whether it would answer now; never raises for what the engine does."""
        ...

    async def close(self) -> None:
        """Let go of everything; the engine is not used again."""
        ...


@runtime_checkable
class EngineAnswersAtOnce(Protocol):
    """What an engine may have beside: an answer that needs no waiting, for some messages."""

    def scan_at_once(self, sample: Sample) -> Verdict | None:
        """Return the verdict, or None: then ``scan`` is asked.

        It runs in the event loop: within a tenth of a millisecond, in time linear in the sample,
        and with nothing that hostile mail could hang, crash or swell.
        """
        ...


@runtime_checkable
class OpensArchives(Protocol):
    """A mark that an engine may bear: it looks into archives that others only see."""

    async def opens(self) -> frozenset[str]:
        """Return the kinds that it opens now, as ``Verdict.unreadable`` calls them.

        Asked only where another engine met such an archive.
        """
        ...


@runtime_checkable
class HasServers(Protocol):
    """A mark that an engine may bear: it asks one of several servers."""

    @property
    def servers_away(self) -> int:
        """Return how many of them are left alone now."""
        ...


@runtime_checkable
class KeepsItsTime(Protocol):
    """A mark that an engine may bear: ``scan`` ends with its deadline and with its cancellation.

    Then it needs no task of its own that could be left behind.
    """

    @property
    def keeps_its_time(self) -> bool:
        """Return whether it does."""
        ...


@runtime_checkable
class WorksHere(Protocol):
    """A mark that an engine may bear: whoever waits for it waits for this node's own work.

    No silence of it means that it is away, and it is never left alone: while a few messages keep it
    busy, the others have their turn later, and must not go unscanned instead.
    """

    @property
    def works_here(self) -> bool:
        """Return whether it does."""
        ...


@runtime_checkable
class JudgesContentAlone(Protocol):
    """A mark that an engine may bear: it says the same of the same octets, whoever sent them.

    Its verdict depends on the octets of the sample and on the version that it tells, and on nothing
    else: no client, no recipient, no rules of one customer. Then its ``clean`` and ``infected``
    hold for other messages of exactly the same octets, until it tells another version.
    """

    @property
    def judges_content_alone(self) -> bool:
        """Return whether it does."""
        ...


@runtime_checkable
class TellsVersionAtOnce(Protocol):
    """What an engine may have beside: it knows its version before it is asked about a message.

    For one whose definitions come with the preferences, so that they change from one message to the
    next: nothing that it said with those before may stand for that one.
    """

    def told_now(self) -> tuple[str, str, int]:
        """Return the versions of engine and definitions, and when these were made; at once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContext:
    """What an engine is given beside its settings.

    Args:
        clock: the only source of time.
        helper: the process for whatever may hang, crash or swell on hostile mail.
        yara_rules: gives the YARA rules that the core pushes now.
    """

    clock: Clock
    helper: Helper
    yara_rules: Callable[[], tuple[PushedRules, ...]] = tuple


Build = Callable[[EngineSettings, EngineContext], Engine]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """An engine in its place, with the settings that hold for it whatever its kind."""

    engine: Engine
    settings: EngineSettings


def build_engines(settings: Sequence[EngineSettings], context: EngineContext) -> tuple[Fitted, ...]:
    """Return the configured engines, in the order of the settings.

    Raises:
        SettingsError: with one complaint for each engine that cannot be; says what would be.
    """
    complaints = [
        f"engines.{name}: there are {count} engines of this name; give each its own"
        for name, count in Counter(item.name for item in settings).items()
        if count > 1
    ]
    fitted: list[Fitted] = []
    for item in settings:
        try:
            build: Build = checked_factory_of(Group.ENGINES, item)
            fitted.append(Fitted(engine=build(item, context), settings=item))
        except LocalError as error:
            complaints += complaints_of(f"engines.{item.name}", error)
    if complaints:
        raise SettingsError(complaints)
    return tuple(fitted)
