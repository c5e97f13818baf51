"""A matcher may end in any thread: garbage is collected by whoever comes to it."""

from __future__ import annotations

import gc
import sys
import threading

import pytest

from satellite.scanning.matching import Matcher

RULE = ("one", 'rule one { strings: $a = "a" condition: $a }')


def test_a_matcher_that_ends_in_another_thread_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: heard.append(error.exc_value))
    matcher = Matcher([RULE])
    matcher.marks_in(b"")
    cycle: list[object] = [matcher]
    cycle.append(cycle)

    del cycle, matcher
    collecting = threading.Thread(target=gc.collect)
    collecting.start()
    collecting.join()
    Matcher([RULE])

    assert heard == []
