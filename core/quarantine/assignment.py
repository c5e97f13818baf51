"""Which shard delivers a release, and when does another one get its turn?

Pure. A release belongs to one shard until it is claimed; it passes on only when that shard did not
claim it in time, and never after a claim.

Source: promise P8; docs/sync.md, *Releases*.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

Place = tuple[str, int]  # node, shard


class ReleaseState(StrEnum):
    """How far a release is."""

    WAITING = "waiting"  # nobody has claimed it: it may be assigned, and assigned anew
    CLAIMED = "claimed"  # one shard has it, in one life: only `again` can deliver it twice
    DONE = "done"  # the shard's record says that it took the message into its spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A wish that a quarantined message be delivered.

    Args:
        id: a ULID.
        message_id: the quarantined message.
        requested_us: when, microseconds since the epoch, UTC.
        requested_by: by whom.
        again: whether the message may have been delivered before.
        state: how far it is.
        node: the node that it is assigned to; empty when none is.
        shard: and its shard.
        incarnation: the life that claimed it; empty before.
        assigned_us: when it was assigned; 0: not.
        claimed_us: when it was claimed; 0: not.
        done_us: when the record of its arrival was taken in; 0: not.
        released_as: the new message that delivers it; empty before.
        recipients: to whom, as they came; none: to all.
    """

    id: str
    message_id: str
    requested_us: int
    requested_by: str
    again: bool
    state: ReleaseState
    node: str
    shard: int
    incarnation: str
    assigned_us: int
    claimed_us: int
    done_us: int
    released_as: str
    recipients: tuple[str, ...] = ()

    def delivers_to(self, everybody: Sequence[str]) -> tuple[str, ...]:
        """Return to whom of a message's recipients it delivers."""
        return tuple([one for one in everybody if not self.recipients or one in self.recipients])

    @property
    def place(self) -> Place | None:
        """The shard that it is assigned to."""
        return (self.node, self.shard) if self.node else None


def assign(
    release: Release,
    *,
    origin: Place,
    connected: Collection[Place],
    now_us: int,
    claim_wait_us: int,
) -> Place | None:
    """Return the shard that a release which nobody has claimed shall go to, or None for nobody.

    Args:
        release: the release, as it is assigned now.
        origin: the shard that took the mail: it knows the customer's server.
        connected: the shards that could be asked.
        now_us: microseconds since the epoch, UTC.
        claim_wait_us: how long a shard has to claim it.
    """
    current = release.place
    # A clock that was set back must not keep a release for longer than its wait.
    waited = not 0 <= now_us - release.assigned_us < claim_wait_us
    if current is not None and not waited:
        return current
    if current is None and origin in connected:
        return origin
    others = sorted(place for place in connected if place != current)
    if others:
        return _after(current, others)
    return current


def _after(current: Place | None, others: list[Place]) -> Place:
    """Return the next one in order, so that each gets its turn."""
    later = [place for place in others if current is not None and place > current]
    return later[0] if later else others[0]


def refusal(release: Release | None, *, place: Place, incarnation: str) -> str:
    """Return why a shard may not have a release; empty when it may.

    A repeat by the one that claimed it is granted: the first answer may have been lost. Its next
    life is not: the former one may have delivered the message before its disk was lost.
    """
    if release is None:
        return "no such release"
    if release.place != place:
        return "it is assigned to another shard"
    match release.state:
        case ReleaseState.WAITING:
            return ""
        case ReleaseState.CLAIMED | ReleaseState.DONE if release.incarnation == incarnation:
            return ""
        case ReleaseState.CLAIMED | ReleaseState.DONE:
            return "an earlier life of this shard claimed it and may have delivered it"
