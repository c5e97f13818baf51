"""Which states can a quarantined message be in at the core, and what may follow?

Pure. ``arriving`` is known and not yet whole; from ``held`` on the core answers for the body, and
the satellite may let go of its own. The table has what is done on purpose. A case whose body was
lost, with a disk or since it is in no backup, is ``arriving`` again, whatever it was: what is not
there is not called held.

Source: promise P8; docs/design/link-guarantees.md, U2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from common.errors import DiskFull, LocalError, PeerError
from common.field_kinds import FieldKind, field_kinds
from common.ids import is_ulid
from common.link import Case
from common.message_bounds import HEAD_BYTES_MAX, MESSAGE_BYTES_MAX, MESSAGE_RECIPIENTS_MAX
from core.records.search import iso_time

SHA256_BYTES = 32


class CaseState(StrEnum):
    """Where a quarantined message is."""

    ARRIVING = "arriving"  # its body is on the way, or was never finished
    HELD = "held"
    RELEASING = "releasing"  # a satellite is to deliver it, or is about to
    RELEASED = "released"
    DELETED = "deleted"  # the body is gone, the row stays


@dataclass(frozen=True, slots=True)
class StateRule:
    """One state: what may follow, and whether its body must stay."""

    after: frozenset[CaseState]
    keeps_body: bool


_S = CaseState

TABLE: Mapping[CaseState, StateRule] = {
    _S.ARRIVING: StateRule(frozenset({_S.ARRIVING, _S.HELD}), keeps_body=False),
    _S.HELD: StateRule(frozenset({_S.RELEASING, _S.DELETED}), keeps_body=True),
    _S.RELEASING: StateRule(frozenset({_S.RELEASED, _S.RELEASING, _S.HELD}), keeps_body=True),
    _S.RELEASED: StateRule(frozenset({_S.RELEASING, _S.DELETED}), keeps_body=True),
    _S.DELETED: StateRule(frozenset(), keeps_body=False),
}

KEEPING_BODY = tuple(state for state, row in TABLE.items() if row.keeps_body)


class UnknownCase(LocalError):
    """There is no such quarantined message."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"no quarantined message {message_id[:40]!r} is known")


class CaseNotHeld(LocalError):
    """What was asked for cannot be done in the state that the case is in."""

    def __init__(self, message_id: str, state: CaseState, wish: str) -> None:
        super().__init__(f"{message_id} is {state} and cannot be {wish}", hint=_HINTS[state])
        self.message_id = message_id
        self.state = state


class NoSuchRecipient(LocalError):
    """A quarantined message is not kept for whom it was to be released to."""

    def __init__(self, message_id: str, address: str, *, recipients: Sequence[str]) -> None:
        super().__init__(
            f"{message_id} is not kept for {address[:80]}",
            hint=f"it is kept for {', '.join(recipients[:10])}",
        )


_HINTS: Mapping[CaseState, str] = {
    _S.ARRIVING: "wait until its body has arrived",
    _S.HELD: "",
    _S.RELEASING: "wait until its release is done",
    _S.RELEASED: "",
    _S.DELETED: "it is gone",
}


class CaseRefused(PeerError):
    """A satellite's case can never be taken as it is."""

    def __init__(self, message_id: str, reason: str) -> None:
        super().__init__(f"case {message_id[:40]!r}: {reason}")
        self.message_id = message_id
        self.reason = reason


class BodyMismatch(CaseRefused):
    """What arrived is not what was announced: it was discarded, begin again from octet 0."""


class QuarantineFull(DiskFull):
    """A node has as much quarantined mail here as one node may have: the next waits there."""

    def __init__(self, message_id: str, node: str, *, used: int, bytes_max: int) -> None:
        super().__init__(
            f"quarantined mail of {node} waits there: the core keeps {used} octets of it,"
            f" and {bytes_max} of one node at the most",
            hint="delete or release some of it, or raise quarantine_bytes_per_node_max",
        )
        self.message_id = message_id


def check_step(message_id: str, before: CaseState, after: CaseState, *, wish: str) -> None:
    """Accept a step of the table.

    Raises:
        CaseNotHeld: it is none.
    """
    if after not in TABLE[before].after:
        raise CaseNotHeld(message_id, before, wish)


def check_case(given: Case) -> Case:
    """Return what a satellite said, once it may stand in a row and name a file.

    Raises:
        CaseRefused: it may not, and sending it again would not help.
    """
    complaint = _complaint(given)
    if complaint:
        raise CaseRefused(given.message_id, complaint)
    return given


def _complaint(given: Case) -> str:
    checks = {
        "its message id is no ULID": is_ulid(given.message_id),
        "its SHA-256 is not 32 octets": len(given.sha256) == SHA256_BYTES,
        f"its size is not from 0 to {MESSAGE_BYTES_MAX} octets": 0
        <= given.size
        <= MESSAGE_BYTES_MAX,
        f"its head is longer than {HEAD_BYTES_MAX} octets": len(given.head) <= HEAD_BYTES_MAX,
        "it skips more than the body has": 0 <= given.skip <= given.size,
        f"it has not 1 to {MESSAGE_RECIPIENTS_MAX} recipients": (
            1 <= len(given.recipients) <= MESSAGE_RECIPIENTS_MAX
        ),
        "its time is none": given.quarantined_us >= 0,
    }
    return next((complaint for complaint, holds in checks.items() if not holds), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCase:
    """One quarantined message as the core keeps it.

    Args:
        told: what its satellite said of it.
        node: the satellite's node.
        shard: and its shard.
        incarnation: and the life of its spool.
        state: where it is.
        held_us: when it was whole, microseconds since the epoch, UTC; 0: not yet.
        deleted_us: when its body was deleted; 0: not.
        deleted_by: by whom.
    """

    told: Case
    node: str
    shard: int
    incarnation: str
    state: CaseState
    held_us: int
    deleted_us: int
    deleted_by: str

    @property
    def message_id(self) -> str:
        return self.told.message_id

    @property
    def quarantined_us(self) -> int:
        return self.told.quarantined_us

    def as_json(self) -> dict[str, Any]:
        """Return the case as it is shown: what its satellite said of it, and what became of it."""
        shown = {
            _SHOWN_AS.get(name, name): _shown(kind, getattr(self.told, name))
            for name, kind in field_kinds(Case).items()
            if name not in _FOR_DELIVERY
        }
        return shown | {
            "state": str(self.state),
            "node": self.node,
            "shard": self.shard,
            "held": iso_time(self.held_us) if self.held_us else None,
            "deleted": iso_time(self.deleted_us) if self.deleted_us else None,
            "deleted_by": self.deleted_by,
        }


_SHOWN_AS = {"quarantined_us": "quarantined", "client_address": "client"}
_FOR_DELIVERY = {"head", "skip", "smtputf8", "eight_bit"}  # of a copy; they tell people nothing


def _shown(kind: FieldKind, value: Any) -> Any:
    match kind:
        case FieldKind.TIME:
            return iso_time(value)
        case FieldKind.ADDRESSES:
            return list(value)
        case FieldKind.DIGEST:
            return value.hex()
        case _:
            return value
