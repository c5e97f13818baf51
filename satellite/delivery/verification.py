"""Does a customer's server take mail for a recipient, as it says when it is asked?

Touches next hops: a session that says MAIL and RCPT and never DATA. Asked while the sender still
waits, where a route says ``recipients: probe``, so that mail for nobody is refused and not sent
back to a stranger. Answers are kept, the bad ones for a short time. What is asked at once is
limited, for each destination and in all; a server that did not answer is left alone for a moment,
and one that is away is not asked. Then nobody knows, and the policy decides.

Two such gateways that lead to each other ask each other once and no more: we ask with the null
sender, and for mail from it nobody is asked (RFC 5321 section 4.5.5 keeps it for such mail).

Source: RFC 5321 sections 3.3 and 4.5.5; Postfix's ADDRESS_VERIFICATION_README.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from common.clock import Clock
from common.settings.satellite import DeliverySettings
from satellite.delivery.decisions.reply import HopReply
from satellite.delivery.decisions.routing import Destination, Leg
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.hop.connections import Connections
from satellite.delivery.hop.host_order import HopUnreachable
from satellite.delivery.hop.session import HopSession, SessionFailed

PROBE_S = 6.0  # for all of it; a sender waits five minutes for the reply to RCPT
AT_ONCE_MAX = 64  # of one worker
AT_ONCE_OF_ONE_MAX = 2  # of one destination: its mail needs its connections
# Of one customer, whatever number of domains lead to its slow server: others ask meanwhile.
AT_ONCE_OF_CUSTOMER_MAX = 16
SILENT_S = 30.0  # without another question to a server that did not answer
KEPT_MAX = 50_000  # answers; the oldest goes first
_NO_MAILBOX = frozenset({550, 551, 553})
_OF_US = ("4.", "5.7.", "5.1.7", "5.1.8")  # of our rights, and of the sender that we name


class RecipientVerification:
    """What is known of recipients.

    Args:
        connections: of its own, which keep no session: what is asked here says nothing of how mail
            fares.
        settings: how long an answer is kept.
        clock: for the age of answers.
        leg_of: returns where a recipient's mail goes, and whose it is.
        is_away: says whether that is known not to answer.
        terms: what holds for a destination.
    """

    def __init__(
        self,
        connections: Connections,
        settings: DeliverySettings,
        clock: Clock,
        *,
        leg_of: Callable[[str], Leg],
        is_away: Callable[[str], bool],
        terms: Callable[[Destination], Terms],
    ) -> None:
        self._connections = connections
        self._leg_of = leg_of
        self._is_away = is_away
        self._terms = terms
        self._clock = clock
        self._kept_s = {True: settings.verified_s, False: settings.unverified_s}
        self._answers: dict[str, tuple[float, bool]] = {}  # address → until when, and what
        self._asking: dict[str, asyncio.Task[bool | None]] = {}
        self._open: Counter[Destination] = Counter()
        self._of_customer: Counter[str] = Counter()  # those that are open
        self._silent_until_s: dict[Destination, float] = {}

    def at_hand(self, address: str) -> bool | None:
        """Return whether there is such a mailbox if that is known already, else None."""
        until_s, is_known = self._answers.get(address, (0.0, False))
        return is_known if self._clock.monotonic_s() < until_s else None

    async def verify(self, address: str) -> bool | None:
        """Ask whether there is such a mailbox; None: nobody knows now."""
        asking = self._asking.get(address)
        if asking is None:
            leg = self._leg_of(address)
            if not self._may_ask(address, leg):
                return None
            self._open[leg.destination] += 1
            self._of_customer[leg.customer] += 1
            asking = asyncio.create_task(self._ask(address, leg.destination), name="verification")
            self._asking[address] = asking
            asking.add_done_callback(lambda _: self._asked_for(address, leg))
        return await asyncio.shield(asking)

    def _may_ask(self, address: str, leg: Leg) -> bool:
        now_s = self._clock.monotonic_s()
        return (
            len(self._asking) < AT_ONCE_MAX
            and self._open[leg.destination] < AT_ONCE_OF_ONE_MAX
            and self._of_customer[leg.customer] < AT_ONCE_OF_CUSTOMER_MAX
            and now_s >= self._silent_until_s.get(leg.destination, 0.0)
            and not self._is_away(address)
        )

    def _asked_for(self, address: str, leg: Leg) -> None:
        del self._asking[address]
        self._open -= Counter({leg.destination: 1})  # what comes to nothing goes
        self._of_customer -= Counter({leg.customer: 1})

    async def _ask(self, address: str, destination: Destination) -> bool | None:
        try:
            async with asyncio.timeout(PROBE_S):
                session = await self._session_with(destination)
                try:
                    found = await _asked(session, address)
                finally:
                    self._connections.give_back(destination, session)
        except HopUnreachable as error:
            self._leave_alone(destination, until_s=error.next_s)
            return None
        except (TimeoutError, SessionFailed):
            self._leave_alone(destination)
            return None
        if found is not None:
            self._keep(address, found)
        return found

    async def _session_with(self, destination: Destination) -> HopSession:
        terms = self._terms(destination)
        return await self._connections.open(
            destination,
            terms.targets,
            policy=terms.tls,
            asked_before=False,
            is_probe=True,  # a host that was silent is asked too: nobody else does so here
            within_s=PROBE_S,
        )

    def _keep(self, address: str, is_known: bool) -> None:
        self._answers.pop(address, None)
        if len(self._answers) >= KEPT_MAX:
            del self._answers[next(iter(self._answers))]
        until_s = self._clock.monotonic_s() + self._kept_s[is_known]
        self._answers[address] = (until_s, is_known)

    def _leave_alone(self, destination: Destination, *, until_s: float | None = None) -> None:
        now_s = self._clock.monotonic_s()
        self._silent_until_s = {
            one: other_s for one, other_s in self._silent_until_s.items() if other_s > now_s
        }
        self._silent_until_s[destination] = until_s or now_s + SILENT_S


async def _asked(session: HopSession, address: str) -> bool | None:
    wide = "" if address.isascii() else " SMTPUTF8"
    if wide and not session.extensions.smtputf8:
        return None
    if (await session.command(f"MAIL FROM:<>{wide}")).severity != 2:
        return None  # it takes no mail without a sender: nothing was said of the recipient
    return _meaning(await session.command(f"RCPT TO:<{address}>"))


def _meaning(reply: HopReply) -> bool | None:
    """Return what the reply to RCPT says of the mailbox; what may be said of us says nothing."""
    if reply.severity == 2:
        return True
    is_refusal = reply.code in _NO_MAILBOX and not reply.enhanced.startswith(_OF_US)
    return False if is_refusal else None
