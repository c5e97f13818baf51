"""Which numbered items are sent next, which are durable at the other side, which came twice?

Pure. A stream of items numbered from 1 crosses connections that end at any moment. The sender
keeps what the receiver has not confirmed as durable, the receiver ignores what it has: at least
once on the way, exactly once in effect. Numbers order everything; no clock does.

Source: docs/design/link-guarantees.md, G3, G13, *Upwards: records, quarantine, state*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

# --- the sending side ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """A new connection; we hold the items from ``first`` to ``last`` (last = first - 1: none).

    ``last`` is the highest number ever given, held or not.
    """

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class StreamGrown:
    """There are items up to ``last``."""

    last: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The receiver says: all up to here is durable. The first one of a connection resumes."""

    durable: int


SenderEvent = StreamOpened | StreamGrown | Confirmed


@dataclass(frozen=True, slots=True)
class Send:
    """Send the items after ``after`` up to and with ``up_to``."""

    after: int
    up_to: int


@dataclass(frozen=True, slots=True)
class Forget:
    """All up to here is durable at the other side and may go."""

    up_to: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """The receiver has more than we ever gave: our store was put back to an older state.

    Nothing is sent any more, since it would be taken for what the receiver already has.
    """

    durable: int
    last: int


SenderCommand = Send | Forget | Ahead


class StreamSender:
    """The sending side of one stream.

    Args:
        window: the most items that may be on their way without a confirmation.
    """

    def __init__(self, *, window: int) -> None:
        assert window >= 1
        self._window = window
        self._first = 1
        self._last = 0
        self._sent: int | None = None  # None: the receiver has not said where to go on
        self._confirmed = 0
        self.is_stranded = False

    def handle(self, event: SenderEvent) -> list[SenderCommand]:
        """Return what to do about ``event``, in the order in which to do it."""
        match event:
            case StreamOpened(first=first, last=last):
                self._first, self._last = first, last
                self._sent = None
                self.is_stranded = False
                return []
            case StreamGrown(last=last):
                self._last = max(self._last, last)
                return self._sends()
            case Confirmed(durable=durable):
                return self._confirm(durable)
            case _:
                assert_never(event)

    def _confirm(self, durable: int) -> list[SenderCommand]:
        # What was never sent on this connection may be durable from an earlier one; what was
        # never given cannot be.
        if durable > self._last:
            self.is_stranded = True
            return [Ahead(durable, self._last)]
        if self._sent is None:
            # The receiver may have lost its end of the stream: go on from what we still hold.
            self._confirmed = durable
            self._sent = max(durable, self._first - 1)
        elif durable <= self._confirmed:
            return []  # an old confirmation, overtaken
        else:
            self._confirmed = durable
            self._sent = max(self._sent, durable)
        forget: list[SenderCommand] = [Forget(durable)] if durable >= self._first else []
        self._first = max(self._first, durable + 1)
        return forget + self._sends()

    def _sends(self) -> list[SenderCommand]:
        if self._sent is None or self.is_stranded:
            return []
        up_to = min(self._last, max(self._confirmed, self._first - 1) + self._window)
        if up_to <= self._sent:
            return []
        after, self._sent = self._sent, up_to
        return [Send(after, up_to)]


# --- the receiving side -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrived:
    """The items from ``first`` to ``last`` came, contiguous; none: last = first - 1."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class StreamStored:
    """All up to here is durable now."""

    durable: int


ReceiverEvent = Arrived | StreamStored


@dataclass(frozen=True, slots=True)
class Keep:
    """Make the items from ``first`` on durable; the earlier ones of this arrival we have."""

    first: int


@dataclass(frozen=True, slots=True)
class Missed:
    """The sender no longer holds the items from ``first`` to ``last``: they are lost."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """Tell the sender that all up to here is durable."""

    durable: int


@dataclass(frozen=True, slots=True)
class Break:
    """End the connection; the next one resumes at what is durable."""

    reason: str


ReceiverCommand = Keep | Missed | Confirm | Break


class Receiver:
    """The receiving side of one connection.

    Args:
        durable: the last item that is durable when the connection opens.
    """

    def __init__(self, *, durable: int) -> None:
        self._durable = durable
        self._expected = durable + 1
        self._is_fresh = True

    def handle(self, event: ReceiverEvent) -> list[ReceiverCommand]:
        """Return what to do about ``event``, in the order in which to do it."""
        match event:
            case Arrived(first=first, last=last):
                return self._arrive(first, last)
            case StreamStored(durable=durable):
                self._durable = max(self._durable, durable)
                return [Confirm(self._durable)]
            case _:
                assert_never(event)

    def _arrive(self, first: int, last: int) -> list[ReceiverCommand]:
        if last < first:
            return []
        fresh, self._is_fresh = self._is_fresh, False
        if last < self._expected:
            return [Confirm(self._durable)]  # a repeat: our answer was lost
        missed: list[ReceiverCommand] = []
        if first > self._expected:
            # Only the first items after a resume may begin later: the sender holds nothing older.
            if not fresh:
                return [Break(f"item {first} came where {self._expected} was due")]
            missed = [Missed(self._expected, first - 1)]
        keep = Keep(max(first, self._expected))
        self._expected = last + 1
        return [*missed, keep]
