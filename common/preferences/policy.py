"""Which policy keys are there, with which bounds and defaults?

Pure. Source: DESIGN section 5, *Policy keys*.
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


_FINDING = (Action.DELIVER, Action.MARK, Action.QUARANTINE, Action.DROP, Action.REJECT)
_SILENCE = (Action.WAIT, Action.QUARANTINE, Action.MARK)


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """One key: its default, what it may hold, and what it means."""

    name: str
    default: Any
    allowed: tuple[Action, ...] | None  # None: a number or text, see `check`
    meaning: str


POLICY_KEYS: Mapping[str, PolicyKey] = {
    key.name: key
    for key in (
        PolicyKey("score.mark", 5.0, None, "score from which mail is delivered with marks"),
        PolicyKey("score.quarantine", 10.0, None, "score from which mail is quarantined"),
        PolicyKey("score.drop", None, None, "score from which mail is dropped; none: never"),
        PolicyKey("virus", Action.QUARANTINE, _FINDING, "an engine named a threat"),
        PolicyKey("encrypted", Action.MARK, _FINDING, "a part could not be opened"),
        PolicyKey("macro", Action.MARK, _FINDING, "a document holds macros"),
        PolicyKey("unscannable", Action.QUARANTINE, _FINDING, "the scan could not be complete"),
        PolicyKey("unavailable", Action.WAIT, _SILENCE, "an engine that must answer does not"),
        PolicyKey("blacklist", Action.QUARANTINE, _FINDING, "a black list entry matches"),
        PolicyKey("subject_tag", "", None, "put before the subject of marked mail; empty: none"),
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
        if value not in tuple(known.allowed):
            raise ValueError(f"{key} is one of {', '.join(known.allowed)}, not {value!r}")
    elif key == "subject_tag":
        if not isinstance(value, str) or len(value) > SUBJECT_TAG_LENGTH_MAX:
            raise ValueError(f"subject_tag is text of at most {SUBJECT_TAG_LENGTH_MAX} characters")
        if not value.isprintable() or not value.isascii():
            raise ValueError("subject_tag holds printable ASCII only")
    elif value is None:
        if key != "score.drop":
            raise ValueError(f"{key} needs a number")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not -1e4 <= value <= 1e4:
        raise ValueError(f"{key} is a number from -10000 to 10000, not {value!r}")


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
        """Return the number of a score key; None means never."""
        value = self.values[key]
        return None if value is None else float(value)

    @property
    def subject_tag(self) -> str:
        return str(self.values["subject_tag"])


def resolve_policy(bodies: list[tuple[str, Mapping[str, Any]]]) -> Policy:
    """Return the policy made of the given scopes' bodies, the widest scope first."""
    values = {name: key.default for name, key in POLICY_KEYS.items()}
    sources: dict[str, str] = {}
    for scope, body in bodies:
        for key, value in body.items():
            values[key] = value
            sources[key] = scope
    return Policy(values, sources)
