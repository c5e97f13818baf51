"""What do the preferences say of a destination's mail?

Pure. A destination by route has its domain's hold days, policy and operator's order; our own mail
to others has the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.ids import MessageId, ulid_ms
from common.preferences import Preferences
from common.preferences.documents import HoldBody
from satellite.delivery.hold import HOLD_DAYS_DEFAULT
from satellite.delivery.routing import Destination, Via

DAY_S = 86_400.0
HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How the mail of one destination is kept, told of and let go."""

    customer: str = ""
    deliver_to: tuple[str, ...] = ()
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


DEFAULT = Terms()
_NO_ORDER = HoldBody()


def terms_of(destination: Destination, preferences: Preferences) -> Terms:
    """Return what holds for a destination under these preferences."""
    if destination.via is not Via.ROUTE:
        return DEFAULT
    domain = destination.name
    route = preferences.route(domain)
    order = preferences.hold_order(domain) or _NO_ORDER
    policy = preferences.domain_policy(domain)
    hours = policy.threshold("notice_hours")
    return Terms(
        customer=route.customer if route is not None else "",
        deliver_to=tuple(route.deliver_to) if route is not None else (),
        hold_s=(route.hold_days if route is not None else HOLD_DAYS_DEFAULT) * DAY_S,
        notice_s=None if hours is None else hours * HOUR_S,
        drain_rate=policy.threshold("drain_rate"),
        return_before_us=order.bounce_before_us,
        return_reason=order.reason,
    )
