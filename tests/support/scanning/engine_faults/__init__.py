"""What may be wrong with an engine, and what puts one into that state?

Pure. A bench stands for one kind of engine; while it is arranged, every engine that it makes meets
the fault, each time it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from satellite.scanning.engine import EngineContext, Fitted, build_engines
from satellite.scanning.helper import Helper
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import with_attachment, zipped

SHORT_S = 1.5  # for an engine that does not answer within it
LONG_S = 60.0  # far more than any other needs
# Every engine that is well finds it, and none is done with it at once.
MESSAGE = with_attachment(zipped(("a.txt", EICAR)))


class Fault(StrEnum):
    """What is wrong with the engine; the words stand on the page."""

    ABSENT = "killed: it is not there"
    KILLED = "killed in the middle of the message"
    BEHIND = "what it asks itself is killed"
    HUNG = "hung: it takes the message and never answers"
    SLOW = "slow: half of its answer in time, the rest too late"
    HALF = "half an answer, and then the end"
    EMPTY = "no answer, and the end in order"
    GARBAGE = "garbage"
    LICENCE = "the licence has ended"
    RELOADING = "it loads its definitions"
    WEB_SERVER = "wrong service: a web server is there"
    MAIL_SERVER = "wrong service: a mail server is there"
    STALE = "its definitions are old"


# The engine waits for these as long as it may.
SILENT = frozenset({Fault.HUNG, Fault.SLOW, Fault.MAIL_SERVER})

# Makes an engine of that name, as the settings of a node would.
Make = Callable[[str], Fitted]


class FaultBench(Protocol):
    """One kind of engine, and what stands behind it."""

    @property
    def engine(self) -> str:
        """Return what the page calls it."""
        ...

    @property
    def impossible(self) -> Mapping[Fault, str]:
        """Return what it cannot suffer, each with the reason."""
        ...

    def arrange(self, fault: Fault | None) -> AbstractAsyncContextManager[Make]:
        """Put what stands behind it into a state; None: all is well. Leaving it ends all."""
        ...


def made(settings: EngineSettings, helper: Helper | None = None) -> Fitted:
    """Return an engine as a node builds it."""
    clock = SystemClock()
    context = EngineContext(clock=clock, helper=helper or Helper(clock=clock))
    (fitted,) = build_engines([settings], context)
    return fitted


def timeout_s(fault: Fault | None) -> float:
    """Return how long an engine may take for a message."""
    return SHORT_S if fault in SILENT else LONG_S
