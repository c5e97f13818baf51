"""What is an engine, and which engine kinds are there, ours and other packages'?

Touches the installed packages, through ``common.kinds``: an engine of somebody else is found like
our own. How one is written stands in docs/engines.md; ``conformance`` tells whether it is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from common.clock import Clock
from common.errors import LocalError, SettingsError
from common.kinds import Group, checked_factory_of, complaints_of
from common.settings.satellite import EngineSettings
from common.verdict import Verdict
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHealth:
    """Whether an engine would answer now.

    Args:
        answering: it gave the answer that it must give.
        version: of engine and definitions; empty when unknown.
        detail: its condition in words, or what is wrong; data from outside.
    """

    answering: bool
    version: str = ""
    detail: str = ""


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
class KeepsItsTime(Protocol):
    """A mark that an engine may bear: ``scan`` ends with its deadline and with its cancellation.

    Then it needs no task of its own that could be left behind.
    """

    @property
    def keeps_its_time(self) -> bool:
        """Return whether it does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContext:
    """What an engine is given beside its settings.

    Args:
        clock: the only source of time.
        helper: the process for whatever may hang, crash or swell on hostile mail.
    """

    clock: Clock
    helper: Helper


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
