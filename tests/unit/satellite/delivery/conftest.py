"""The delivery room and what drives it."""

from __future__ import annotations

from tests.support.delivery.delivery_room import clock, open_room, resolver

__all__ = ["clock", "open_room", "resolver"]
