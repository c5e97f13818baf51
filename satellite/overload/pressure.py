"""At which limits of disk, memory, messages and scanning is mail refused with 4xx?

Pure: what was measured comes in as a ``Load``. Each measure has a high mark, at which mail is
refused for a while (always 4xx, never 5xx), and a low one below which it is taken again: without
the gap between the two a node would change its mind with every message.

What counts, and what does not:

- *Messages* count while they still need work of ours: received, waiting, queued, being sent,
  deferred. Held and frozen ones do not, nor those that are kept for a zero hour: nobody works on
  them, so a customer that is away stops nobody else's mail by their number.
- *Octets* count whatever their state, since a disk is full of held mail as of any other.
- So that held mail cannot take all of the disk from the others, it may take a share of it
  (``held_takes_too_much``); then recipients of customers that are away are refused, and only those.
- *Scanning* counts in messages, and in seconds of work at the rate that was measured last.
- *Memory* is the worker's own, and that of its control group.

Source: promise P4; RFC 3463 section 3.4: X.3.1 the system is full, X.3.2 it takes no
messages now, for which excessive load is an example there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

LOW_SHARE = 0.8  # of a high mark: below it mail is taken again
DISK_AGAIN_SHARE = 1.25  # of the reserve: above it mail is taken again
BUSY_MESSAGES_MIN = 200  # fewer are no backlog, however slow the last scans were
SMOOTHING = 0.2  # weight of the newest second in the rate of scanning
SLOWEST_PER_S = 0.01

_MIB = 1 << 20


class RefusalCause(StrEnum):
    """Why mail is refused: a label of the metric, and a word of the record."""

    DISK = "disk"  # full, or not to be trusted
    BYTES = "bytes"
    MESSAGES = "messages"
    SCANNING = "scanning"
    MEMORY = "memory"
    HELD = "held"  # only for recipients whose server is away
    RECIPIENTS = "recipients"  # of messages that are on their way in
    DRAINING = "draining"  # an operator empties the node
    RESTART = "restart"  # the node is about to begin anew with other settings
    GREYLIST = "greylist"  # only for senders that nobody knows, by policy
    VOLUME = "volume"  # only for those of whom there is too much, by a limit of the preferences


# What more room would cure: 452 4.3.1. All else is 4.3.2, the node is too busy.
OF_ROOM = frozenset(
    {RefusalCause.DISK, RefusalCause.BYTES, RefusalCause.HELD, RefusalCause.RECIPIENTS}
)
# What a transaction that is open already makes worse with each recipient: 452 4.3.1 to that one.
# Of all else it is taken to its end.
OF_RECIPIENTS = frozenset(
    {RefusalCause.DISK, RefusalCause.BYTES, RefusalCause.MEMORY, RefusalCause.RECIPIENTS}
)
# Nothing that a client could say changes this: it hears 421 instead of a greeting.
SHUTS = frozenset({RefusalCause.DRAINING, RefusalCause.RESTART})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why mail may not come in now; ``detail`` is for operators, never for a client."""

    cause: RefusalCause
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one shard has on its hands at one moment.

    Args:
        messages: in recipients, those that still need work of ours.
        stored_bytes: octets of all messages in the spool.
        free_bytes: of the disk.
        unjudged: messages that are to be scanned now.
        judged_per_s: the rate of scanning when it last had enough to do; 0: never yet.
        memory_bytes: resident memory of the worker.
        memory_share: what the control group has taken of its limit; 0 without a limit.
    """

    messages: int = 0
    stored_bytes: int = 0
    free_bytes: int = 0
    unjudged: int = 0
    judged_per_s: float = 0.0
    memory_bytes: int = 0
    memory_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureMarks:
    """The high marks of one shard; 0 is no limit."""

    reserve_bytes: int
    messages_max: int
    bytes_max: int
    unjudged_max: int
    unjudged_s_max: float
    memory_bytes_max: int
    memory_share_max: float


@dataclass(frozen=True, slots=True)
class _Measure:
    """One thing that is compared with a high mark."""

    cause: RefusalCause
    unit: float
    what: str  # with its unit
    of: Callable[[Load], float]
    high: Callable[[PressureMarks], float]

    def detail(self, value: float, high: float) -> str:
        """Return both for an operator."""
        return f"{value / self.unit:.0f} {self.what}, {high / self.unit:.0f} at most"


def _work_s(load: Load) -> float:
    """Return for how long what is to be scanned keeps us busy; 0 while nobody knows."""
    if load.unjudged < BUSY_MESSAGES_MIN or not load.judged_per_s:
        return 0.0
    return load.unjudged / load.judged_per_s


# In the order in which a reason is told when several apply.
_MEASURES = (
    _Measure(
        RefusalCause.MEMORY,
        _MIB,
        "MiB of memory",
        lambda load: load.memory_bytes,
        lambda marks: marks.memory_bytes_max,
    ),
    _Measure(
        RefusalCause.MEMORY,
        0.01,
        "% of the control group's memory",
        lambda load: load.memory_share,
        lambda marks: marks.memory_share_max,
    ),
    _Measure(
        RefusalCause.BYTES,
        _MIB,
        "MiB of mail",
        lambda load: load.stored_bytes,
        lambda marks: marks.bytes_max,
    ),
    _Measure(
        RefusalCause.MESSAGES,
        1,
        "recipients on their way",
        lambda load: load.messages,
        lambda marks: marks.messages_max,
    ),
    _Measure(
        RefusalCause.SCANNING,
        1,
        "messages to scan",
        lambda load: load.unjudged,
        lambda marks: marks.unjudged_max,
    ),
    _Measure(
        RefusalCause.SCANNING, 1, "s of scanning", _work_s, lambda marks: marks.unjudged_s_max
    ),
)


class Pressure:
    """The decision over time: it remembers which high marks were reached.

    Args:
        marks: the high marks.
    """

    __slots__ = ("_is_disk_full", "_marks", "_over")

    def __init__(self, marks: PressureMarks) -> None:
        self._marks = marks
        self._is_disk_full = False
        self._over: frozenset[_Measure] = frozenset()

    def weigh(self, load: Load) -> Refusal | None:
        """Return why no mail may come in after this look at the load, or None."""
        self._over = frozenset(measure for measure in _MEASURES if self._is_over(measure, load))
        reserve_bytes = self._marks.reserve_bytes
        wanted_bytes = reserve_bytes * (DISK_AGAIN_SHARE if self._is_disk_full else 1.0)
        self._is_disk_full = load.free_bytes < wanted_bytes
        if self._is_disk_full:
            free, reserve = load.free_bytes // _MIB, reserve_bytes // _MIB
            return Refusal(RefusalCause.DISK, f"{free} MiB of disk free, {reserve} MiB reserved")
        for measure in _MEASURES:
            if measure in self._over:
                value, high = measure.of(load), measure.high(self._marks)
                return Refusal(measure.cause, measure.detail(value, high))
        return None

    def _is_over(self, measure: _Measure, load: Load) -> bool:
        high = measure.high(self._marks)
        mark = high * LOW_SHARE if measure in self._over else high
        return bool(high) and measure.of(load) >= mark


class JudgingPace:
    """How fast is mail scanned when there is enough to scan?

    Idle stretches say nothing of it: a rate is measured only between two looks that both found a
    backlog.
    """

    __slots__ = ("_at_s", "_judged", "_was_busy", "per_s")

    def __init__(self) -> None:
        self.per_s = 0.0
        self._judged = 0
        self._at_s = 0.0
        self._was_busy = False

    def look(self, *, judged: int, unjudged: int, now_s: float) -> None:
        """Take in how many were judged so far, and how many wait for it."""
        is_busy = unjudged >= BUSY_MESSAGES_MIN
        passed_s = now_s - self._at_s
        if is_busy and self._was_busy and passed_s > 0:
            rate = (judged - self._judged) / passed_s
            # Smoothed, but never 0: engines that all hang have a backlog without an end.
            rate = max(rate, SLOWEST_PER_S)
            self.per_s = rate if not self.per_s else self.per_s + SMOOTHING * (rate - self.per_s)
        self._judged, self._at_s, self._was_busy = judged, now_s, is_busy


def outbox_bytes_max(*, disk_bytes: int, reserve_bytes: int, share: float, workers: int) -> int:
    """Return how much room the log records of one worker may take.

    Args:
        disk_bytes: the size of the disk.
        reserve_bytes: of these, what is kept free.
        share: of the rest, what the records of all workers may take.
        workers: that share the disk.
    """
    return int(max(0, disk_bytes - reserve_bytes) * share / workers)


def held_takes_too_much(
    *, held_bytes: int, free_bytes: int, reserve_bytes: int, share: float
) -> bool:
    """Say whether held mail has its share of the disk, so that no more of it may come in.

    Args:
        held_bytes: octets of mail whose destination is away.
        free_bytes: of the disk.
        reserve_bytes: of these, what is kept free.
        share: of all that held mail could take; 1 is no limit.
    """
    room_bytes = held_bytes + max(0, free_bytes - reserve_bytes)
    return share < 1.0 and held_bytes > 0 and held_bytes >= share * room_bytes
