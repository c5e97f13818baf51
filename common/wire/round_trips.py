"""How does what a node has measured to customers' servers look on the wire?

Pure. Figures beyond what a node of ours can say end the stream; a round trip below the floor is
moved there: nobody gains by a claim to be nearer than all others.
"""

from __future__ import annotations

from borderscout.v1 import control_pb2 as control

from common.preferences.deliver_to import parse_deliver_to
from common.round_trips import (
    AGE_S_MAX,
    RTT_US_MAX,
    RTT_US_MIN,
    TARGET_LENGTH_MAX,
    TRIES_MAX,
    RoundTrip,
)
from common.wire import bounds
from common.wire.bounds import WireError


def round_trip_to_wire(told: RoundTrip) -> control.RoundTripReport:
    """Return what was measured to one target as protobuf."""
    return control.RoundTripReport(
        target=told.target,
        rtt_us=0 if told.rtt_us is None else _within(told.rtt_us),
        tries=told.tries,
        failures=told.failures,
        age_s=min(told.age_s, AGE_S_MAX),
    )


def round_trip_from_wire(message: control.RoundTripReport) -> RoundTrip:
    """Return what a node has measured to one target.

    Raises:
        WireError: it is none that a node of ours could have.
    """
    bounds.at_most(message.tries, TRIES_MAX, "tries of one target")
    bounds.at_most(message.age_s, AGE_S_MAX, "seconds since the last try")
    if not 0 < message.tries >= message.failures:
        raise WireError(f"{message.failures} failures of {message.tries} tries")
    came_back = message.failures < message.tries
    if came_back != bool(message.rtt_us):
        raise WireError("a round trip without a try that succeeded, or none with one")
    return RoundTrip(
        _target(message.target),
        _within(message.rtt_us) if came_back else None,
        message.tries,
        message.failures,
        message.age_s,
    )


def _within(rtt_us: int) -> int:
    return min(max(rtt_us, RTT_US_MIN), RTT_US_MAX)


def _target(text: str) -> str:
    bounds.at_most(len(text), TARGET_LENGTH_MAX, "characters of a target")
    try:
        target = str(parse_deliver_to(text))
    except ValueError as error:
        raise WireError(f"no target: {bounds.plain(str(error))}") from None
    if target != text:
        raise WireError(f"{bounds.plain(text[:80])!r} is not how a target is written")
    return target
