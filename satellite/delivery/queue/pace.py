"""What is the concurrency limit of a destination, and its rate limit while it drains?

Pure: times come in as arguments. The limit follows the answers: halved when a server takes no more
connections, one more after a run of successes, and after a hold it begins with one and doubles with
each round that succeeds. A rate, when the policy sets one, is kept by a token bucket.

Source: the shape is TCP's congestion control (RFC 5681 section 3.1), with transactions as segments.
"""

from __future__ import annotations

from satellite.delivery.decisions.reply import HopReply

GROWTH_SUCCESSES = 20  # transactions between two widenings, once a server has refused more
BURST_S = 0.1  # of a rate that may be used at once, so that a high one is not bound to the alarm
_ROUNDING = 1e-3  # of a token: waits are rounded, and the last bit must not cost another one


class Pace:
    """The transactions at once of one destination.

    Args:
        most: the configured limit, 1 or more.
    """

    __slots__ = ("_doubles_below", "_most", "_successes", "limit", "round")

    def __init__(self, *, most: int) -> None:
        assert most >= 1
        self._most = most
        self._doubles_below = most
        self._successes = 0
        self.limit = most
        self.round = 0  # of several refusals to turns of one round, the first counts

    @property
    def is_narrow(self) -> bool:
        """Whether fewer than configured are given."""
        return self.limit < self._most

    def restart(self) -> None:
        """Begin with one again: the server was away, and may not stand all of us at once."""
        self.limit = 1
        self._doubles_below = self._most
        self._successes = 0
        self.round += 1

    def succeeded(self) -> bool:
        """Take note of a transaction that the server took part in; return whether it is wider."""
        if self.limit >= self._most:
            return False
        self._successes += 1
        is_wider = self.limit < self._doubles_below or self._successes >= GROWTH_SUCCESSES
        if is_wider:
            self._successes = 0
            self.limit += 1
        return is_wider

    def pushed_back(self, of_round: int) -> None:
        """Take note that the server wants fewer connections.

        Args:
            of_round: the round in which the turn began that met it.
        """
        if of_round != self.round:
            return
        self.limit = max(1, self.limit // 2)
        self._doubles_below = self.limit
        self._successes = 0
        self.round += 1


class Bucket:
    """A rate: each message takes a token, and tokens come back evenly.

    Args:
        rate_per_s: messages per second, more than 0.
    """

    __slots__ = ("_at_s", "_burst", "_tokens", "rate_per_s")

    def __init__(self, rate_per_s: float) -> None:
        assert rate_per_s > 0
        self.rate_per_s = rate_per_s
        self._burst = max(1.0, rate_per_s * BURST_S)
        self._tokens = 1.0
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Take a token at a monotonic time; return whether there was one."""
        if not self.has(now_s):
            return False
        self._tokens -= 1.0
        return True

    def has(self, now_s: float) -> bool:
        """Say whether there is a token at a monotonic time."""
        if self._at_s is not None:
            grown = self._tokens + (now_s - self._at_s) * self.rate_per_s
            self._tokens = min(self._burst, grown)
        self._at_s = now_s
        return self._tokens >= 1.0 - _ROUNDING

    def next_s(self) -> float:
        """Return the monotonic time at which there is a token."""
        since_s = self._at_s or 0.0
        return since_s + max(0.0, 1.0 - self._tokens) / self.rate_per_s


def is_pushback(reply: HopReply | None) -> bool:
    """Say whether a reply asks for fewer connections, and not for another message or recipient."""
    if reply is None or reply.severity != 4:
        return False
    text = str(reply).lower()
    return reply.code == 421 or ("too many" in text and ("connection" in text or "session" in text))
