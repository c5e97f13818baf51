"""Do reports count what they say?"""

from __future__ import annotations

from core.records.reports import Counted, ReportGroup, grouped


def _counted(key: str | int, state: str, recipients: int, origin: str = "smtp") -> Counted:
    return Counted(key=key, state=state, origin=origin, recipients=recipients)


def test_what_was_accepted_is_what_ended_and_what_is_on_its_way() -> None:
    groups, totals = grouped(
        [
            _counted("lon1", "delivered", 5),
            _counted("lon2", "quarantined", 2),
            _counted("par1", "held", 1),
        ],
        ReportGroup.SITE,
        sites={"lon1": "london", "lon2": "london", "par1": "paris"},
        limit=10,
    )

    assert {name: tally.accepted for name, tally in groups.items()} == {"london": 7, "paris": 1}
    assert groups["paris"].in_progress == 1
    told = totals.as_json()
    assert told["accepted"] == told["delivered"] + told["quarantined"] + told["in_progress"] == 8


def test_released_copies_and_notices_are_not_accepted_mail() -> None:
    _, totals = grouped(
        [_counted("a", "delivered", 1, "release"), _counted("a", "delivered", 1, "bounce")],
        ReportGroup.CUSTOMER,
        sites={},
        limit=10,
    )

    assert (totals.accepted, totals.released, totals.outcomes["delivered"]) == (0, 1, 0)


def test_days_are_named_and_the_newest_comes_first() -> None:
    groups, _ = grouped(
        [_counted(20_454, "delivered", 1), _counted(20_455, "delivered", 1)],
        ReportGroup.DAY,
        sites={},
        limit=1,
    )

    assert list(groups) == ["2026-01-02"]


def test_totals_count_groups_that_are_not_shown() -> None:
    groups, totals = grouped(
        [_counted(f"{n}.example", "dropped", n) for n in (1, 2, 3)],
        ReportGroup.DOMAIN,
        sites={},
        limit=2,
    )

    assert list(groups) == ["3.example", "2.example"]
    assert totals.accepted == 6
