"""Is a message reported as spam only when nobody but traps gets it?"""

from __future__ import annotations

import pytest

from satellite.filtering.servers.spam_traps import is_for_traps

TRAPS = "Trap@acme.example, other@acme.example"


@pytest.mark.parametrize(
    ("recipients", "is_spam"),
    [
        (("trap@ACME.example",), True),
        (("trap@acme.example", "other@acme.example"), True),
        (("trap@acme.example", "x@acme.example"), False),
        (("x@acme.example",), False),
        ((), False),
    ],
)
def test_all_recipients_must_be_traps(recipients: tuple[str, ...], is_spam: bool) -> None:
    assert is_for_traps(recipients, TRAPS) is is_spam
    assert not is_for_traps(recipients, "")
