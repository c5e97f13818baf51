"""Does `status` say what the core keeps, and when it swept?"""

from __future__ import annotations

from cli.status import retention_lines


def test_what_is_kept_is_two_lines() -> None:
    one = {"oldest": "2026-11-01T00:00:00Z", "gone": 3}
    report = {
        "last": "2026-11-29T20:00:00.000000Z",
        "next": "2026-11-29T21:00:00.000000Z",
        "database_bytes": 3 * 1024 * 1024,
        "unused_bytes": 0,
        "classes": [
            {"name": "records", "rows": 1200, "days": 90, **one},
            {"name": "look_counts", "rows": 7, "days": 400, **one},
            {"name": "arriving", "rows": 0, "days": 14, **one},
        ],
    }

    kept, swept = retention_lines(report)

    assert kept == "kept, about: records 1200 of 90 days, look counts 7 of 400 days"
    assert "3.0 MiB" in swept
    assert "20:00" in swept
    assert "21:00" in swept


def test_a_core_that_has_not_swept_and_one_before_this_say_nothing() -> None:
    assert retention_lines({}) == []
    assert retention_lines({"last": None, "classes": []}) == []
