"""What does a test need to let a filter run?

Pure.
"""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.envelope import Envelope
from common.preferences import Preferences
from satellite.filtering.filter import FilterContext, Mail
from satellite.filtering.inside import GivenInside, Inside
from satellite.filtering.resolver import Resolver
from satellite.filtering.tallies import Tallies, Total
from satellite.headers import HeaderBlock
from tests.support.clock import FakeClock
from tests.support.network.resolvers import FakeResolver

NOW_US = 1_800_000_000_000_000


def mail(
    preferences: Preferences,
    *,
    header: bytes = b"Subject: hello\r\n",
    client: str = "192.0.2.7",
    sender: str = "a@sender.example",
    recipients: tuple[str, ...] = ("x@acme.example",),
    now_us: int = NOW_US,
    inside: Inside | None = None,
    identifier: str = "",
) -> Mail:
    """Return one message as filters see it."""
    return Mail(
        envelope=Envelope(client_address=client, helo="mail", sender=sender, recipients=recipients),
        headers=HeaderBlock.parse(header + b"\r\n"),
        size=len(header) + 2,
        preferences=preferences,
        now_us=now_us,
        inside=inside or GivenInside(data=header + b"\r\n"),
        id=identifier,
    )


class LocalTallies:
    """Counts of one process that go away with it, whenever something was counted."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, bytes], int] = {}

    def add(self, kind: str, key: bytes, amount: int = 1, *, told_from: int = 1) -> None:
        """Count something."""
        self._counts[kind, key] = self._counts.get((kind, key), 0) + amount

    def total(self, kind: str, key: bytes, *, window_s: float) -> Total:
        """Return what was counted, whenever that was."""
        return Total(self._counts.get((kind, key), 0), is_of_all_sites=False)


def context(**more: Any) -> FilterContext:
    """Return a context with a clock that stands and a DNS that knows nothing."""
    clock: Clock = more.get("clock") or FakeClock()
    resolver: Resolver = more.get("resolver") or FakeResolver()
    metrics: CollectorRegistry = more.get("metrics") or CollectorRegistry()
    tallies: Tallies = more.get("tallies") or LocalTallies()
    return FilterContext(clock=clock, resolver=resolver, metrics=metrics, tallies=tallies)
