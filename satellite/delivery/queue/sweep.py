"""How is something done with all messages of very many destinations, while others go on?

Pure. An operator lets all be tried now, or other preferences apply: that may be about a million
messages, of one destination or of ten thousand. It is done in the order in which it was asked for,
a bounded part at a time, and mail has its turns between two parts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from satellite.delivery.decisions.routing import Destination
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.queue.lane import Lane

STEPS_AT_ONCE = 1000  # messages; some five milliseconds
LANE_STEPS = 20  # looking at a destination costs as much as that many messages


class Sweep:
    """What is to be done with the messages of destinations.

    Args:
        lanes: of all destinations.
        terms: gives what the preferences say of a destination now.
        changed: told of each lane that may have something to take.
    """

    def __init__(
        self,
        lanes: Mapping[Destination, Lane],
        terms: Callable[[Destination], Terms],
        *,
        changed: Callable[[Lane], None],
    ) -> None:
        self._lanes = lanes
        self._terms = terms
        self._changed = changed
        self._to_flush: dict[Destination, None] = {}  # each once, however often it is asked for
        self._to_review: deque[Destination] = deque()
        self._steps: Iterator[None] | None = None  # of what has begun

    def flush(self, destinations: Iterable[Destination]) -> None:
        """Make everything due for destinations, and probe at once."""
        self._to_flush.update(dict.fromkeys(destinations))

    def review(self, destinations: Iterable[Destination]) -> None:
        """Bring destinations under the preferences as they are now; all earlier ones are over."""
        self._to_review = deque(destinations)

    def some(self) -> bool:
        """Do a part of it; return whether there is more."""
        if self._steps is None and not (self._to_review or self._to_flush):
            return False  # most of the time
        self._steps = self._steps or self._all()
        for _ in range(STEPS_AT_ONCE):
            if next(self._steps, False) is False:
                self._steps = None
                return False
        return True

    def _all(self) -> Iterator[None]:
        while self._to_review or self._to_flush:
            # Other preferences first: what is due goes where they say.
            if self._to_review:
                lane = self._lanes.get(self._to_review.popleft())
                yield from self._reviewed(lane) if lane is not None else ()
            else:
                destination = next(iter(self._to_flush))
                del self._to_flush[destination]
                lane = self._lanes.get(destination)
                yield from self._done(lane, lane.flush()) if lane is not None else ()

    def _reviewed(self, lane: Lane) -> Iterator[None]:
        terms = self._terms(lane.destination)
        if terms == lane.terms:
            yield from [None] * LANE_STEPS
        else:
            yield from self._done(lane, lane.review(terms))

    def _done(self, lane: Lane, steps: Iterator[None]) -> Iterator[None]:
        yield from steps
        self._changed(lane)
        yield from [None] * LANE_STEPS
