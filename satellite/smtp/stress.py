"""Are connections running out?

Pure. Most of the limit reached is stress, and it lasts until a good part is free again: without the
gap between the two marks a front end would change its mind with each connection. Under stress a
client that says nothing is waited for as long as one that is about to say something
(``satellite.smtp.timeouts``), so that a thousand silent sockets keep nobody out for five minutes.

Source: Postfix's STRESS_README.
"""

from __future__ import annotations

HIGH_SHARE = 0.8  # of the connections; from here on
LOW_SHARE = 0.6  # until fewer than that are open


class Stress:
    """The decision over time.

    Attributes:
        is_on: as it was at the last look.
        times: how often it began.
    """

    __slots__ = ("is_on", "times")

    def __init__(self) -> None:
        self.is_on = False
        self.times = 0

    def look(self, *, inside: int, total_max: int) -> bool:
        """Take in how many connections are open; return whether the answer has changed."""
        share = inside / total_max
        is_on = share >= (LOW_SHARE if self.is_on else HIGH_SHARE)
        has_changed = is_on is not self.is_on
        self.is_on = is_on
        self.times += has_changed and is_on
        return has_changed
