"""Which core is at another address: a later one, which is to be followed, or one that must not run?

Pure. While one core is accepted, each other address of it should have none. What stands there all
the same has been restored since, or should have been stopped; and nobody else would notice it, for
each node asks only the core that it hangs on.

Source: docs/sync.md, *On several machines*; docs/operating/restore.md, *Renew the epoch*.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.link import CoreStanding
from common.preferences import Epoch, Position
from satellite.link.core_verdict import RENEW, UNNAMED

STOP = "only one may run: on the machine of the other one, type: systemctl stop borderscout-core"


@dataclass(frozen=True, slots=True)
class FollowedCore:
    """The core that is accepted.

    Args:
        life: of its process; UNNAMED: it names none.
        latest: the latest epoch that was accepted here.
        applied: what is applied here; of an earlier epoch until that core has sent its first batch.
    """

    life: str
    latest: Epoch
    applied: Position

    @property
    def position(self) -> Position:
        """Where its preferences are known to be at least."""
        return self.applied if self.applied.epoch == self.latest else Position(self.latest, 0)


def is_later(other: CoreStanding, ours: FollowedCore) -> bool:
    """Say whether a core at another address is to be followed instead of ours."""
    return other.position.epoch.generation > ours.latest.generation


def complaint_of(other: CoreStanding, ours: FollowedCore, *, address: str) -> str:
    """Return what is wrong with a core that is not later; empty: it is our own, by another way.

    Args:
        other: what it says of itself.
        ours: the accepted one.
        address: where the other one is.
    """
    if ours.life in (other.life, UNNAMED):
        return ""
    epoch = other.position.epoch
    if epoch == ours.latest:
        return f"a second core of the same epoch runs at {address}; {STOP}; {RENEW}"
    if epoch.generation == ours.latest.generation:
        return f"another core of the same generation runs at {address}; {STOP}; {RENEW}"
    return (
        f"an earlier core runs at {address}: its generation is {epoch.generation},"
        f" ours is {ours.latest.generation}; {STOP}"
    )
