"""What may stand in a document's body, for each kind?

Pure. A body with an unknown field is refused, never read in part: a policy that cannot be expressed
must not be ignored.

Source: docs/design/link-guarantees.md, G1, G9, G15.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from common.address import AddressError, parse_domain
from common.preferences.policy import PolicyValue, parse_policy
from common.preferences.scopes import Scope

PATTERN_LENGTH_MAX = 512  # characters of a rule's expression
TARGETS_MAX = 16  # deliver_to hosts of one domain

Points = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]  # of one test


def _each_is_a_target(targets: tuple[str, ...]) -> tuple[str, ...]:
    for target in targets:
        split_target(target)
    return targets


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RouteBody(_Body):
    """Where a domain's mail goes, and whose it is."""

    customer: Annotated[str, Field(min_length=1, max_length=100)]
    deliver_to: Annotated[tuple[str, ...], Field(min_length=1, max_length=TARGETS_MAX)]
    hold_days: Annotated[int, Field(ge=1, le=30)] = 7
    recipients: Literal["any", "listed"] = "any"

    _targets = field_validator("deliver_to")(_each_is_a_target)


class RecipientBody(_Body):
    """An address that exists, for a domain that lists its recipients."""


class EngineBody(_Body):
    """What an engine's silence leads to."""

    required: bool = True  # its absence is weighed by the policy key `unavailable`


class FilterBody(_Body):
    """What a filter weighs; the options belong to its kind."""

    kind: Annotated[str, Field(min_length=1, max_length=40)]
    enabled: bool = True
    zone: Annotated[str, Field(max_length=253)] = ""
    codes: dict[str, Points] = Field(default_factory=dict)
    options: dict[str, float | str | bool] = Field(default_factory=dict)

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str) -> str:
        return parse_domain(zone) if zone else zone

    @field_validator("codes")
    @classmethod
    def _codes(cls, codes: dict[str, float]) -> dict[str, float]:
        for code in codes:
            address = ipaddress.IPv4Address(code)
            if not address.is_loopback or code.startswith("127.255.255."):
                raise ValueError(f"{code} is no answer of a list; use 127.0.0.0/8, not 127.255.255")
        return codes


class RuleBody(_Body):
    """A pattern over the subject, a header or the sender, in RE2's syntax."""

    scope: str = "cluster"
    field: Annotated[str, Field(pattern=r"^(subject|sender|header:[!-9;-~]{1,76})$")]
    pattern: Annotated[str, Field(min_length=1, max_length=PATTERN_LENGTH_MAX)]
    score: Points

    @field_validator("scope")
    @classmethod
    def _scope(cls, scope: str) -> str:
        return str(Scope.parse(scope))


class PolicyBody(_Body):
    """Policy keys of one scope; what is not said comes from the next scope outwards."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def model_post_init(self, _context: object) -> None:
        self.settings  # noqa: B018 - read once, here, where what is wrong is refused

    @cached_property  # a message asks for it: pydantic's own private fields are slow to get at
    def settings(self) -> Mapping[str, PolicyValue]:
        """What the scope sets, by the fields of ``Policy``."""
        return parse_policy(self.model_extra or {})


class ListBody(_Body):
    """Why a list entry is there, and until when."""

    reason: Annotated[str, Field(max_length=500)] = ""
    until_us: Annotated[int, Field(ge=0)] = 0  # microseconds since the epoch; 0: for good


class HoldBody(_Body):
    """What an operator ordered for the mail that is held for a domain.

    It stands above the route until it is removed, so that it reaches a site that was away too.
    """

    hold_days: Annotated[int, Field(ge=1, le=30)] | None = None  # instead of the route's
    deliver_to: Annotated[tuple[str, ...], Field(max_length=TARGETS_MAX)] = ()  # likewise
    # What was accepted before this time and is still held goes back to its sender; microseconds
    # since the epoch, 0: nothing does.
    bounce_before_us: Annotated[int, Field(ge=0)] = 0
    reason: Annotated[str, Field(max_length=500)] = ""

    _targets = field_validator("deliver_to")(_each_is_a_target)


Body = (
    RouteBody
    | RecipientBody
    | EngineBody
    | FilterBody
    | RuleBody
    | PolicyBody
    | ListBody
    | HoldBody
)


def split_target(target: str) -> tuple[str, int]:
    """Return host and port of a ``deliver_to`` entry such as ``mail.acme.example:25``.

    An IPv6 address stands in brackets; without a port it is 25.

    Raises:
        ValueError: it is no such entry.
    """
    host, colon, port = target.rpartition(":")
    if not colon or target.endswith("]"):
        host, port = target, "25"
    if not port.isdigit() or not 1 <= int(port) <= 65_535:
        raise ValueError(f"{target!r} has no valid port; write HOST:PORT")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(bare)), int(port)
    except ValueError:
        pass
    try:
        return parse_domain(bare), int(port)
    except AddressError as error:
        raise ValueError(str(error)) from None
