"""Somebody who types commands, and a core that answers them."""

from __future__ import annotations

from tests.support.cli.shell import core, shell
from tests.support.core.tables_at_once import tables_at_once

__all__ = ["core", "shell", "tables_at_once"]
