"""How is a server known that an engine or a filter asks over TLS?

Touches the file of the authorities.
"""

from __future__ import annotations

import ssl

from common.errors import LocalError


def server_tls(authorities: str) -> ssl.SSLContext:
    """Return what a server is held to: TLS 1.2 at least, a certificate made out to its host.

    Args:
        authorities: a file with the certificates of those that are believed; empty: the system's.

    Raises:
        LocalError: the file cannot be read, or has none in it.
    """
    try:
        context = ssl.create_default_context(cafile=authorities or None)
    except (OSError, ValueError) as error:
        raise LocalError(
            f"no authorities in {authorities!r}: {error}", hint="name a file of certificates in PEM"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
