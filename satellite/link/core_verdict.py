"""May this shard be led by a core, and hand it what it has?

Pure. A satellite follows one history: the epoch of the latest generation that it accepted, from
the revision on that it applied. Two cores may hold one certificate, one address after the other,
and even one epoch with two histories in it, as after a restore without a new epoch or a cloned
disk; what one of them acknowledged, the other one does not have. So a verdict is about one process
of a core, by its ``life``, and what another process says is worth nothing before its own verdict.

Source: docs/design/link-guarantees.md, G1, G16.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.link import Batch, CoreStanding
from common.preferences import Epoch, Position

UNNAMED = ""  # the life of a core of the version before, which names none
RENEW = "on the core that is to be followed, run: borderscout core renew-epoch"


@dataclass(frozen=True, slots=True)
class CoreVerdict:
    """What the follower found of one process of a core.

    Args:
        life: of that process.
        reason: why it is not accepted; empty: it is.
    """

    life: str
    reason: str = ""


def objection_to_epoch(epoch: Epoch, *, latest: Epoch) -> str:
    """Return why an epoch must not be followed; empty: it may be.

    Args:
        epoch: the core's.
        latest: the latest that was accepted here.
    """
    if epoch.generation < latest.generation:
        return (
            f"this core is an earlier one: its generation is {epoch.generation},"
            f" ours is {latest.generation}"
        )
    if epoch.generation == latest.generation and epoch != latest:
        return f"this core is another one that claims the same generation; {RENEW}"
    return ""


def objection(core: CoreStanding, *, applied: Position, digest: bytes, latest: Epoch) -> str:
    """Return why a core that says this of itself must not be followed; empty: it may be.

    Args:
        core: what it says, having heard what is applied here.
        applied: what is in force here.
        digest: of that set, as the core that it came from announced it.
        latest: the latest epoch that was accepted here.
    """
    of_epoch = objection_to_epoch(core.position.epoch, latest=latest)
    if of_epoch or core.position.epoch != applied.epoch:
        return of_epoch
    if core.digest_at_yours == digest:
        return ""
    if core.digest_at_yours is not None:
        return forked(applied)
    if core.position.revision < applied.revision:
        return lost_changes(core.position, applied)
    if core.position == applied and core.digest != digest:
        return forked(applied)
    return ""  # revisions have no holes: it let ours go, which was kept for long enough


def objection_to_batch(batch: Batch, *, applied: Position, digest: bytes, latest: Epoch) -> str:
    """Return why a core that sends this batch must not be followed; empty: it may be.

    Args:
        batch: a part of it.
        applied, digest, latest: as for ``objection``.
    """
    if not batch.snapshot:
        return objection_to_epoch(batch.target.epoch, latest=latest)
    if batch.target == applied and batch.digest != digest:
        return forked(applied)
    return objection_to_position(batch.target, applied=applied, latest=latest)


def objection_to_position(position: Position, *, applied: Position, latest: Epoch) -> str:
    """Return why a core that is here must not be followed; empty: as far as this goes, it may be.

    Args:
        position: the core's.
        applied, latest: as for ``objection``.
    """
    if position.epoch == applied.epoch and position.revision < applied.revision:
        return lost_changes(position, applied)
    return objection_to_epoch(position.epoch, latest=latest)


def forked(applied: Position) -> str:
    """Return the reason against a core with another set at our own revision."""
    return (
        f"this core has another set at revision {applied.revision} of the epoch in which we have"
        f" ours: one epoch, two histories; {RENEW}"
    )


def lost_changes(core: Position, applied: Position) -> str:
    """Return the reason against a core that is behind us in our own epoch."""
    return (
        f"this core is at revision {core.revision} of the epoch in which we have"
        f" {applied.revision}: it lost changes; {RENEW}"
    )
