"""Which policy keys are there, with which values and defaults, and what do they mean?

Pure. Each key is declared once, as a field of ``Policy``: its type, its default, what it may hold
and what that means. Reading a value, refusing one and the page ``docs/policy.md`` come from there.
Source: docs/filters.md, *What is done*.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Protocol

SUBJECT_TAG_LENGTH_MAX = 64  # characters; more would hide the subject
NEVER = ("never", "none")  # how the command line writes that an optional number is none

PolicyValue = StrEnum | float | str | None  # what a key holds once it was read


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


class Form(Protocol):
    """What a policy key may hold."""

    def parse(self, name: str, value: object) -> PolicyValue:
        """Return a value of JSON as the policy holds it.

        Raises:
            ValueError: it is not one of this form; says what would be.
        """
        ...

    def read(self, name: str, text: str) -> float | str | None:
        """Return what somebody typed as a value of JSON.

        Raises:
            ValueError: it is not one of this form; says what would be.
        """
        ...

    @property
    def described(self) -> str:
        """What may stand there, for the documentation."""
        ...


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """One word of several."""

    choices: tuple[StrEnum, ...]

    def parse(self, name: str, value: object) -> StrEnum:
        for choice in self.choices:
            if choice == value:
                return choice
        raise ValueError(f"{name} is one of {', '.join(self.choices)}, not {value!r}")

    def read(self, name: str, text: str) -> str:
        return str(self.parse(name, text))

    @property
    def described(self) -> str:
        return ", ".join(f"`{choice}`" for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its bounds and its unit."""

    low: float
    high: float
    unit: str
    is_optional: bool = False  # it may be none, which means never, or no limit

    def parse(self, name: str, value: object) -> float | None:
        if value is None:
            if self.is_optional:
                return None
            raise ValueError(f"{name} needs a number")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and self.low <= value <= self.high:  # type: ignore[operator]
            return float(value)  # type: ignore[arg-type]
        raise ValueError(f"{name} is a number from {self.low:g} to {self.high:g}, not {value!r}")

    def read(self, name: str, text: str) -> float | None:
        if self.is_optional and text in NEVER:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        return self.parse(name, number if math.isfinite(number) else text)

    @property
    def described(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}{', or `none`' * self.is_optional}"


@dataclass(frozen=True, slots=True)
class Text:
    """Printable ASCII on one line."""

    length_max: int

    def parse(self, name: str, value: object) -> str:
        if not isinstance(value, str) or len(value) > self.length_max:
            raise ValueError(f"{name} is text of at most {self.length_max} characters")
        if not value.isprintable() or not value.isascii():
            raise ValueError(f"{name} holds printable ASCII only")
        return value

    def read(self, name: str, text: str) -> str:
        return self.parse(name, text)

    @property
    def described(self) -> str:
        return f"printable ASCII, at most {self.length_max} characters"


_FINDING = KeyChoice((Action.DELIVER, Action.MARK, Action.QUARANTINE, Action.DROP, Action.REJECT))
_SILENCE = KeyChoice((Action.WAIT, Action.QUARANTINE, Action.MARK))
_SCORE = Number(-1e4, 1e4, "points")
_OPTIONAL_SCORE = Number(-1e4, 1e4, "points", is_optional=True)


@dataclass(frozen=True, slots=True)
class _Declared:
    """What a field of ``Policy`` says of its key besides type and default."""

    form: Form
    meaning: str
    example: str
    name: str
    is_of_domain: bool


