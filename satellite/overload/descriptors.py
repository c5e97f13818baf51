"""What is the limit of open files, and so of SMTP connections?

Touches the process's limits. A service manager gives a soft limit of 1024 for programs that still
use select(2) and a hard one far above it; we use all of it. When even that is little, there are
fewer connections: a worker without a descriptor for its database or its engine is of no use to the
clients that it let in.

Source: getrlimit(2).
"""

from __future__ import annotations

import resource

import structlog

from common.settings.satellite import SatelliteSettings

log = structlog.get_logger()

RESERVED = 64  # the spool, bodies, engines, the helper, the link
NEXT_HOPS_MAX = 2300  # connections to next hops: all turns, and sessions that are kept
LIMIT_MAX = 1 << 20  # what "no limit" comes to


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = LIMIT_MAX if hard == resource.RLIM_INFINITY else min(hard, LIMIT_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def limit() -> int:
    """Return the soft limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return LIMIT_MAX if soft == resource.RLIM_INFINITY else min(soft, LIMIT_MAX)


def for_next_hops(descriptors: int) -> int:
    """Return how many of some descriptors connections to next hops may have: a third, or enough."""
    return min(NEXT_HOPS_MAX, max(0, descriptors - RESERVED) // 3)


def within(settings: SatelliteSettings, *, descriptors: int) -> SatelliteSettings:
    """Return the settings with no more connections than there are descriptors for."""
    possible = max(1, descriptors - RESERVED - for_next_hops(descriptors))
    smtp = settings.smtp
    if smtp.connections_max <= possible:
        return settings
    log.warning(
        "worker.few_descriptors",
        descriptors=descriptors,
        connections=possible,
        hint="let the service manager allow more open files",
    )
    fewer = smtp.model_copy(update={"connections_max": possible})
    return settings.model_copy(update={"smtp": fewer})
