"""How is a name looked up once for all who ask at the same time, and not again for a while?

Touches DNS through the resolver that it is given. Of many messages that come from one client, or
hold one URL, one asks and the others wait for what it hears; whoever stops waiting ends nothing for
the others.
"""

from __future__ import annotations

import asyncio
from functools import partial

from common.clock import Clock
from satellite.filtering.answers import Answers
from satellite.filtering.resolver import DnsAnswer, NoDnsAnswer, Resolver


class SharedLookups:
    """A memory of answers in front of a resolver.

    Args:
        resolver: is asked.
        clock: the time.
        lookup_s: seconds for one lookup, whoever waits for it.
    """

    def __init__(self, resolver: Resolver, clock: Clock, *, lookup_s: float) -> None:
        self._resolver = resolver
        self._clock = clock
        self._lookup_s = lookup_s
        self._answers = Answers()
        self._asking: dict[str, asyncio.Task[DnsAnswer]] = {}

    def known(self, name: str) -> DnsAnswer | None:
        """Return what was answered a while ago and may still be believed."""
        return self._answers.get(name, now_s=self._clock.monotonic_s())

    async def addresses(self, name: str, *, timeout_s: float) -> DnsAnswer:
        """Return the IPv4 addresses of an absolute name.

        Raises:
            NoDnsAnswer: within ``timeout_s`` seconds nothing was said that can be used.
        """
        known = self.known(name)
        if known is not None:
            return known
        task = self._asking.get(name)
        if task is None:
            task = asyncio.create_task(self._ask(name), name=f"dns {name}")
            self._asking[name] = task
            task.add_done_callback(partial(self._forget, name))
        await asyncio.wait([task], timeout=max(timeout_s, 0.0))
        if not task.done() or task.cancelled():
            raise NoDnsAnswer(f"no answer for {name} in time", hint="check the node's resolver")
        return task.result()

    async def fresh(self, name: str) -> DnsAnswer:
        """Return the same, asked now.

        Raises:
            NoDnsAnswer: nothing was said that can be used.
        """
        try:
            async with asyncio.timeout(self._lookup_s):
                return await self._resolver.addresses(name, timeout_s=self._lookup_s)
        except TimeoutError:
            raise NoDnsAnswer(f"no answer for {name} in time", hint="") from None

    async def close(self) -> None:
        """Ask no more."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, name: str) -> DnsAnswer:
        answer = await self.fresh(name)
        self._answers.keep(name, answer, now_s=self._clock.monotonic_s())
        return answer

    def _forget(self, name: str, task: asyncio.Task[DnsAnswer]) -> None:
        self._asking.pop(name, None)
        if not task.cancelled():
            task.exception()  # seen here, also when nobody waits for it any more
