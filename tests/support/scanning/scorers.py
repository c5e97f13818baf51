"""How does a test make a filter that asks another program, and mail for it?

Pure.
"""

from __future__ import annotations

from typing import Any

from common.kinds import Group, factory_of
from common.preferences import Kind, Preferences
from common.settings.satellite import FilterSettings
from satellite.filtering.filter import Filter, Mail
from satellite.filtering.inside import GivenInside
from tests.support.core.preferences import document, preferences
from tests.support.scanning.filtering import context, mail

BUDGET_S = 9.0  # a server on loopback answers in milliseconds; a busy machine takes its time
SHORT_S = 0.02  # for one that never does


def scorer(
    kind: str, address: str, *, timeout_s: float = BUDGET_S, clock: Any = None, **options: Any
) -> Filter:
    """Return a filter of a kind, by its name, as the settings make it."""
    settings = FilterSettings(
        name=kind, kind=kind, address=address, timeout_s=timeout_s, options=options
    )
    made = factory_of(Group.FILTERS, kind)(settings, context(clock=clock))
    assert isinstance(made.name, str)
    return made  # type: ignore[no-any-return]


def weighed(kind: str, **options: Any) -> Preferences:
    """Return preferences with the document of such a filter."""
    return preferences(document(Kind.FILTER, kind, kind=kind, options=options))


def letter(
    preferences: Preferences,
    data: bytes = b"Subject: hello\r\n\r\nWell then.\r\n",
    **more: Any,
) -> Mail:
    """Return a message with a body."""
    return mail(
        preferences,
        header=data.partition(b"\r\n\r\n")[0] + b"\r\n",
        **more,
        inside=GivenInside(data=data),
    )
