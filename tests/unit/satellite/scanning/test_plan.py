from __future__ import annotations

from common.settings.satellite import MIB, EngineSettings
from common.verdict import Outcome
from satellite.scanning.plan import TimeBudget, plan, usual_bytes_max

SMALL = EngineSettings(name="small", kind="puppet", bytes_max=100)
ANY = EngineSettings(name="any", kind="puppet", timeout_s=10, tries=2, total_timeout_s=30)
SIXTY, TEN = TimeBudget(try_s=60), TimeBudget(try_s=10, tries=2, total_s=30)


def test_an_engine_with_a_limit_is_not_shown_larger_mail_and_says_so() -> None:
    chosen = plan([SMALL, ANY], size=101)

    assert chosen.ask == (("any", TEN),)
    assert [(v.by, v.outcome) for v in chosen.skipped] == [("small", Outcome.SKIPPED)]
    assert "101 octets are more than its 100" in chosen.skipped[0].detail


def test_mail_up_to_the_limit_is_shown_to_all_in_the_order_of_the_settings() -> None:
    chosen = plan([SMALL, ANY], size=100)

    assert chosen.ask == (("small", SIXTY), ("any", TEN))
    assert chosen.skipped == ()
    assert chosen.order == ("small", "any")


def test_a_try_has_longer_for_each_whole_mib() -> None:
    slow = EngineSettings(name="slow", kind="puppet", timeout_s=10, timeout_s_per_mib=2)

    times = [plan([slow], size=size).ask[0][1].try_s for size in (MIB - 1, MIB, 5 * MIB)]

    assert times == [10, 12, 20]
    assert usual_bytes_max([slow]) == MIB - 1


def test_mail_below_every_limit_has_one_plan() -> None:
    assert usual_bytes_max([SMALL, ANY]) == 100
    assert usual_bytes_max([ANY]) > 1 << 40
