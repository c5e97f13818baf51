"""Who is this node to the mail that it delivers, as its settings say?

Pure.
"""

from __future__ import annotations

from common.settings.satellite import SatelliteSettings
from common.settings.values import split_endpoint
from satellite.delivery.decisions.routing import Own


def own_of(settings: SatelliteSettings) -> Own:
    """Return it."""
    return Own(
        mail_domain=settings.mail_domain.lower(),
        hostname=settings.hostname.lower(),
        addresses=frozenset(split_endpoint(listen)[0] for listen in settings.smtp.listen),
        listeners=frozenset(map(split_endpoint, settings.smtp.listen)),
        postmaster=settings.postmaster,
        smarthost=settings.delivery.smarthost,
    )
