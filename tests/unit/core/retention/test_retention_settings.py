"""Can the days be set so that something is kept without what it stands on?"""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from common.settings.core import RetentionSettings


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"records_days": 200}, "messages_days is less than records_days"),
        ({"refusals_days": 91}, "records_days is less than refusals_days"),
        ({"messages_days": 800}, "unended_days is less than messages_days"),
        ({"bodies_days": 0}, "greater than or equal to 1"),
        ({"bodies_days_by_reason": {"spam": 0}}, "greater than or equal to 1"),
        ({"audit_days": 1}, "greater than or equal to 30"),
    ],
)
def test_days_that_contradict_each_other_are_refused(
    wrong: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        RetentionSettings.model_validate(wrong)


def test_each_class_has_its_days() -> None:
    days = RetentionSettings(bodies_days_by_reason={"virus": 60, "spam": 7}).days_by_class()

    assert days["bodies"] == 60
    assert days["records"] <= days["messages"]
