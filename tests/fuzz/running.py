"""Does an input break a parser, and what is the least of it that does?

Touches the clock of its own thread: what a parser works is counted, not how busy the machine is.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.fuzz.mutation import input_of
from tests.fuzz.target import Target
from tests.support.work import work_s

WORK_S_MAX = 2.0  # for one input of 64 KiB; what is linear takes some milliseconds
TRIES_MAX = 2_000  # to make an input smaller


class TooMuchWork(AssertionError):
    """An input took a parser longer than anything linear does."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that broke a claim.

    Args:
        octets: the input.
        kind: the error's type and where it was raised; the same for inputs that fail alike.
        text: the error with its traceback.
    """

    octets: bytes
    kind: str
    text: str


def failure_of(run: Callable[[bytes], None], octets: bytes) -> Failure | None:
    """Return how an input fails, or None when all claims hold."""
    try:
        taken_s = work_s(lambda: run(octets))
        if taken_s > WORK_S_MAX:
            raise TooMuchWork(f"{taken_s:.1f} s of work for {len(octets)} octets")
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} in {last.name}"
        return Failure(octets, kind, "".join(traceback.format_exception(error)))
    return None


def failures(target: Target, *, inputs: int, seed: int) -> Iterator[tuple[int, Failure]]:
    """Yield the number of each input that fails in a way that is not known, and how."""
    corpus = target.seeds()
    for number in range(inputs):
        octets = input_of(number, seed=seed, corpus=corpus, dictionary=target.words)
        failure = failure_of(target.run, octets)
        if failure is not None and not any(one in failure.text for one in target.known_errors):
            yield number, failure


def minimised(run: Callable[[bytes], None], failure: Failure) -> Failure:
    """Return a small input that fails in the same way: pieces are left out while it does."""
    best, tries = failure, 0
    size = max(1, len(best.octets) // 2)
    while size and tries < TRIES_MAX:
        start, shrunk = 0, False
        while start < len(best.octets) and tries < TRIES_MAX:
            tries += 1
            found = failure_of(run, best.octets[:start] + best.octets[start + size :])
            if found is not None and found.kind == best.kind:
                best, shrunk = found, True
            else:
                start += size
        size = size if shrunk and size > 1 else size // 2
    return best
