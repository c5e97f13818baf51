"""How many points do the operators give a filter's test, instead of its own?

Pure. A weight names one test, or all whose names begin alike (``RSPAMD_*``). The nearest scope that
says anything of a test decides; inside it the whole name comes before a beginning, and the longer
beginning before the shorter one. A weight sets points, or multiplies those of the test. What failed
has no points to weigh, and gets none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from common.preferences.bodies import WeightBody
from common.preferences.scopes import Scope
from common.verdict import Effect, Test, points

POINTS_MAX = 1_000.0  # of one test after a factor; what a filter may give at the most
_PATTERN = re.compile(r"[A-Z0-9_]{1,96}|[A-Z0-9_]{3,95}\*")


def weight_key(scope: Scope, test: str) -> str:
    """Return the key of a weight: SCOPE/TEST.

    Args:
        scope: for whom it holds.
        test: a test's name, or a beginning of names of at least three characters and ``*``.

    Raises:
        ValueError: it is no name of tests; says what would be.
    """
    if not _PATTERN.fullmatch(test):
        raise ValueError(
            f"{test[:80]!r} names no test; write its name as the header shows it (capital letters,"
            " digits and _), or at least three characters of the beginning and *"
        )
    return f"{scope}/{test}"


def split_weight_key(key: str) -> tuple[Scope, str]:
    """Return scope and test of such a key; a scope may hold a slash, a test's name does not.

    Raises:
        AddressError, ValueError: it is no such key.
    """
    scope, slash, test = key.rpartition("/")
    if not slash:
        raise ValueError("a weight's key is SCOPE/TEST")
    return Scope.parse(scope), test


class ScopeWeights:
    """The weights of one scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self._whole: dict[str, WeightBody] = {}
        self._beginnings: dict[str, WeightBody] = {}

    def add(self, test: str, body: WeightBody) -> None:
        """Take one in."""
        if test.endswith("*"):
            self._beginnings[test[:-1]] = body
        else:
            self._whole[test] = body

    def entries(self) -> Iterator[tuple[str, WeightBody]]:
        """Yield the tests' names and beginnings with what is said of them, sorted."""
        beginnings = {f"{start}*": body for start, body in self._beginnings.items()}
        yield from sorted((self._whole | beginnings).items(), key=lambda entry: entry[0])

    def of(self, test: str) -> WeightBody | None:
        """Return what is said of a test."""
        found = self._whole.get(test)
        if found is not None or not self._beginnings:
            return found
        fitting = [start for start in self._beginnings if test.startswith(start)]
        return self._beginnings[max(fitting, key=len)] if fitting else None


class Weights:
    """The weights that hold for one recipient.

    Args:
        scopes: those that say anything, the nearest first.
    """

    def __init__(self, scopes: Sequence[ScopeWeights] = ()) -> None:
        self._scopes = tuple(scopes)

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def entries(self) -> Iterator[tuple[str, str, WeightBody]]:
        """Yield scope, test and what is said of it, of the widest scope first."""
        for scope in reversed(self._scopes):
            for test, body in scope.entries():
                yield scope.scope, test, body

    def weighed(self, test: Test) -> Test:
        """Return a test with the points that count, and in its detail who said so."""
        counted = self.said_of(test)
        if counted is None:
            return test
        scope, score = counted
        said = f"weight of {scope}: {points(score)} instead of {points(test.score)}"
        return replace(test, score=score, detail=f"{test.detail}; {said}" if test.detail else said)

    def said_of(self, test: Test) -> tuple[str, float] | None:
        """Return which scope gives a test points, and how many; None: its own count."""
        if test.effect in (Effect.ALLOW, Effect.BLOCK):
            return None  # a list's word, which is not about points
        for scope in self._scopes:
            body = scope.of(test.name)
            if body is not None:
                return scope.scope, _points(body, test.score)
        return None


def _points(body: WeightBody, score: float) -> float:
    if body.score is not None:
        return body.score
    assert body.factor is not None
    return max(-POINTS_MAX, min(POINTS_MAX, score * body.factor))


NO_WEIGHTS = Weights()


class AllWeights:
    """All weights of one revision.

    Args:
        entries: the key and the body of each document.
    """

    def __init__(self, entries: Iterable[tuple[str, WeightBody]] = ()) -> None:
        self._scopes: dict[str, ScopeWeights] = {}
        self._known: dict[tuple[str, ...], Weights] = {}  # the same scopes speak for most
        for key, body in entries:
            scope, test = split_weight_key(key)
            self._scopes.setdefault(str(scope), ScopeWeights(str(scope))).add(test, body)

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def of(self, scopes: Iterable[Scope]) -> Weights:
        """Return those for who stands in these scopes, the widest first."""
        saying = tuple([name for name in map(str, scopes) if name in self._scopes])
        found = self._known.get(saying)
        if found is None:
            found = Weights([self._scopes[name] for name in reversed(saying)])
            self._known[saying] = found
        return found
