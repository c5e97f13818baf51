"""On which day were definitions made, as their version tells?

Pure. ESET writes it behind the number, as ``31234 (20260526)``. A day counts to its end, in
Universal Time: nothing is older than it says.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DAY = re.compile(r"\(((?:19|20)[0-9]{6})\)")


def day_made_us(version: str) -> int:
    """Return the end of the day, microseconds since the epoch; 0 where the version has none."""
    found = _DAY.search(version)
    if found is None:
        return 0
    try:
        day = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return 0
    return max(0, round((day + timedelta(days=1)).timestamp()) * 1_000_000)
