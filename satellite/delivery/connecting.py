"""How are next hops reached, as a node's settings say?

Touches what it makes: the look-ups of names, and what domains publish of TLS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from common.clock import Clock
from common.settings.satellite import SatelliteSettings
from satellite.delivery.decisions.routing import Destination, Own
from satellite.delivery.hop.connections import Connections
from satellite.delivery.hop.hop_finding import HopFinder
from satellite.delivery.hop.lookup import DnsMxResolver, MxResolver
from satellite.delivery.hop.protection import Protection
from satellite.delivery.hop.published_tls import PublishedTls
from satellite.delivery.hop.session import Deadlines
from satellite.delivery.hop.tls_choice import TlsChoice
from satellite.names.names import AnswerKind, names_of


@dataclass(frozen=True, slots=True)
class NextHops:
    """What reaches next hops.

    Attributes:
        connections: makes connections; it is told ``idle_max``, and may be told ``reached``.
        finder: finds the hosts of customers' servers.
        published: what domains publish of TLS.
    """

    connections: Callable[..., Connections]
    finder: HopFinder
    published: PublishedTls


def next_hops_of(
    settings: SatelliteSettings,
    own: Own,
    *,
    resolver: MxResolver | None,
    count_lookup: Callable[[str], Callable[[AnswerKind], None]],
    clock: Clock,
    spread: Callable[[], float],
    greets_again: Callable[[Destination], None],
) -> NextHops:
    """Return what reaches next hops.

    Args:
        settings: the node's.
        own: who we are.
        resolver: MX and addresses, without what domains publish of TLS; None: the settings' DNS or
            the system's, for all of it.
        count_lookup: returns what counts how look-ups for customers or for strangers end.
        clock: for the age of what is kept.
        spread: gives a number from 0 up to 1, drawn anew each time.
        greets_again: called when a silent host is back.

    Raises:
        SettingsError: the file of authorities is none.
    """
    delivery = settings.delivery
    customers = names_of(settings.resolver, clock, count_lookup("customers"))
    strangers = names_of(settings.resolver, clock, count_lookup("strangers"))
    protection = Protection(delivery.authorities)
    published = PublishedTls(protection, strangers, clock, own=own)
    ours, theirs = resolver or DnsMxResolver(customers), resolver or DnsMxResolver(strangers)
    connections = partial(
        Connections,
        hostname=settings.hostname,
        own=own,
        deadlines=Deadlines(
            connect_s=delivery.connect_timeout_s,
            reply_s=delivery.reply_timeout_s,
            dot_s=delivery.dot_timeout_s,
        ),
        tls=TlsChoice(protection) if resolver else published.choice,
        resolver=ours,
        strangers=theirs,
        clock=clock,
        spread=spread,
        greets_again=greets_again,
    )
    finder = HopFinder(ours, strangers=theirs, own=own, spread=spread)
    return NextHops(connections, finder, published)
