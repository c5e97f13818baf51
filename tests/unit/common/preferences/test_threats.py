"""Which entry speaks for a threat that an engine named?"""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.preferences.bodies import ThreatBody
from common.preferences.threats import NamedThreats, _fits, split_threat_key, threat_key

NOW_US = 1_000


def spam(score: float = 1.0, until_us: int = 0) -> ThreatBody:
    return ThreatBody(action="spam", score=score, until_us=until_us)


def of(threat: str, *keys: str) -> str:
    said = NamedThreats((key, spam()) for key in keys).of("clamav", threat, now_us=NOW_US)
    return said[0] if said is not None else ""


@pytest.mark.parametrize(
    ("keys", "speaks"),
    [
        (("*/Win.Test", "clamav/Win.*"), "clamav/Win.*"),  # the engine's own first
        (("clamav/Win.*", "clamav/Win.Test"), "clamav/Win.Test"),  # then the whole name
        (("clamav/Win.*", "clamav/Win.T*"), "clamav/Win.T*"),  # then the longer pattern
        (("nod32/Win.Test", "*/Win.Test"), "*/Win.Test"),
        (("nod32/Win.Test",), ""),
        (("*/win.test",), ""),  # as the engine writes it
        (("*/Win",), ""),  # the whole name, and no part of it
        (("*/*Test", "*/*est"), "*/*Test"),
    ],
)
def test_the_nearest_entry_speaks(keys: tuple[str, ...], speaks: str) -> None:
    assert of("Win.Test", *keys) == speaks


def test_an_entry_that_has_ended_says_nothing_and_the_next_one_speaks() -> None:
    entries = [("clamav/Win.Test", spam(until_us=NOW_US)), ("*/Win.*", spam(until_us=NOW_US + 1))]

    said = NamedThreats(entries).of("clamav", "Win.Test", now_us=NOW_US)

    assert said is not None
    assert said[0] == "*/Win.*"


def test_without_entries_nothing_is_looked_for() -> None:
    assert NamedThreats().is_empty
    assert not NamedThreats([("*/Win.*", spam())]).is_empty


@given(st.text("ab*", min_size=1, max_size=8), st.text("ab", max_size=8))
def test_a_star_stands_for_any_characters(pattern: str, name: str) -> None:
    if "*" in pattern:
        expected = re.fullmatch(fnmatch.translate(pattern), name) is not None
        assert _fits(pattern, name) is expected


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        *((name, "Win.Test") for name in ("", "a/b", "a b", "x" * 65)),
        *(("*", name) for name in ("", "*", "*ab*", "...", "Win\nTest", "Wïn.Test", "x" * 257)),
    ],
)
def test_what_cannot_be_a_threats_name_or_would_match_nearly_all_is_refused(
    engine: str, name: str
) -> None:
    with pytest.raises(ValueError):
        threat_key(engine, name)


def test_a_threats_name_may_hold_slashes() -> None:
    assert split_threat_key(threat_key("nod32", "JS/Agent.A/x")) == ("nod32", "JS/Agent.A/x")
    with pytest.raises(ValueError, match="ENGINE/NAME"):
        split_threat_key("nod32")
