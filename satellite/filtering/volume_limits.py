"""Which limits of volume do the preferences set, and what does a message count for each?

Pure. A limit is a filter document of kind ``volume``. What it counts is told apart by a thing: the
client's network, the sender's domain, the sender or a recipient.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from common.address import canonical_ip, domain_of, fold
from common.client_network import network_of
from common.envelope import Envelope
from common.frozen import dataclass
from common.kinds import Options
from common.preferences import Preferences

KIND = "volume"
WINDOW_S_MAX = 86_400.0
PAIR_KIND = f"{KIND}.pairs"  # of a recipient and a sender's domain
OCTETS = ("utf-8", "surrogatepass")  # of a name: a scan server passes on what is no text
_TOLD_SHARE = 64  # of a limit: what is less at one worker makes no rate together


class VolumeOptions(Options):
    """What a document may say in its ``options``."""

    counts: Literal["messages", "recipients", "bytes"] = "messages"
    """what is counted"""

    per: Literal["network", "sender_domain", "sender", "recipient"] = "network"
    """of whom: the client's network (/24, /64), the envelope's sender, or each recipient"""

    of: Literal["all", "bounces", "strangers"] = "all"
    """of which mail; `strangers`: each sender's domain once that had not written to the mailbox"""

    window_s: Annotated[float, Field(ge=10, le=WINDOW_S_MAX, allow_inf_nan=False)] = 3600.0
    """seconds of the sliding window"""

    limit: Annotated[float, Field(ge=1, le=1e15, allow_inf_nan=False)] | None = None
    """above this much in a window the action is taken; none: no limit"""

    action: Literal["score", "defer", "quarantine"] = "score"
    """`defer`: 451 to the next recipient, beside the points; `quarantine`: as a black list entry"""

    score: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] = 3.0
    """points of a limit that is passed, and of a rise"""

    rise: Annotated[float, Field(ge=2, le=1000, allow_inf_nan=False)] | None = None
    """so many times its busiest day of the week before, within one window, is a rise"""

    rise_from: Annotated[float, Field(ge=1, le=1e15, allow_inf_nan=False)] = 50.0
    """less than this in a window is no rise"""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.limit is None and self.rise is None:
            raise ValueError("there is neither a limit nor a rise; set `limit` or `rise`")
        if self.of == "strangers" and (self.per, self.counts) != ("recipient", "messages"):
            raise ValueError("strangers are messages per recipient; set `per: recipient`")
        if self.per == "recipient" and self.counts == "recipients":
            raise ValueError("a recipient has no recipients; count messages")
        return self


@dataclass(frozen=True, slots=True)
class Thing:
    """What is counted apart from its like.

    Args:
        name: printable text, which a stranger may have chosen.
        recipient: whom it is about, folded; None: all of the message's.
    """

    name: str
    recipient: str | None = None

    @property
    def key(self) -> bytes:
        """What it is counted by."""
        return self.name.encode(*OCTETS)


@dataclass(frozen=True, slots=True)
class VolumeLimit:
    """One document.

    Args:
        name: its key.
        options: what it says.
    """

    name: str
    options: VolumeOptions

    @property
    def tally_kind(self) -> str:
        """What its counts are called; those of several limits may be the same."""
        of = {"all": "", "bounces": "b.", "strangers": "s."}[self.options.of]
        return f"{KIND}.{of}{self.options.counts[0]}.{self.options.per}"

    @property
    def told_from(self) -> int:
        """The amount from which on other sites are told."""
        least = min(self.options.limit or float("inf"), self.options.rise_from)
        return max(2, int(least / _TOLD_SHARE))

    def amount(self, *, size: int, recipients: int) -> int:
        """Return how much a message counts."""
        match self.options.counts:
            case "messages":
                return 1
            case "recipients":
                return recipients
            case "bytes":
                return size

    def concerns(self, envelope: Envelope) -> bool:
        """Say whether a message is of those that are counted."""
        return self.options.of != "bounces" or not envelope.sender

    def things(self, envelope: Envelope) -> Iterator[Thing]:
        """Yield what a message is counted by: one thing, or one for each recipient."""
        match self.options.per:
            case "network":
                network = client_network(envelope.client_address)
                if network:
                    yield Thing(network)
            case "sender_domain":
                if domain := domain_of(envelope.sender):
                    yield Thing(domain)
            case "sender":
                if envelope.sender:
                    yield Thing(fold(envelope.sender))
            case "recipient":
                for recipient in dict.fromkeys(map(fold, envelope.recipients)):
                    yield Thing(recipient, recipient)


@dataclass(frozen=True, slots=True)
class BrokenLimit:
    """A document that says what no limit may.

    Args:
        name: its key.
        reason: what is wrong.
    """

    name: str
    reason: str


def limits_of(preferences: Preferences) -> tuple[VolumeLimit | BrokenLimit, ...]:
    """Return the limits of all enabled documents, by name."""
    return tuple(_limit(name, body.options) for name, body in preferences.filters(KIND).items())


def client_network(client_address: str) -> str:
    """Return the network of a client, or nothing where it has no address."""
    try:
        return network_of(canonical_ip(client_address))
    except ValueError:
        return ""


def _limit(name: str, options: object) -> VolumeLimit | BrokenLimit:
    try:
        return VolumeLimit(name, VolumeOptions.model_validate(options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "options"
        return BrokenLimit(name, f"{place}: {first['msg']}")
