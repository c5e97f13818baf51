"""Which hosts do not answer, who waits for them, and when is one asked again?

Pure: monotonic times come in as arguments. A host whose time was over without an answer is silent
until it is seen to greet again, however long that takes: a memory shorter than the time-out that
filled it would let mail wait for it again and again. Mail passes it over; only a probe asks it, one
at a time, and whoever waits for the same host hears what came of it.

A host is an address and a port, since several destinations may name it differently.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass, field

from satellite.delivery.decisions.routing import Destination

SILENT_MAX = 20_000  # hosts; beyond it the one that is silent for longest is asked anew
WAITING_MAX = 10_000  # destinations that are told of one host's return; others ask for themselves

HostAddress = tuple[str, int]


@dataclass(slots=True)
class _SilentHost:
    asked_s: float  # when it was asked last
    next_s: float  # when it may be asked again
    is_being_asked: bool = False
    is_wanted: bool = False  # mail has passed it over since it was asked, and went elsewhere
    waiting: dict[Destination, None] = field(default_factory=dict)


class SilentHosts:
    """The hosts that do not answer."""

    def __init__(self) -> None:
        self._hosts: dict[HostAddress, _SilentHost] = {}
        self._due: list[tuple[float, HostAddress]] = []  # of those that are wanted

    def __contains__(self, host: HostAddress) -> bool:
        return host in self._hosts

    def asked_s(self, host: HostAddress) -> float:
        """Return when a silent host was asked last."""
        return self._hosts[host].asked_s

    def next_s(self, host: HostAddress) -> float:
        """Return when a silent host may be asked again."""
        return self._hosts[host].next_s

    def may_be_asked(self, host: HostAddress, *, now_s: float) -> bool:
        """Say whether a probe may ask a host: nobody does now, nor has a moment ago."""
        silent = self._hosts.get(host)
        return silent is None or (not silent.is_being_asked and silent.next_s <= now_s)

    def asking(self, host: HostAddress) -> None:
        """Take note that a probe asks a host now; ``asked`` ends it."""
        silent = self._hosts.get(host)
        if silent is not None:
            silent.is_being_asked = True

    def asked(self, host: HostAddress) -> None:
        """Take note that a probe does not ask a host any more, whatever came of it."""
        silent = self._hosts.get(host)
        if silent is not None:
            silent.is_being_asked = False

    def fell_silent(self, host: HostAddress, *, asked_s: float, next_s: float) -> None:
        """Take note that a host gave no answer in its time."""
        silent = self._hosts.get(host)
        if silent is None:
            if len(self._hosts) >= SILENT_MAX:
                del self._hosts[next(iter(self._hosts))]
            self._hosts[host] = _SilentHost(asked_s, next_s)
            return
        silent.asked_s, silent.next_s = asked_s, next_s
        if silent.is_wanted:
            silent.is_wanted = False  # until mail passes it over again

    def passed_over(self, host: HostAddress, destination: Destination, *, now_s: float) -> None:
        """Take note that mail would have gone to a silent host, and goes elsewhere."""
        silent = self._hosts[host]
        self._waits(silent, destination)
        if not silent.is_wanted:
            silent.is_wanted = True
            heapq.heappush(self._due, (max(silent.next_s, now_s), host))

    def waits(self, host: HostAddress, destination: Destination) -> None:
        """Take note that a destination on hold wants to know when a silent host greets."""
        silent = self._hosts.get(host)
        if silent is not None:
            self._waits(silent, destination)

    def answered(self, host: HostAddress) -> Collection[Destination]:
        """Forget a host's silence; return the destinations that waited for its end."""
        silent = self._hosts.pop(host, None)
        return silent.waiting if silent is not None else ()

    def due(self, now_s: float) -> HostAddress | None:
        """Return a host that mail passes over and that may be asked now, or None; each once."""
        while self._due and self._due[0][0] <= now_s:
            _, host = heapq.heappop(self._due)
            silent = self._hosts.get(host)
            if silent is None or not silent.is_wanted:
                continue
            if silent.is_being_asked:
                silent.is_wanted = False  # what comes of it holds for this, too
            elif silent.next_s > now_s:  # a probe has asked it since
                heapq.heappush(self._due, (silent.next_s, host))
            else:
                return host
        return None

    def next_due_s(self) -> float | None:
        """Return when a host that mail passes over may be asked, or None."""
        return self._due[0][0] if self._due else None

    def __len__(self) -> int:
        return len(self._hosts)

    def _waits(self, silent: _SilentHost, destination: Destination) -> None:
        if len(silent.waiting) < WAITING_MAX:
            silent.waiting[destination] = None
