"""What does one answer of an engine's server say of a message?

Pure.
"""

from __future__ import annotations

from common.frozen import dataclass
from common.verdict import Outcome


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one answer says; the engine makes its verdict of it.

    Args:
        outcome, threats, detail: of the verdict.
        died: there was no answer, since the engine ended in the middle of the message.
    """

    outcome: Outcome
    threats: tuple[str, ...] = ()
    detail: str = ""
    died: bool = False
