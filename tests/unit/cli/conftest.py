"""Somebody who types commands, and a core that answers them."""

from __future__ import annotations

from tests.support.cli.shell import core, shell

__all__ = ["core", "shell"]
