"""What do these tests share? A core in their own process has its tables at once."""

from __future__ import annotations

from tests.support.core.tables_at_once import tables_at_once

__all__ = ["tables_at_once"]
