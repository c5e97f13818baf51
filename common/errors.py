"""Whose doing is a failure, and what can an operator do about it?

Pure. Errors are split by who caused them, since that decides who is told and whether to try again.
"""

from __future__ import annotations


class BorderScoutError(Exception):
    """The root of all errors that this product raises on purpose.

    Args:
        what: what happened, one sentence without a full stop.
        hint: what an operator can do about it; empty when nothing can be done.
    """

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what


class PeerError(BorderScoutError):
    """The other side did something that it must not, or answered with nonsense."""


class LocalError(BorderScoutError):
    """We were asked for something that cannot be, or are wrong ourselves."""


class EnvironmentFailure(BorderScoutError):
    """The disk, the network, DNS or the clock failed us; it may work again later."""


class DiskFull(EnvironmentFailure):
    """There is no room for what must be durable."""


class SettingsError(LocalError):
    """A file of settings or an inventory is wrong; carries every complaint at once.

    Args:
        complaints: lines of the form ``FILE:LINE:COLUMN: what; remedy``.
    """

    def __init__(self, complaints: list[str]) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints
