"""What does a program have to know of its machine's tunnel?

Pure.
"""

from __future__ import annotations

from common.settings.values import FilePath, Settings

TOLD_FILE = "/run/borderscout/wireguard.json"


class WireGuardSettings(Settings):
    """The tunnel to the core, or to the satellites, that `borderscout wireguard` keeps."""

    state: FilePath = ""
    """The file in which it tells how the tunnel fares, for metrics, `status` and `doctor`; empty:
    there is no tunnel."""