def _key(
    form: Form, meaning: str, *, example: str, name: str = "", is_of_domain: bool = False
) -> dict[str, _Declared]:
    """Return the metadata of a field that is a policy key.

    Args:
        form: what it may hold.
        meaning: in a line, for people.
        example: a value other than the default, as it is typed.
        name: where the key is not called as the field is.
        is_of_domain: it is asked for a domain as a whole, so that no recipient has one of his own.
    """
    return {"policy": _Declared(form, meaning, example, name, is_of_domain)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The policy that applies to one recipient: every key, and who set it.

    Args:
        sources: for each field that is not a default, the scope that set it.
    """

    score_mark: float = field(
        default=5.0,
        metadata=_key(
            _SCORE, "score from which mail is delivered with marks", example="4", name="score.mark"
        ),
    )
    score_quarantine: float = field(
        default=10.0,
        metadata=_key(
            _SCORE, "score from which mail is quarantined", example="8", name="score.quarantine"
        ),
    )
    score_drop: float | None = field(
        default=None,
        metadata=_key(
            _OPTIONAL_SCORE,
            "score from which mail is dropped; none: never",
            example="25",
            name="score.drop",
        ),
    )
    virus: Action = field(
        default=Action.QUARANTINE,
        metadata=_key(_FINDING, "an engine named a threat", example="drop"),
    )
    encrypted: Action = field(
        default=Action.MARK,
        metadata=_key(_FINDING, "a part could not be opened", example="quarantine"),
    )
    macro: Action = field(
        default=Action.MARK,
        metadata=_key(_FINDING, "a document holds macros", example="quarantine"),
    )
    unscannable: Action = field(
        default=Action.QUARANTINE,
        metadata=_key(_FINDING, "the scan could not be complete", example="mark"),
    )
    unavailable: Action = field(
        default=Action.WAIT,
        metadata=_key(_SILENCE, "an engine that must answer does not", example="quarantine"),
    )
    blacklist: Action = field(
        default=Action.QUARANTINE,
        metadata=_key(_FINDING, "a black list entry matches", example="reject"),
    )
    subject_tag: str = field(
        default="",
        metadata=_key(
            Text(SUBJECT_TAG_LENGTH_MAX),
            "put before the subject of marked mail; empty: none",
            example="[SPAM]",
        ),
    )
    tls: TlsPolicy = field(
        default=TlsPolicy.OPPORTUNISTIC,
        metadata=_key(
            KeyChoice(tuple(TlsPolicy)),
            "how mail leaves for a domain",
            example="required",
            is_of_domain=True,
        ),
    )
    eight_bit: EightBit = field(
        default=EightBit.SEND,
        metadata=_key(
            KeyChoice(tuple(EightBit)),
            "8-bit mail for a host without 8BITMIME",
            example="refuse",
            is_of_domain=True,
        ),
    )
    notice_hours: float | None = field(
        default=None,
        metadata=_key(
            Number(0.1, 720.0, "hours", is_optional=True),
            "hours after which a sender is told of a delay; none: never",
            example="4",
            is_of_domain=True,
        ),
    )
    drain_rate: float | None = field(
        default=None,
        metadata=_key(
            Number(0.1, 100_000.0, "messages per second", is_optional=True),
            "messages per second and shard to a server that is back; none: as fast as it takes",
            example="10",
            is_of_domain=True,
        ),
    )
    scan: ScanMoment = field(
        default=ScanMoment.AFTER,
        metadata=_key(
            KeyChoice(tuple(ScanMoment)), "scan before or after the answer", example="before"
        ),
    )
    scan_budget_s: float = field(
        default=20.0,
        metadata=_key(
            Number(0.1, 120.0, "seconds"),
            "seconds that a sender waits for a scan before its answer",
            example="10",
        ),
    )
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKey:
    """One key, as ``Policy`` declares it.

    Args:
        name: as it is typed and stands in a document.
        attribute: the field of ``Policy`` that holds it.
        default: what holds where no scope says anything.
        form: what it may hold.
        meaning: in a line, for people.
        example: a value other than the default, as it is typed.
        is_of_domain: it is asked for a domain as a whole, so that no recipient has one of his own.
    """

    name: str
    attribute: str
    default: PolicyValue
    form: Form
    meaning: str
    example: str
    is_of_domain: bool

    def parse(self, value: object) -> PolicyValue:
        """Return a value of JSON as the policy holds it, or raise ValueError."""
        return self.form.parse(self.name, value)

    def read(self, text: str) -> float | str | None:
        """Return what somebody typed as a value of JSON, or raise ValueError."""
        return self.form.read(self.name, text)

    def value_in(self, policy: Policy) -> PolicyValue:
        """Return what a policy says."""
        value: PolicyValue = getattr(policy, self.attribute)
        return value

    def source_in(self, policy: Policy) -> str:
        """Return which scope said it, or ``default``."""
        return policy.sources.get(self.attribute, "default")


def _declared_keys() -> Iterable[PolicyKey]:
    for each in fields(Policy):
        declared: _Declared | None = each.metadata.get("policy")
        if declared is not None:
            yield PolicyKey(
                name=declared.name or each.name,
                attribute=each.name,
                default=getattr(DEFAULT_POLICY, each.name),
                form=declared.form,
                meaning=declared.meaning,
                example=declared.example,
                is_of_domain=declared.is_of_domain,
            )


DEFAULT_POLICY = Policy()
POLICY_KEYS: Mapping[str, PolicyKey] = {key.name: key for key in _declared_keys()}


def policy_key(name: str) -> PolicyKey:
    """Return the key of a name.

    Raises:
        ValueError: there is no such key; says which there are.
    """
    known = POLICY_KEYS.get(name)
    if known is None:
        raise ValueError(f"{name!r} is no policy key; there are {', '.join(POLICY_KEYS)}")
    return known


def parse_policy(body: Mapping[str, object]) -> Mapping[str, PolicyValue]:
    """Return what a scope's document sets, by the fields of ``Policy``.

    Raises:
        ValueError: a key is unknown or a value is not one of its own; says what would be.
    """
    keys = ((policy_key(name), value) for name, value in body.items())
    return {key.attribute: key.parse(value) for key, value in keys}


def resolve_policy(layers: Iterable[tuple[str, Mapping[str, PolicyValue]]]) -> Policy:
    """Return the policy made of what each scope sets, the widest scope first."""
    values: dict[str, PolicyValue] = {}
    sources: dict[str, str] = {}
    for scope, settings in layers:
        values.update(settings)
        sources.update(dict.fromkeys(settings, scope))
    # Each value was read by the form of its own field.
    return Policy(**values, sources=sources) if values else DEFAULT_POLICY  # type: ignore[arg-type]
