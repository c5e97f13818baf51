"""A worker has the settings that its parent read, and what only a restart changes is named."""

from __future__ import annotations

import os

from satellite.node.settings_in_force import borrowed, change_of, lent
from tests.support.node.shard import settings


def test_a_worker_reads_what_its_parent_has() -> None:
    ours = settings(
        engines=[{"name": "yara", "kind": "yara", "options": {"rules": ["a", 1, {"b": None}]}}],
        limits={"held_share_max": 0.25},
    )

    with lent(ours) as descriptor:
        read = [borrowed(os.dup(descriptor)) for _ in range(2)]  # by two workers

    assert read == [ours, ours]


def test_what_workers_use_is_in_force_at_once() -> None:
    fresh = settings(hostname="b.example", smtp={"listen": ["127.0.0.1:25"], "errors_max": 3})

    change = change_of(settings(), fresh)

    assert change.settings == fresh
    assert change.restart_needed == ()


def test_what_the_parent_alone_uses_stays_as_it_was_and_is_named() -> None:
    running = settings()
    fresh = settings(
        node="lon2",
        state="elsewhere",
        workers=4,
        metrics="127.0.0.1:8",
        smtp={"listen": ["127.0.0.1:26"], "errors_max": 3},
    )

    change = change_of(running, fresh)

    assert change.restart_needed == ("node", "state", "workers", "metrics", "smtp.listen")
    assert change.settings == settings(smtp={"listen": ["127.0.0.1:25"], "errors_max": 3})
