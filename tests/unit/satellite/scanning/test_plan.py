from __future__ import annotations

from common.verdict import Outcome
from satellite.scanning.plan import EngineCandidate, plan

SMALL = EngineCandidate(name="small", bytes_max=100, timeout_s=60)
ANY = EngineCandidate(name="any", bytes_max=0, timeout_s=10)


def test_an_engine_with_a_limit_is_not_shown_larger_mail_and_says_so() -> None:
    chosen = plan([SMALL, ANY], size=101, total_s=300)

    assert chosen.ask == (("any", 10),)
    assert [(v.by, v.outcome) for v in chosen.skipped] == [("small", Outcome.SKIPPED)]
    assert "101 octets are more than its 100" in chosen.skipped[0].detail


def test_mail_up_to_the_limit_is_shown_to_all_in_the_order_of_the_settings() -> None:
    chosen = plan([SMALL, ANY], size=100, total_s=300)

    assert chosen.ask == (("small", 60), ("any", 10))
    assert chosen.skipped == ()
    assert chosen.order == ("small", "any")


def test_no_engine_has_longer_than_all_together() -> None:
    assert plan([SMALL, ANY], size=1, total_s=20).ask == (("small", 20), ("any", 10))
