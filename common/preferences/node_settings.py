"""Which digest do a node's settings have, as its document carries them?

Pure. The settings are the tree that ``satellite.yaml`` holds. Their digest is the SHA-256 of the
one way to write them as JSON, so that core and node speak of the same settings by 64 characters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SETTINGS_BYTES_MAX = 60_000  # as JSON; with the rest of the body it is one document


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Return the digest of a node's settings: 64 hexadecimal digits.

    Raises:
        ValueError: they are no JSON, such as a number that is infinite, or too long.
    """
    written = json.dumps(
        settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
    if len(written) > SETTINGS_BYTES_MAX:
        raise ValueError(f"more than {SETTINGS_BYTES_MAX} octets of settings")
    return hashlib.sha256(written).hexdigest()
