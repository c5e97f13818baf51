"""What does the keeper of this machine's tunnel tell everybody?

Touches the state file, and nothing else. To ask WireGuard itself takes CAP_NET_ADMIN, which no
program that reads strangers' mail or takes their calls may have.
"""

from __future__ import annotations

from pathlib import Path

from common.wireguard.tunnel_state import STATE_BYTES_MAX, TunnelHealth, parse_health


def read_health(state: Path) -> TunnelHealth | None:
    """Return how the tunnel fares, as its keeper told last; None: nobody tells."""
    try:
        with state.open("rb") as file:
            content = file.read(STATE_BYTES_MAX + 1)
        return parse_health(content) if len(content) <= STATE_BYTES_MAX else None
    except (OSError, ValueError):
        return None


def told_health(state: str) -> TunnelHealth | None:
    """Return the same where the settings name such a file."""
    return read_health(Path(state)) if state else None
