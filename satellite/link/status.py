"""How is the link to the core, as one shard sees it?

Pure: a picture of one moment, for metrics, for operators and for tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """The link of one shard."""

    connected: bool
    lag: int | None  # revisions behind the core; None: unknown, which is never 0
    age_s: float | None  # since the core last said where it is; None: not in this life
    skew_us: int | None  # our clock less the core's at its last word
    problems: tuple[str, ...]
    reconnects: Mapping[str, int]  # by stream, how often it ended and was opened again
    damages: int = 0  # times that documents on the disk were found changed, in this life
    core_refused: str = ""  # why nothing is handed to the core that is there; empty: it is
    forked: str = ""  # why the core does not hear this spool; empty: nothing is known of that
    core: str = ""  # the address at which the core is dialled, HOST:PORT
    is_standby: bool = False  # whether that is not the first one of the settings
    moves: int = 0  # times that another address was dialled instead
    other_cores: tuple[str, ...] = ()  # what is wrong with cores that run at other addresses
