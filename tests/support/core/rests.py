"""How does a test sweep without a pause?

Pure.
"""

from __future__ import annotations


async def no_rest() -> None:
    """Go on at once."""
