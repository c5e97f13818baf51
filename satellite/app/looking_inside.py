"""Who is asked what is inside a message?

Touches nothing: it only builds them.
"""

from __future__ import annotations

from common.clock import Clock
from common.settings.values import split_endpoint
from satellite.authentication.authenticator import Authenticator
from satellite.authentication.dns_questions import DnsQuestions
from satellite.judging.content_reader import ContentReader
from satellite.judging.inside import LooksInside
from satellite.names.name_servers import NameServers
from satellite.scanning.helper import Helper


def looks_inside(helper: Helper, *, resolver: str, clock: Clock) -> LooksInside:
    """Return those of one worker, before its helper's first message.

    Args:
        helper: reads what messages say and hold.
        resolver: ADDRESS:PORT of the node's; empty: the system's.
        clock: the time.
    """
    servers = NameServers(*split_endpoint(resolver)) if resolver else NameServers()
    authenticator = Authenticator(DnsQuestions(servers, clock), clock)
    return LooksInside(reader=ContentReader(helper), authenticator=authenticator)
