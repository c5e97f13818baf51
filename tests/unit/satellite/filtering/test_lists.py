"""Which list entry decides for whom?"""

from __future__ import annotations

from common.preferences import Kind, Preferences
from common.verdict import Effect, Test
from satellite.filtering.filters.lists import Lists
from tests.support.core.preferences import document, preferences, route
from tests.support.scanning.filtering import NOW_US, mail


async def found(
    prefs: Preferences, *recipients: str, sender: str = "a@s.example"
) -> tuple[Test, ...]:
    (verdict,) = await Lists().examine(
        mail(prefs, recipients=recipients or ("x@acme.example",), sender=sender)
    )
    return verdict.tests


async def test_an_entry_of_the_cluster_is_said_once_for_all() -> None:
    prefs = preferences(document(Kind.LIST, "black/cluster/.s.example", reason="sends junk"))

    (test,) = await found(prefs, "x@acme.example", "y@acme.example")

    assert (test.name, test.recipient, test.effect) == ("LIST_BLACK", None, Effect.BLOCK)
    assert test.detail == "black cluster .s.example: sends junk"


async def test_an_entry_of_one_recipient_is_that_ones_alone() -> None:
    prefs = preferences(document(Kind.LIST, "white/recipient/X@acme.example/s.example"))

    (test,) = await found(prefs, "X@acme.example", "y@acme.example")

    assert (test.name, test.recipient, test.effect) == (
        "LIST_WHITE",
        "x@acme.example",
        Effect.ALLOW,
    )


async def test_the_nearer_scope_decides_for_its_own() -> None:
    prefs = preferences(
        route(),
        document(Kind.LIST, "white/cluster/s.example"),
        document(Kind.LIST, "black/customer/acme/a@s.example"),
    )

    tests = await found(prefs, "x@acme.example", "z@other.example")

    assert {test.recipient: test.name for test in tests} == {
        "x@acme.example": "LIST_BLACK",
        "z@other.example": "LIST_WHITE",
    }


async def test_two_spellings_of_one_recipient_get_one_test() -> None:
    prefs = preferences(
        route(), document(Kind.LIST, "black/recipient/strasse@acme.example/s.example")
    )

    tests = await found(prefs, "straße@acme.example", "strasse@acme.example", "y@acme.example")

    assert [test.recipient for test in tests] == ["strasse@acme.example"]


async def test_an_entry_that_has_ended_does_not_count() -> None:
    prefs = preferences(document(Kind.LIST, "black/cluster/s.example", until_us=NOW_US))

    assert await found(prefs) == ()


async def test_a_reason_cannot_break_a_line() -> None:
    prefs = preferences(document(Kind.LIST, "black/cluster/s.example", reason="a\r\nb\x1b[2J"))

    (test,) = await found(prefs)

    assert test.detail.isprintable()
