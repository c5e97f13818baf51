"""The commands for customers that are away, against a core that listens."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
import typer

from cli import applied
from common.reports import HoldReport
from tests.support.cli.shell import Shell
from tests.support.core.face import Face
from tests.support.core.rooms import START_US, route

HOSTILE = "gone \x1b[2J\x9b31m\u202e\r\n[red]x[/red]"
ACME = "acme.example"
BOUNCE = ("hold", "bounce", ACME)


def hold(destination: str = ACME, **more: Any) -> HoldReport:
    values: dict[str, Any] = {
        "customer": "acme",
        "destination": destination,
        "since_us": START_US,
        "reason": "connection refused",
        "messages": 3,
        "bytes": 5 << 20,
        "oldest_us": START_US,
        "expires_us": START_US + 1,
    }
    return HoldReport(**(values | more))


async def fill(core: Face, *, applied_at_lon1: int = 99, **more: Any) -> None:
    """Let both sites hold mail for acme, and one for beta."""
    await core.database.preferences.publish([route(), route("beta.example", "beta")], who="test")
    both = (hold(**more), hold("beta.example", customer="beta"))
    core.hear("lon1", revision=applied_at_lon1, holds=both)
    core.hear("par1", revision=99, holds=(hold(messages=1, reason="timed out", bytes=9),))


async def test_holds_are_listed_for_each_site_one_on_a_line(core: Face, shell: Shell) -> None:
    await fill(core)

    lines = (await shell("hold", "list", "--json")).lines

    assert [(one["destination"], one["site"], one["messages"]) for one in lines] == [
        (ACME, "london", 3),
        (ACME, "paris", 1),
        ("beta.example", "london", 3),
    ]
    assert {"customer", "node", "since", "why", "bytes", "oldest", "expires"} <= lines[0].keys()
    (one,) = (await shell("hold", "list", "beta.example", "--json")).lines
    assert one["customer"] == "beta"


async def test_people_see_a_destination_once_with_its_sites_and_what_was_ordered(
    core: Face, shell: Shell
) -> None:
    await fill(core)
    await shell("hold", "extend", ACME, "--days", "14", "--reason", "moved house", "--no-wait")
    await shell("hold", "redirect", ACME, "--to", "b.example:26", "--to", "c.example", "--no-wait")

    out = (await shell("hold", "list")).out

    assert out.count("acme.example of acme is away") == 1
    assert "lon1: connection refused; par1: timed out" in out
    assert (
        "ordered: held for 14 days in all; delivered to b.example:26, c.example (moved house)"
        in out
    )
    rows = [line.split() for line in out.splitlines() if re.match(r"  (london|paris)", line)]
    assert [row[:2] for row in rows] == [["london", "lon1"], ["paris", "par1"], ["london", "lon1"]]
    assert "2026-01-01 00:00" in out
    assert "5.0 MiB" in out


@pytest.mark.parametrize("columns", ["80", ""])
async def test_nothing_is_cut_off_and_nothing_obeys_what_a_node_says(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    await fill(core, reason=HOSTILE, messages=123_456, bytes=987_654_321)
    await shell("hold", "extend", ACME, "--days", "14", "--reason", HOSTILE, "--no-wait")
    if columns:
        monkeypatch.setenv("COLUMNS", columns)

    for command in (("hold", "list"), ("hold", "list", "--orders"), ("status",)):
        for more in ([], ["--json"]):
            said = await shell(*command, *more)
            assert said.status == 0
            assert all(line.isprintable() for line in said.out.split("\n"))
            assert "…" not in said.out
    table = [line for line in (await shell("hold", "list")).out.splitlines() if "lon1 " in line]
    assert all(len(line.rstrip()) <= 80 for line in table)
    assert "123456" in table[0]


async def test_when_nobody_is_away_people_are_told_and_programs_get_nothing(
    core: Face, shell: Shell
) -> None:
    core.hear("lon1", holds=())
    core.hear("par1", holds=())

    assert (await shell("hold", "list")).out == "nobody is away\n"
    assert (await shell("hold", "list", "--json")).out == ""


async def test_an_order_is_seen_also_when_nothing_is_held_under_it(
    core: Face, shell: Shell
) -> None:
    await fill(core)
    await shell("hold", "extend", "beta.example", "--days", "30", "--no-wait")
    core.hear("lon1", holds=())
    core.hear("par1", holds=())

    assert "beta.example  beta      held for 30 days in all" in (await shell("hold", "list")).out
    (order,) = (await shell("hold", "list", "--orders", "--json")).lines
    assert (order["domain"], order["hold_days"]) == ("beta.example", 30)


async def test_a_silent_site_is_named_since_what_it_holds_is_not_known(
    core: Face, shell: Shell
) -> None:
    core.hear("lon1", holds=())

    assert "par1 (paris) was never heard" in (await shell("hold", "list")).out


async def test_an_order_is_confirmed_with_its_revision_and_where_it_is_applied(
    core: Face, shell: Shell
) -> None:
    await fill(core)

    said = await shell("hold", "extend", ACME, "--days", "14")
    (as_json,) = (await shell("hold", "redirect", ACME, "--to", "b.example:26", "--json")).lines

    assert said.out == (
        "revision 2: acme.example: held for 14 days in all\napplied at lon1, par1\n"
    )
    assert (as_json["revision"], as_json["applied"], as_json["pending"]) == (
        3,
        ["lon1", "par1"],
        {},
    )
    assert as_json["order"]["deliver_to"] == ["b.example:26"]
    assert "nothing is ordered any more" in (await shell("hold", "clear", ACME)).out
    assert "hold list" in (await shell("hold", "clear", ACME)).check_failed()


async def test_a_site_that_does_not_apply_an_order_is_named_with_why(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(core, applied_at_lon1=1)
    monkeypatch.setattr(applied, "WAIT_S", 0.0)

    said = await shell("hold", "extend", ACME, "--days", "14")

    assert said.status == 0, "the order stands"
    assert "not yet at lon1: it has not applied it so far" in said.out
    assert "not yet at par1" not in said.out


async def test_a_site_that_refuses_this_core_has_none_of_its_changes_whatever_its_number(
    core: Face, shell: Shell
) -> None:
    await fill(core)
    core.hear("lon1", revision=99, core_refused="it lost changes")

    out = (await shell("hold", "extend", ACME, "--days", "14")).out

    assert "applied at par1" in out
    assert "not yet at lon1: it refuses this core: it lost changes" in out


async def test_nobody_waits_for_a_site_that_is_silent(core: Face, shell: Shell) -> None:
    await fill(core)
    core.services.link.fleet._shards.pop(("par1", 0))

    out = (await shell("hold", "extend", ACME, "--days", "14")).out

    assert "applied at lon1" in out
    assert "not yet at par1: it is silent, and takes it when it is back" in out


async def test_a_bounce_says_what_it_concerns_and_needs_somebody_to_agree(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(core)

    line = (await shell(*BOUNCE)).check_failed(2)

    assert "4 messages (5.0 MiB) for acme.example at london/lon1: 3, paris/par1: 1" in line
    assert "--yes" in line
    assert core.database.preferences.current.hold_order(ACME) is None

    asked: list[str] = []

    def answered(question: str, **_more: Any) -> bool:
        asked.append(question)
        if len(asked) == 1:
            raise typer.Abort
        return True

    monkeypatch.setattr(typer, "confirm", answered)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    (await shell(*BOUNCE)).check_failed()
    assert core.database.preferences.current.hold_order(ACME) is None

    assert "back to its senders" in (await shell(*BOUNCE)).out
    assert "4 messages" in asked[1]
    assert core.database.preferences.current.hold_order(ACME) is not None


async def test_a_bounce_is_of_what_was_accepted_before_a_time(core: Face, shell: Shell) -> None:
    await fill(core)

    (made,) = (await shell(*BOUNCE, "--yes", "--before", "2025-12-31T12:30", "--json")).lines
    assert made["order"]["bounce_before"] == "2025-12-31T12:30:00.000000Z"
    (now,) = (await shell(*BOUNCE, "--yes", "--json")).lines
    assert now["order"]["bounce_before"] == "2026-01-01T00:00:00.000000Z"
    later = (await shell(*BOUNCE, "--yes", "--before", "2026-01-02")).check_failed()
    assert "yet to come" in later


async def test_fewer_days_than_before_need_somebody_to_agree_too(core: Face, shell: Shell) -> None:
    await fill(core)
    extend = ("hold", "extend", ACME, "--days")
    await shell(*extend, "14", "--no-wait")

    assert "what is older than 5 would go back to the senders" in (
        await shell(*extend, "5")
    ).check_failed(2)
    assert "held for 5 days" in (await shell(*extend, "5", "--yes", "--no-wait")).out
    assert "held for 1 day in all" in (await shell(*extend, "1", "--yes", "--no-wait")).out


@pytest.mark.parametrize(
    "command",
    [
        ("extend", "nobody.example", "--days", "9"),
        ("redirect", "nobody.example", "--to", "b.example:25"),
        ("bounce", "nobody.example", "--yes"),
        ("list", "nobody.example"),
    ],
    ids=" ".join,
)
async def test_a_domain_without_a_route_is_told_so(
    core: Face, shell: Shell, command: tuple[str, ...]
) -> None:
    await fill(core)

    assert "nobody.example has no route" in (await shell("hold", *command)).check_failed()


async def test_mail_of_a_domain_that_was_unrouted_is_listed_and_can_be_sent_back(
    core: Face, shell: Shell
) -> None:
    await fill(core)
    assert (await shell("policy", "unroute", ACME, "--yes", "--no-wait")).status == 0

    assert ACME in (await shell("hold", "list", ACME)).out
    assert "back to its senders" in (await shell("hold", "bounce", ACME, "--yes", "--no-wait")).out
    assert f"{ACME} has no route" in (await shell("hold", "extend", ACME, "--days", "9")).err


@pytest.mark.parametrize(
    "command",
    [
        ("extend", ACME),
        ("extend", ACME, "--days", "0"),
        ("extend", ACME, "--days", "31"),
        ("extend", "-", "--days", "9"),
        ("redirect", ACME),
        ("redirect", ACME, "--to", "b.example:x"),
        ("redirect", ACME, "--to", "a b:25"),
        ("bounce", ACME, "--yes", "--before", "yesterday"),
        ("bounce", ACME, "--yes", "--before", "2026-13-01"),
        ("clear",),
        ("list", "a b"),
    ],
    ids=" ".join,
)
async def test_wrong_usage_is_told_in_one_line(
    core: Face, shell: Shell, command: tuple[str, ...]
) -> None:
    (await shell("hold", *command)).check_failed(2)


async def test_explain_shows_the_order_above_the_route(core: Face, shell: Shell) -> None:
    await fill(core)
    await shell("hold", "redirect", ACME, "--to", "b.example:26", "--no-wait")

    out = (await shell("policy", "explain", "x@acme.example")).out

    assert "ordered: delivered to b.example:26" in out


async def test_mail_is_not_redirected_to_a_node_of_ours(core: Face, shell: Shell) -> None:
    await fill(core)

    said = await shell("hold", "redirect", ACME, "--to", "192.0.2.10:25")

    assert said.status == 1
    assert "deliver_to 192.0.2.10 is our own node lon1: a loop" in said.err
    assert "the customer's own mail server" in said.err
    assert core.database.preferences.current.hold_order(ACME) is None
