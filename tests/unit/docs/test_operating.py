"""What the page for operators names is there."""

from __future__ import annotations

import re
from pathlib import Path

from cli.certificate_checks import DAYS_MIN
from common.issuing import LIFETIME_DAYS
from docs.generate import metrics
from inventory.certificates import RENEWAL_DAYS
from satellite.node.settings_in_force import change_of
from satellite.smtp.server import HAND_OVER_S
from tests.support.node.shard import settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def test_every_metric_of_the_page_is_one() -> None:
    known = {one.name for one in [*metrics.of_a_node(), *metrics.of_the_core()]}

    assert set(re.findall(r"borderscout_\w+", PAGE)) - known == set()


def test_every_event_of_the_page_is_logged() -> None:
    named = set(re.findall(r"`((?:node|core|smtp|link)\.[a-z]+(?:_[a-z_]+|ed))`", PAGE))
    sources = "".join(
        path.read_text(encoding="utf-8")
        for room in ("common", "core", "satellite")
        for path in (ROOT / room).rglob("*.py")
    )

    assert named
    assert {name for name in named if f'"{name}"' not in sources} == set()


def test_what_needs_a_restart_is_what_the_page_says() -> None:
    fresh = settings(
        node="lon2",
        state="elsewhere",
        workers=2,
        metrics="127.0.0.1:8",
        smtp={"listen": ["127.0.0.1:26"]},
    )

    names = ", ".join(f"`{name}`" for name in change_of(settings(), fresh).restart_needed)
    assert f"What the parent alone uses needs a restart: {names}." in PAGE


def test_the_days_are_those_of_the_code() -> None:
    assert f"A certificate lives {LIFETIME_DAYS} days." in PAGE
    assert f"when fewer than {RENEWAL_DAYS} are left" in PAGE
    assert f"Fewer than {RENEWAL_DAYS} are worth a note, fewer than {DAYS_MIN} are a fault" in PAGE
    assert HAND_OVER_S == 5.0, "the page says five seconds"
