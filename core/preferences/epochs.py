"""Which epoch does a core begin, and what does it mean when a node follows another one?

Pure. An epoch is one life of the core's database. The one of the highest generation wins at every
node, so a core that was put back, cloned or made anew begins one that is later than all that it
knows of.

A node says which epoch it follows, and one that is not ours to trust can say any number. What lies
too far ahead is told and never followed by itself: otherwise one word would use the numbers up.

Source: docs/design/link-guarantees.md, G1, G16; docs/operating/restore.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from common.errors import LocalError
from common.preferences import Position

GENERATION_MAX = (1 << 53) - 1  # exact in JSON, and far from the end of a column
STEP_MAX = 1_000  # restorations between two looks at a node; more than any cluster has had


class EpochRefused(LocalError):
    """No epoch of this generation can be begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherEpoch:
    """A node that takes nothing from this core, since it follows another one.

    Args:
        node: its name.
        follows: what it has applied.
        ours: where this core is.
    """

    node: str
    follows: Position
    ours: Position

    @property
    def is_near(self) -> bool:
        """Whether a new epoch of ours is later by itself."""
        return self.follows.epoch.generation <= self.ours.epoch.generation + STEP_MAX

    @property
    def problem(self) -> str:
        """What an operator should know."""
        theirs, ours = self.follows, self.ours
        if theirs.epoch == ours.epoch:
            return (
                f"{self.node} has revision {theirs.revision} of the epoch in which this core has"
                f" {ours.revision}: this core was put back"
            )
        generations = f"generation {theirs.epoch.generation}, this core's is"
        if theirs.epoch.generation == ours.epoch.generation:
            return f"{self.node} follows another core of {generations} the same"
        return f"{self.node} follows a later core: {generations} {ours.epoch.generation}"


def other_epoch(node: str, follows: Position, *, ours: Position) -> OtherEpoch | None:
    """Return why a node takes nothing from this core, or None when it does or soon will."""
    if follows.epoch == ours.epoch:
        is_other = follows.revision > ours.revision
    else:
        is_other = follows.epoch.generation >= ours.epoch.generation
    return OtherEpoch(node=node, follows=follows, ours=ours) if is_other else None


def other_epochs(follows: Iterable[tuple[str, Position]], *, ours: Position) -> list[OtherEpoch]:
    """Return the nodes that take nothing from this core, each once.

    Args:
        follows: nodes, and what each or a shard of it follows.
        ours: where this core is.
    """
    found: dict[str, OtherEpoch] = {}
    for node, position in follows:
        other = other_epoch(node, position, ours=ours)
        if other is not None:
            found.setdefault(node, other)
    return list(found.values())


def next_generation(ours: int, *, known: Iterable[int] = (), wished: int | None = None) -> int:
    """Return the generation of a new epoch.

    Args:
        ours: of the epoch that ends.
        known: of others that were heard of; those more than ``STEP_MAX`` ahead do not count.
        wished: what an operator named.

    Raises:
        EpochRefused: what he named is not later than ours, or there is none.
    """
    near = [one for one in known if one <= ours + STEP_MAX]
    generation = max([ours, *near]) + 1 if wished is None else wished
    if generation <= ours:
        raise EpochRefused(
            f"generation {generation} is not later than {ours}, which this core has",
            hint="name a higher one, or none",
        )
    if generation > GENERATION_MAX:
        raise EpochRefused(
            f"generation {generation} is above {GENERATION_MAX}", hint="name a lower one"
        )
    return generation
