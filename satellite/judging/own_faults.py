"""Is it the engine that does not answer, or a message that no engine could finish?

Pure. An engine that read other mail of about that size while it kept silent on a message is there:
the fault is the message's. After ``FAULTS_MAX`` such tries the message is ``limits`` to that engine
and waits no more; else a few crafted messages would be tried for seven days. Without an answer to
others nothing is blamed on the message, since then all mail would look alike.

A message in the middle of which the engine died counts apart, and less often: after the first time
it is shown to the engine alone, just after a trial, so that the second death is the message's own.
Where others had come to it by then, it may have been one of those: such deaths decide later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from common.verdict import Outcome, Verdict
from satellite.scanning.deaths import DEATHS_MAX, DEATHS_UNSURE_MAX, deaths_of

FAULTS_MAX = 3
ERROR_LOOK_BACK_S = 60.0  # an error comes at once: nobody else is answered in that moment

_UNFINISHED = frozenset({Outcome.TIMEOUT, Outcome.ERROR})


class KnowsAnswers(Protocol):
    """The scanning room, as far as it is asked."""

    def answered_since(self, name: str, began_s: float, *, size: int) -> bool: ...

    def died_alone(self, name: str, sha256: bytes) -> bool: ...


def blamed(
    verdicts: Sequence[Verdict],
    faults: Mapping[str, int],
    *,
    scanner: KnowsAnswers,
    began_s: float,
    size: int,
    sha256: bytes,
) -> tuple[tuple[Verdict, ...], dict[str, int]]:
    """Return the verdicts, and how often each engine could not finish this message.

    An engine that was silent on it for whatever reason is among them, be it with 0: until it has
    answered, nobody knows whose fault that is.

    Args:
        verdicts: of this try.
        faults: of the tries before, by engine.
        scanner: knows whether an engine answered for other mail, and died of this alone.
        began_s: when this try began, on its clock.
        size, sha256: of the message, in octets.
    """
    counted = dict(faults)
    said: list[Verdict] = []
    for verdict in verdicts:
        if verdict.died:
            deaths = counted[deaths_of(verdict.by)] = counted.get(deaths_of(verdict.by), 0) + 1
            counted.setdefault(verdict.by, 0)
            since_s = began_s - ERROR_LOOK_BACK_S
            most = DEATHS_MAX if scanner.died_alone(verdict.by, sha256) else DEATHS_UNSURE_MAX
            if deaths >= most and scanner.answered_since(verdict.by, since_s, size=size):
                said.append(_limits(verdict, f"it died of this message {deaths} times"))
                continue
        elif verdict.outcome in _UNFINISHED:
            look_back_s = ERROR_LOOK_BACK_S if verdict.outcome is Outcome.ERROR else 0.0
            is_own = scanner.answered_since(verdict.by, began_s - look_back_s, size=size)
            counted[verdict.by] = counted.get(verdict.by, 0) + is_own
            if counted[verdict.by] >= FAULTS_MAX:
                tries = counted[verdict.by]
                why = f"it could not finish this message in {tries} tries"
                said.append(_limits(verdict, why))
                continue
        said.append(verdict)
    return tuple(said), counted


def _limits(verdict: Verdict, why: str) -> Verdict:
    what = verdict.detail or str(verdict.outcome)
    detail = f"{why}, but read others: {what}"
    return replace(verdict, outcome=Outcome.LIMITS, detail=detail)
