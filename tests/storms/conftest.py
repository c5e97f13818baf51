"""What storms are made of."""

from __future__ import annotations

from tests.support.network.own_network import own_network

__all__ = ["own_network"]
