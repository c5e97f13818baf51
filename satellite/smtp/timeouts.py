"""Which timeouts hold for an SMTP client in each phase of its session?

Pure: the time arrives as ``now_s``. A client is watched by phase. It may take its time inside a
phase's bounds, but single octets and commands that do nothing buy none: the wait for a command
counts from the answer to the last one, a session ends in the end, and message data must come at a
minimum rate over each window. An upload that keeps the rate may take as long as it takes.

While connections run out (``satellite.smtp.stress``), the bounds are those of whoever is about to
say something: a place that nobody uses is one that somebody else waits for.

Source: RFC 5321 section 4.5.3.2; Postfix's STRESS_README (ten seconds under stress).
"""

from __future__ import annotations

from enum import StrEnum

from common.frozen import dataclass

# RFC 5321 section 4.5.3.2.5: a sender waits three minutes for one block to go through, so a
# network that is away for less than that breaks nothing.
WINDOW_S = 180.0
HANDSHAKE_S = 30.0  # two round trips and one signature
FAREWELL_S = 10.0  # for the last reply to leave; then the connection is cut

# While connections run out.
STRESS_COMMAND_S = 10.0
STRESS_HANDSHAKE_S = 10.0
STRESS_SILENCE_S = 10.0  # in the middle of message data
STRESS_WINDOW_S = 30.0
STRESS_USELESS_S = 120.0  # without a message: commands that lead to none keep nobody's place


class Phase(StrEnum):
    """What a session is doing."""

    COMMAND = "command"  # waiting for a whole command, or for the client to read our reply
    HANDSHAKE = "handshake"
    DATA = "data"
    SCANNING = "scanning"  # before the answer; bounded by its budget
    COMMITTING = "committing"  # ours to do: the client's time stands still
    CLOSING = "closing"


class Overdue(StrEnum):
    """What took too long."""

    IDLE = "idle"
    SESSION = "session"
    SLOW = "slow"
    HANDSHAKE = "handshake"
    FAREWELL = "farewell"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutLimits:
    """Seconds, and octets for each second."""

    command_s: float
    session_s: float
    data_bytes_per_s: int


class Timeouts:
    """The watch over one session."""

    __slots__ = (
        "_heard_s",
        "_limits",
        "_octets",
        "_octets_seen",
        "_since_s",
        "_started_s",
        "_useful_s",
        "phase",
    )

    def __init__(self, limits: TimeoutLimits, *, now_s: float) -> None:
        self._limits = limits
        self._started_s = now_s
        self._useful_s = now_s
        self.phase = Phase.COMMAND
        self.enter(Phase.COMMAND, now_s=now_s)

    def enter(self, phase: Phase, *, now_s: float) -> None:
        """Begin a phase, or begin it anew."""
        self.phase = phase
        self._since_s = self._heard_s = now_s
        self._octets = self._octets_seen = 0

    def took_a_message(self, *, now_s: float) -> None:
        """Note that the session was of use."""
        self._useful_s = now_s

    def received(self, octets: int) -> None:
        """Count message data."""
        self._octets += octets

    def silent_s(self, *, now_s: float) -> float:
        """Return for how long nothing has come that we wait for; 0 while the client waits for us.

        In message data it is as exact as somebody asks.
        """
        if self.phase not in (Phase.COMMAND, Phase.HANDSHAKE, Phase.DATA):
            return 0.0
        if self._octets != self._octets_seen:
            self._octets_seen, self._heard_s = self._octets, now_s
        return now_s - self._heard_s

    def overdue(self, *, now_s: float, is_stressed: bool = False) -> Overdue | None:
        """Return what has taken too long by now, or None. Asked once in a while.

        Args:
            now_s: monotonic.
            is_stressed: connections run out.
        """
        waited_s = now_s - self._since_s
        silent_s = self.silent_s(now_s=now_s)
        match self.phase:
            case Phase.COMMAND if now_s - self._started_s >= self._limits.session_s:
                return Overdue.SESSION
            case Phase.COMMAND if waited_s >= self._limits.command_s:
                return Overdue.IDLE
            case Phase.HANDSHAKE if waited_s >= HANDSHAKE_S:
                return Overdue.HANDSHAKE
            case Phase.DATA if waited_s >= (STRESS_WINDOW_S if is_stressed else WINDOW_S):
                return self._judge_window(waited_s, now_s)
            case Phase.CLOSING if waited_s >= FAREWELL_S:
                return Overdue.FAREWELL
        return self._overdue_in_stress(silent_s, now_s) if is_stressed else None

    def _overdue_in_stress(self, silent_s: float, now_s: float) -> Overdue | None:
        match self.phase:
            case Phase.COMMAND if silent_s >= STRESS_COMMAND_S:
                return Overdue.IDLE
            case Phase.COMMAND if now_s - self._useful_s >= STRESS_USELESS_S:
                return Overdue.IDLE
            case Phase.HANDSHAKE if silent_s >= STRESS_HANDSHAKE_S:
                return Overdue.HANDSHAKE
            case Phase.DATA if silent_s >= STRESS_SILENCE_S:
                return Overdue.SLOW
        return None

    def _judge_window(self, waited_s: float, now_s: float) -> Overdue | None:
        enough = max(1.0, self._limits.data_bytes_per_s * waited_s)
        if self._octets < enough:
            return Overdue.SLOW
        self.enter(Phase.DATA, now_s=now_s)
        return None
