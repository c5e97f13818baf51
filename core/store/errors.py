"""How does the core's store fail?

Pure. What a caller asked wrongly has an error of its own room; here is what the store itself says.
"""

from __future__ import annotations

from common.errors import EnvironmentFailure


class StoreFailure(EnvironmentFailure):
    """The database cannot be opened, read or written now."""
