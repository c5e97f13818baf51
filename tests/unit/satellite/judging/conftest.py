"""A spool in a temporary folder, under a clock that tests move."""

from __future__ import annotations

from tests.support.spool.open_spool import clock, open_spool, spool, spool_folder

__all__ = ["clock", "open_spool", "spool", "spool_folder"]
