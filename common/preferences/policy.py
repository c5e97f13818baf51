"""Which policy keys are there, with which bounds and defaults?

Pure. Source: docs/filters.md, *What is done*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SUBJECT_TAG_LENGTH_MAX = 64  # characters; more would hide the subject


class Action(StrEnum):
    """What a policy can ask for. ``mark`` is to deliver with the marks on."""

    DELIVER = "deliver"
    MARK = "mark"
    QUARANTINE = "quarantine"
    DROP = "drop"
    REJECT = "reject"
    WAIT = "wait"


class TlsPolicy(StrEnum):
    """How mail travels to the customer's server."""

    OPPORTUNISTIC = "opportunistic"  # encrypted when offered, else in the clear
    REQUIRED = "required"  # never in the clear; who answers is not verified
    VERIFIED = "verified"  # and the certificate is valid for the host that was asked for


class EightBit(StrEnum):
    """What becomes of 8-bit content when the next hop lacks 8BITMIME."""

    SEND = "send"  # as it is: converting would break signatures
    REFUSE = "refuse"  # 5.6.3 to the sender


class ScanMoment(StrEnum):
    """When a message is scanned."""

    AFTER = "after"  # it is accepted: the sender never waits for an engine
    BEFORE = "before"  # it is answered, as far as the budget goes: a threat gets 550 5.7.1


_FINDING = (Action.DELIVER, Action.MARK, Action.QUARANTINE, Action.DROP, Action.REJECT)
_SILENCE = (Action.WAIT, Action.QUARANTINE, Action.MARK)
_SCORE = (-1e4, 1e4)


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """One key: its default, what it may hold, and what it means."""

    name: str
    default: Any
    allowed: tuple[str, ...] | None  # None: a number or text
    meaning: str
    bounds: tuple[float, float] | None = None  # of a number
    is_optional: bool = False  # a number that may be none, which means never or no limit


POLICY_KEYS: Mapping[str, PolicyKey] = {
    key.name: key
    for key in (
        PolicyKey("score.mark", 5.0, None, "score from which mail is delivered with marks", _SCORE),
        PolicyKey("score.quarantine", 10.0, None, "score from which mail is quarantined", _SCORE),
        PolicyKey(
            "score.drop",
            None,
            None,
            "score from which mail is dropped; none: never",
            _SCORE,
            is_optional=True,
        ),
        PolicyKey("virus", Action.QUARANTINE, _FINDING, "an engine named a threat"),
        PolicyKey("encrypted", Action.MARK, _FINDING, "a part could not be opened"),
        PolicyKey("macro", Action.MARK, _FINDING, "a document holds macros"),
        PolicyKey("unscannable", Action.QUARANTINE, _FINDING, "the scan could not be complete"),
        PolicyKey("unavailable", Action.WAIT, _SILENCE, "an engine that must answer does not"),
        PolicyKey("blacklist", Action.QUARANTINE, _FINDING, "a black list entry matches"),
        PolicyKey("subject_tag", "", None, "put before the subject of marked mail; empty: none"),
        PolicyKey("tls", TlsPolicy.OPPORTUNISTIC, tuple(TlsPolicy), "how mail leaves for a domain"),
        PolicyKey(
            "eight_bit", EightBit.SEND, tuple(EightBit), "8-bit mail for a host without 8BITMIME"
        ),
        PolicyKey(
            "notice_hours",
            None,
            None,
            "hours after which a sender is told of a delay; none: never",
            (0.1, 720.0),
            is_optional=True,
        ),
        PolicyKey(
            "drain_rate",
            None,
            None,
            "messages per second and shard to a server that is back; none: as fast as it takes",
            (0.1, 100_000.0),
            is_optional=True,
        ),
        PolicyKey("scan", ScanMoment.AFTER, tuple(ScanMoment), "scan before or after the answer"),
        PolicyKey(
            "scan_budget_s",
            20.0,
            None,
            "seconds that a sender waits for a scan before its answer",
            (0.1, 120.0),
        ),
    )
}


def check_policy_value(key: str, value: object) -> None:
    """Accept a value of a policy key.

    Raises:
        ValueError: the key is unknown or the value is not one of its own; says what would be.
    """
    known = POLICY_KEYS.get(key)
    if known is None:
        raise ValueError(f"{key!r} is no policy key; there are {', '.join(POLICY_KEYS)}")
    if known.allowed is not None:
        if value not in known.allowed:
            raise ValueError(f"{key} is one of {', '.join(known.allowed)}, not {value!r}")
    elif known.bounds is not None:
        _check_number(known, known.bounds, value)
    else:
        _check_subject_tag(value)


def _check_number(key: PolicyKey, bounds: tuple[float, float], value: object) -> None:
    low, high = bounds
    if value is None:
        if not key.is_optional:
            raise ValueError(f"{key.name} needs a number")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{key.name} is a number from {low:g} to {high:g}, not {value!r}")


def _check_subject_tag(value: object) -> None:
    if not isinstance(value, str) or len(value) > SUBJECT_TAG_LENGTH_MAX:
        raise ValueError(f"subject_tag is text of at most {SUBJECT_TAG_LENGTH_MAX} characters")
    if not value.isprintable() or not value.isascii():
        raise ValueError("subject_tag holds printable ASCII only")


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy that applies to one recipient.

    Args:
        values: every policy key.
        sources: for each key that is not a default, the scope that set it.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, str]

    def action(self, key: str) -> Action:
        """Return the action of a key that holds one."""
        return Action(self.values[key])

    def threshold(self, key: str) -> float | None:
        """Return the number of a key that holds one; None means never, or no limit."""
        value = self.values[key]
        return None if value is None else float(value)

    @property
    def subject_tag(self) -> str:
        return str(self.values["subject_tag"])

    @property
    def tls(self) -> TlsPolicy:
        return TlsPolicy(self.values["tls"])

    @property
    def eight_bit(self) -> EightBit:
        return EightBit(self.values["eight_bit"])

    @property
    def scan(self) -> ScanMoment:
        return ScanMoment(self.values["scan"])


def resolve_policy(bodies: list[tuple[str, Mapping[str, Any]]]) -> Policy:
    """Return the policy made of the given scopes' bodies, the widest scope first."""
    values = {name: key.default for name, key in POLICY_KEYS.items()}
    sources: dict[str, str] = {}
    for scope, body in bodies:
        for key, value in body.items():
            values[key] = value
            sources[key] = scope
    return Policy(values, sources)
