"""Which weights of tests were in force at an earlier revision?

Pure. The weights of today, and what changed since, the newest first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from common.preferences import Kind, Preferences
from common.preferences.bodies import WeightBody
from common.preferences.documents import parse_body
from common.preferences.weights import AllWeights


def weights_at(
    revisions: Collection[int],
    current: Preferences,
    changes: Iterable[tuple[int, str, bytes | None]],
) -> Mapping[int, AllWeights]:
    """Return the weights of each revision; one that is not of these preferences is left out.

    Args:
        revisions: those that are asked for.
        current: what is in force.
        changes: those to weights after the oldest of the revisions, the newest first: revision,
            key, and the body until then; None: there was none.
    """
    bodies = {each.key: each.body for each in current.documents(Kind.WEIGHT)}
    coming = iter(changes)
    change = next(coming, None)
    found: dict[int, AllWeights] = {}
    made = AllWeights(_read(bodies))
    for revision in sorted(set(revisions), reverse=True):
        if not 0 < revision <= current.position.revision:
            continue
        is_changed = False
        while change is not None and change[0] > revision:
            is_changed = True
            _, key, before = change
            if before is None:
                bodies.pop(key, None)
            else:
                bodies[key] = before
            change = next(coming, None)
        if is_changed:
            made = AllWeights(_read(bodies))
        found[revision] = made
    return found


def _read(bodies: Mapping[str, bytes]) -> Iterable[tuple[str, WeightBody]]:
    for key, octets in bodies.items():
        body = parse_body(Kind.WEIGHT, octets)
        assert isinstance(body, WeightBody)
        yield key, body
