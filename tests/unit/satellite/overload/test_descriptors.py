"""A worker has as many connections as it has descriptors for, and never none."""

from __future__ import annotations

import resource

import pytest

from satellite.overload.descriptors import LIMIT_MAX, RESERVED, raise_limit, within
from tests.support.node.shard import settings


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [(1 << 20, 1000), (1500 + RESERVED, 1000), (RESERVED + 30, 20), (RESERVED, 1), (3, 1)],
)
def test_connections_are_bounded_by_what_is_left_beside_the_rest(
    descriptors: int, connections: int
) -> None:
    found = within(settings(), descriptors=descriptors)

    assert found.smtp.connections_max == connections
    assert found.model_copy(update={"smtp": settings().smtp}) == settings()


@pytest.mark.parametrize(
    ("hard", "expected"), [(4096, 4096), (resource.RLIM_INFINITY, LIMIT_MAX), (1 << 30, LIMIT_MAX)]
)
def test_the_soft_limit_goes_as_far_as_the_hard_one(
    monkeypatch: pytest.MonkeyPatch, hard: int, expected: int
) -> None:
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: taken.append(limits))

    assert raise_limit() == expected
    assert taken == [(expected, hard)]
