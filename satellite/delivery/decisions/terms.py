"""Which hold days, drain rate and delay notice do the preferences set for a destination?

Pure. A destination by route has its domain's hold days, policy and operator's order; our own mail
to others has the defaults.
"""

from __future__ import annotations

from common.frozen import dataclass
from common.ids import MessageId, ulid_ms
from common.preferences import Preferences
from common.preferences.bodies import HoldBody
from common.preferences.deliver_to import Target
from common.preferences.policy import EightBit, TlsPolicy
from satellite.delivery.decisions.hold import HOLD_DAYS_DEFAULT
from satellite.delivery.decisions.routing import Destination, Via, policy_of, targets_of

DAY_S = 86_400.0
HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How the mail of one destination is kept, told of and let go."""

    customer: str = ""
    targets: tuple[Target, ...] = ()  # its configured hosts; none for one that goes by MX
    tls: TlsPolicy = TlsPolicy.OPPORTUNISTIC
    eight_bit: EightBit = EightBit.SEND
    hold_s: float = HOLD_DAYS_DEFAULT * DAY_S
    notice_s: float | None = None  # the age at which a sender is told of the delay; None: never
    drain_rate: float | None = None  # messages per second after a hold; None: no limit
    # What was tried, is still here and came before this time goes back; microseconds, UTC; 0: none.
    return_before_us: int = 0
    return_reason: str = ""

    def returns(self, message: MessageId) -> bool:
        """Say whether a message came before the time of the order: its id holds that."""
        if not self.return_before_us:
            return False
        received_us_max = ulid_ms(message) * 1000 + 999
        return received_us_max < self.return_before_us


_NO_ORDER = HoldBody()


def terms_of(destination: Destination, preferences: Preferences) -> Terms:
    """Return what holds for a destination under these preferences."""
    targets = targets_of(destination, preferences=preferences)
    policy = policy_of(destination, preferences=preferences)
    if destination.via is not Via.ROUTE:
        return Terms(targets=targets, tls=policy.tls, eight_bit=policy.eight_bit)
    route = preferences.route(destination.name)
    order = preferences.hold_order(destination.name) or _NO_ORDER
    return Terms(
        customer=route.customer if route is not None else "",
        targets=targets,
        tls=policy.tls,
        eight_bit=policy.eight_bit,
        hold_s=(route.hold_days if route is not None else HOLD_DAYS_DEFAULT) * DAY_S,
        notice_s=None if policy.notice_hours is None else policy.notice_hours * HOUR_S,
        drain_rate=policy.drain_rate,
        return_before_us=order.bounce_before_us,
        return_reason=order.reason,
    )
