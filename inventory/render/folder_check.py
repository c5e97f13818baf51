"""Is this folder the one of the inventory's cluster, and was it rendered before now?

Touches the rendered folder, for reading. A clock that is behind takes everything for not yet good,
and what would be made anew by it may be over before the machines get it.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from pathlib import Path

from common.issuing import LIFETIME_DAYS, instant
from inventory.certificates import RENEWAL_DAYS, authority, begins_later, read_certificate
from inventory.model import Inventory
from inventory.render.node import TLS
from inventory.smtp_keys import SMTP_KEYS

# What is made now is due by the time at which a certificate begins that begins later than this.
LATER_MAX = timedelta(days=LIFETIME_DAYS - RENEWAL_DAYS)


def check_folder(
    inventory: Inventory, out: Path, *, now_us: int, elsewhere: Path | None = None
) -> None:
    """Refuse a folder of another cluster, and one that was rendered later than now.

    The authority's certificate is the one to go by, as it is the oldest. In a folder that is older
    than the clock is behind, those of the machines tell.

    Args:
        inventory: whose cluster it is to be.
        out: the rendered folder; one that is not there yet is nobody's.
        now_us: microseconds since the epoch.
        elsewhere: the folder that has the authority's key.

    Raises:
        LocalError: it is one, its authority cannot be used, or a file holds something else.
    """
    authority(out, cluster=inventory.cluster.name, now_us=now_us, elsewhere=elsewhere)
    machines = [*inventory.core.machines(), *(node.name for _, node in inventory.nodes())]
    now = instant(now_us)
    for machine, name in product(machines, ("node", *SMTP_KEYS)):
        file = out / machine / TLS / f"{name}.crt"
        found = read_certificate(file)
        if found is not None and found.not_valid_before_utc - now > LATER_MAX:
            raise begins_later(file, found, now, remedy=f"delete {out}/*/{TLS}/*.crt, and render")
