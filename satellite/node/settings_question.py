"""What do parent and workers say to each other of settings that the core tells?

Pure. The parent asks every second; the question carries how the node stands, for the worker's
report, and the answer carries what the core told that worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from common.reports import SettingsState


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsAnswer:
    """What the core told a worker last, and the parent has not taken."""

    token: str = ""  # of this telling; empty: there is none
    digest: str = ""
    tree: Mapping[str, Any] | None = None  # None: no such settings are applied here
    drain_s: int = 0  # so long at most the node empties itself before it begins anew


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsQuestion:
    """How the node stands with its settings.

    Args:
        in_force: the digest of those that it works with.
        told: the digest of those that it was told to take last; empty: it never was.
        state, problem: how it stands with those.
        taken: the token of the telling that was taken last; a worker says it no more.
        drains: the worker takes no mail for now, since the node is to begin anew.
    """

    word: ClassVar = "settings"
    answer: ClassVar = SettingsAnswer

    in_force: str = ""
    told: str = ""
    state: SettingsState = SettingsState.STEADY
    problem: str = ""
    taken: str = ""
    drains: bool = False
