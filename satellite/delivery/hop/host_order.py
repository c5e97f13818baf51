"""Which of a destination's hosts are asked now, and in which order?

Touches nothing but a clock: what is remembered of hosts comes from those who asked. A host that
failed a moment ago is tried last; one that was silent is passed over until it was seen to greet
again, and only probes ask it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from common.clock import Clock
from satellite.delivery.decisions.hold import probe_wait_s
from satellite.delivery.decisions.outcome import (
    STATUS_NOT_LOOKED_UP,
    STATUS_UNREACHABLE,
    RecipientResult,
    Stage,
)
from satellite.delivery.decisions.reply import TEXT_LENGTH_MAX
from satellite.delivery.decisions.routing import Destination
from satellite.delivery.hop.session import Hop, HopFailed
from satellite.delivery.hop.silent_hosts import HostAddress, SilentHosts

FAILED_S = 60.0  # a host that failed is tried last for so long
FAILED_MAX = 10_000  # hosts that are remembered as failed
HESITANT_S = 1.0  # a host that has not greeted by then is asked last
_SILENT = "it gave no answer before, and was not seen to greet since"


class HopUnreachable(Exception):
    """No session could be had.

    Args:
        answer: what that means for the recipients.
        is_away: hosts are known, and none could be talked to.
        reason: why its mail is on hold, if that is said otherwise than of one message: what changes
            with each probe, as the seconds that it had, would be written each time.
        next_s: monotonic time at which one of them may be asked; None: they were asked just now.
    """

    def __init__(
        self,
        answer: RecipientResult,
        *,
        is_away: bool,
        reason: str = "",
        next_s: float | None = None,
    ) -> None:
        super().__init__(answer.finding)
        self.answer = answer
        self.is_away = is_away
        self.next_s = next_s
        self.reason = reason or answer.finding


@dataclass(slots=True)
class _Pending:
    """Sessions that are being opened with one host."""

    since_s: float  # when the first of them began; or the last answer came
    count: int = 0


class HostOrder:
    """What is remembered of hosts, and what follows.

    Args:
        clock: for how long it counts.
        spread: gives a number from 0 up to 1, drawn anew each time.
        greets_again: is told of a destination one of whose hosts was silent and has answered.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        spread: Callable[[], float],
        greets_again: Callable[[Destination], None],
    ) -> None:
        self.silent = SilentHosts()
        self._clock = clock
        self._spread = spread
        self._greets_again = greets_again
        self._failed_until: dict[Hop, float] = {}
        self._pending: dict[HostAddress, _Pending] = {}

    def to_ask(self, destination: Destination, hops: Sequence[Hop], *, is_probe: bool) -> list[Hop]:
        """Return the hosts that are asked now, in order.

        Raises:
            HopUnreachable: all are silent, and it is not the time to ask them.
        """
        silent = [hop for hop in hops if hop.host in self.silent]
        if not silent:  # nearly always
            return self._in_order(hops)
        now_s = self._clock.monotonic_s()
        talking = self._in_order([hop for hop in hops if hop.host not in self.silent])
        if is_probe:
            # Who was asked least recently comes first: a probe may be too short for all.
            may = [hop for hop in silent if self.silent.may_be_asked(hop.host, now_s=now_s)]
            found = talking + sorted(may, key=lambda hop: self.silent.asked_s(hop.host))
        else:
            found = talking
            for hop in silent:
                if talking:
                    self.silent.passed_over(hop.host, destination, now_s=now_s)
        if not found:
            for hop in silent:
                self.silent.waits(hop.host, destination)
            text = "; ".join(f"{hop}: {_SILENT}" for hop in silent)
            next_s = min(self.silent.next_s(hop.host) for hop in silent)
            raise HopUnreachable(
                unreached(text), is_away=True, reason=silence_of(silent), next_s=next_s
            )
        return found

    def answered(self, hop: Hop) -> None:
        """Take note that a host has answered, whatever it said."""
        self._failed_until.pop(hop, None)
        if hop.host in self._pending:
            self._pending[hop.host].since_s = self._clock.monotonic_s()
        for destination in self.silent.answered(hop.host):
            self._greets_again(destination)

    def failed(self, hop: Hop, error: HopFailed, *, started_s: float) -> None:
        """Remember how a host failed: one that is silent is passed over, others are tried last."""
        if error.is_silence:
            self.fell_silent(hop, started_s=started_s)
            return
        if not error.is_unasked:
            self.answered(hop)
        self._remember_failed(hop)

    def fell_silent(self, hop: Hop, *, started_s: float) -> None:
        """Remember that a host gave no answer in its time."""
        next_s = started_s + probe_wait_s(self._spread())
        self.silent.fell_silent(hop.host, asked_s=started_s, next_s=next_s)

    def _in_order(self, hops: Sequence[Hop]) -> list[Hop]:
        now_s = self._clock.monotonic_s()
        return sorted(
            hops,
            key=lambda hop: (
                self._failed_until.get(hop, 0.0) > now_s,
                self._is_hesitant(hop, now_s),
            ),
        )

    def _is_hesitant(self, hop: Hop, now_s: float) -> bool:
        """Say whether others wait for a host's greeting: who comes now need not wait as well."""
        pending = self._pending.get(hop.host)
        return pending is not None and now_s - pending.since_s >= HESITANT_S

    @contextmanager
    def pending(self, hop: Hop) -> Iterator[None]:
        """Have it known meanwhile that a session is being opened with a host."""
        pending = self._pending.get(hop.host)
        if pending is None:
            pending = self._pending[hop.host] = _Pending(self._clock.monotonic_s())
        pending.count += 1
        try:
            yield
        finally:
            pending.count -= 1
            if not pending.count:
                del self._pending[hop.host]

    def _remember_failed(self, hop: Hop) -> None:
        if len(self._failed_until) >= FAILED_MAX:
            self._failed_until.clear()  # only an order of preference is lost
        self._failed_until[hop] = self._clock.monotonic_s() + FAILED_S


def silence_of(hops: Iterable[object]) -> str:
    """Return why mail is on hold for a destination whose hosts give no answer."""
    return "; ".join(f"{hop}: no answer" for hop in hops)[:TEXT_LENGTH_MAX]


def unreached(text: str) -> RecipientResult:
    """Return what it means for recipients that no host was talked to."""
    finding = text[:TEXT_LENGTH_MAX]
    return RecipientResult(stage=Stage.CONNECT, finding=finding, status=STATUS_UNREACHABLE)


def not_found_in_time(destination: Destination) -> HopUnreachable:
    """Return what it means that the hosts' names took too long: nobody was asked, nor is away."""
    answer = RecipientResult(
        stage=Stage.CONNECT,
        finding=f"the hosts of {destination.name} were not found in time",
        status=STATUS_NOT_LOOKED_UP,
    )
    return HopUnreachable(answer, is_away=False)
