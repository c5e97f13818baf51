"""What does a node tell of the way to one of the customers' servers?

Pure. What is told of a target replaces what was told of it before: told twice it counts once, and
lost it is made good by the next time. Both ends know the bounds.

Source: docs/mx.md, *Measured in place of distance*.
"""

from __future__ import annotations

from common.frozen import dataclass

RTT_US_MIN = 1_000  # below a millisecond nobody is nearer than anybody else
RTT_US_MAX = 60_000_000  # what takes longer has failed
WINDOW_S = 86_400  # tries that are counted together
TRIES_MAX = 1_440  # of one node and target, one a minute: nobody's word weighs more
TARGETS_MAX = 4_096  # of one node
TARGET_LENGTH_MAX = 280  # characters: a name of 253, a port, and what stands around them
AGE_S_MAX = 10 * WINDOW_S
TOLD_AT_ONCE_MAX = 100  # in one report; some 60 octets each


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What a node has measured to one target within a window.

    Args:
        target: an entry of ``deliver_to``, as ``common.preferences.deliver_to`` writes it.
        rtt_us: the usual time of a TCP connect; None: nothing came back.
        tries: so many.
        failures: of these: no connection, or no greeting in time.
        age_s: seconds since the last of them.
    """

    target: str
    rtt_us: int | None
    tries: int
    failures: int
    age_s: int
