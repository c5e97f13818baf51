"""How did a program end?

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of one program.

    Args:
        code: its exit code; when a signal ended it, that signal's number, negative.
        output: what it printed, up to a bound.
        complaints: the same of its standard error.
        is_cut: whether it printed more than the bound, and was ended for it.
    """

    code: int
    output: bytes = b""
    complaints: bytes = b""
    is_cut: bool = False
