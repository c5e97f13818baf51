"""The commands that talk to the core: what they show, their JSON, and how they fail."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import typer

from common.reports import DefinitionsReport, DefinitionsState
from tests.support.cli.shell import Said, Shell
from tests.support.core.face import Face
from tests.support.core.rooms import (
    START_US,
    accepted,
    document,
    ended,
    identity,
    made_id,
    record,
    route,
)

HOSTILE = "Hi \x1b[2J\x9b31m\u202e\r\n[red]x[/red] :smile:"
ONE, TWO = made_id(1), made_id(2)

COMMANDS = (
    ("status",),
    ("track", "acme.example"),
    ("policy", "show"),
    ("policy", "show", "cluster"),
    ("policy", "show", "--kind", "list"),
    ("policy", "set", "cluster", "virus=drop"),
    ("policy", "history"),
    ("policy", "rollback", "1"),
    ("policy", "explain", "x@acme.example"),
    ("policy", "unroute", "acme.example", "--yes", "--no-wait"),
    ("list", "add", "black", "cluster", "a.example"),
    ("list", "remove", "black", "cluster", "a.example"),
    ("list", "show", "black"),
    ("list", "search", "b.ex"),
    ("list", "explain", "x@acme.example", "--sender", "a@b.example"),
    ("threat", "add", "spam", "Sane.Phish.*"),
    ("threat", "remove", "Old.Mistake"),
    ("threat", "list"),
    ("weight", "set", "cluster", "RULE_X", "2"),
    ("weight", "remove", "cluster", "RULE_OLD"),
    ("weight", "list"),
    ("quarantine", "list"),
    ("quarantine", "show", ONE),
    ("quarantine", "release", ONE),
    ("quarantine", "delete", TWO, "--yes"),
    ("report", "summary"),
    ("report", "engines"),
    ("report", "engines", "--by", "site"),
    ("report", "late"),
    ("report", "lost"),
    ("report", "lost", "--seen", "lon1/0"),
    ("hold", "list"),
    ("hold", "extend", "acme.example", "--days", "9", "--no-wait"),
    ("hold", "redirect", "acme.example", "--to", "b.example:25", "--no-wait"),
    ("hold", "bounce", "acme.example", "--yes", "--no-wait"),
    ("definitions", "status"),
    ("definitions", "list"),
    ("definitions", "show", "20260101000000"),
    ("definitions", "remove", "gone.hdb"),
    ("definitions", "rollback", "--to", "20260101000000"),
)
LINES = {
    *("track", "policy show", "policy history", "list show", "list search"),
    *("threat list", "weight list"),
    *("quarantine list", "hold list", "definitions list"),
}


async def fill(core: Face) -> None:
    """Let there be something of everything."""
    await core.database.preferences.publish(
        [
            route(),
            document("policy", "cluster", {"subject_tag": "[red]"}),
            document("list", "black/cluster/b.example", {"reason": HOSTILE}),
            document("weight", "cluster/RULE_OLD", {"score": 1, "reason": HOSTILE}),
            document("threat", "*/Old.Mistake", {"action": "ignore", "reason": HOSTILE}),
        ],
        who="test",
    )
    verdicts = [
        {"by": "yara", "outcome": "clean", "version": "1.10", "ms": 3, "detail": ""},
        {"by": "clamav", "outcome": "infected", "version": "1.4.3",
         "definitions": "27807", "definitions_us": START_US - 7_200_000_000, "ms": 31,
         "detail": "Eicar", "threats": ["Eicar"], "tests": []},
        {"by": "zen", "outcome": "scored", "version": "", "ms": 2, "detail": "",
         "tests": [{"name": "DNSBL_ZEN", "score": 4.0, "detail": "127.0.0.2"}]},
    ]  # fmt: skip
    judged = {"address": "x@acme.example", "disposition": "deliver", "reason": "clean: score 4"}
    await core.database.records.take(
        identity(),
        [
            accepted(1, ONE),
            record(2, "scanned", ONE, revision=1, score=4.0, subject=HOSTILE,
                   message_id="<1@sender.example>", verdicts=verdicts),
            record(3, "judged", ONE, recipients=[judged], quarantine_reason=""),
            record(4, "attempted", ONE, destination="mail.acme.example:25", host="192.0.2.9",
                   recipients=[{"address": "x@acme.example", "reply": "250 2.0.0 queued"}]),
            ended(5, ONE, "delivered"),
        ],
    )  # fmt: skip
    for message in (ONE, TWO):
        await core.hold(message, b"Subject: x\r\n\r\nbody\r\n", subject=HOSTILE, sender="")
    files = {"own.hdb": b"1", "gone.hdb": b"2"}
    await core.services.definitions.change_custom(files, [], who="test")
    core.hear(
        not_accepting_reason=HOSTILE,
        accepting=False,
        definitions=(
            DefinitionsReport(family="clamav", state=DefinitionsState.FAILED, detail=HOSTILE),
        ),
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_json_is_one_object_or_one_on_a_line_and_tells_a_terminal_nothing(
    core: Face, shell: Shell, command: tuple[str, ...]
) -> None:
    await fill(core)
    if command[:2] == ("list", "remove"):
        await shell("list", "add", *command[2:])

    said = await shell(*command, "--json")

    assert (said.status, said.err) == (0, "")
    lists = any(" ".join(command).startswith(name) for name in LINES)
    assert all(isinstance(line, dict) for line in said.lines)
    if not lists or command == ("policy", "show", "cluster"):
        assert len(said.lines) == 1
    assert said.out
    assert all(line.isprintable() for line in said.out.split("\n"))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_nothing_from_mail_reaches_the_terminal_as_a_command(
    core: Face, shell: Shell, command: tuple[str, ...]
) -> None:
    await fill(core)
    if command[:2] == ("list", "remove"):
        await shell("list", "add", *command[2:])

    said = await shell(*command)

    assert said.status == 0
    assert said.out
    assert all(line.isprintable() for line in said.out.split("\n"))
    if command[0] in ("track", "status"):
        assert "[red]x[/red] :smile:" in said.out, "text of mail is no markup"


async def test_json_of_hostile_text_is_the_text(core: Face, shell: Shell) -> None:
    await fill(core)

    (line,) = (await shell("quarantine", "show", ONE, "--json")).lines

    assert line["subject"] == HOSTILE


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_eighty_columns_cut_nothing_off(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    await fill(core)
    if command[:2] == ("list", "remove"):
        await shell("list", "add", *command[2:])
    monkeypatch.setenv("COLUMNS", "80")

    said = await shell(*command)

    assert said.status == 0
    assert "…" not in said.out
    if command[0] in ("track", "quarantine"):
        assert any(name in said.out for name in (ONE, TWO)) or "release" in command
    if command[0] == "status":
        (node,) = [line for line in said.out.splitlines() if line.startswith("lon1 ")]
        assert "london" in node
        assert "catching up" in node


async def test_track_shows_for_whom_a_rule_of_some_scope_holds(core: Face, shell: Shell) -> None:
    own = {"rules": "own", "scope": "customer/acme", "outcome": "infected", "threats": [HOSTILE]}
    verdicts = [{"by": "yara", "outcome": "clean", "ms": 3, "scoped": [own]}]
    await core.database.records.take(
        identity(), [accepted(1, ONE), record(2, "scanned", ONE, verdicts=verdicts)]
    )

    said = await shell("track", ONE)
    (line,) = (await shell("track", ONE, "--json")).lines

    assert "yara clean 3 for customer/acme: infected" in " ".join(said.out.split())
    assert "yara clean (customer/acme: infected)" in " ".join(said.out.split())
    assert "\x1b[2J" not in said.out
    assert line["verdicts"][0]["scoped"] == [own]


async def test_track_shows_verdicts_what_decided_and_each_reply(core: Face, shell: Shell) -> None:
    await fill(core)

    out = " ".join((await shell("track", ONE)).out.split())

    for fact in (
        "x@acme.example delivered",
        "because because",
        "reply 250 ok",
        "clamav infected 31 1.4.3/27807 2h Eicar",
        "zen DNSBL_ZEN 4 127.0.0.2",
        "yara clean 3 1.10 clamav infected",
        "yara clean; clamav infected; zen scored; score 4",
        "x@acme.example deliver, clean: score 4",
        "to mail.acme.example:25; at 192.0.2.9; x@acme.example 250 2.0.0 queued",
        "2 ms judged",
    ):
        assert fact in out, fact


@pytest.mark.parametrize(
    ("query", "looked_at"),
    [
        (made_id(99), "ids of messages"),
        ("<no@where>", "Message-IDs of messages"),
        ("nobody@nowhere.example", "senders and recipients of messages and refusals"),
        ("nowhere.example", "domains of senders and recipients of messages and refusals"),
        ("192.0.2.250", "clients of messages and refusals"),
    ],
)
async def test_what_is_nowhere_is_said_to_be_unknown_with_what_was_looked_at(
    core: Face, shell: Shell, query: str, looked_at: str
) -> None:
    await fill(core)
    core.hear("lon1")
    core.hear("par1")

    said = await shell("track", query)

    assert (said.status, said.err) == (0, "")
    assert said.out == f"nothing known of {query} (looked at: {looked_at})\n"
    for more in (["--json"], ["--json", "--refused"]):
        assert await shell("track", query, *more) == Said(0, "", "")


async def test_refusals_alone_are_looked_at_where_they_alone_are_asked_for(
    core: Face, shell: Shell
) -> None:
    said = await shell("track", "nobody@nowhere.example", "--refused")
    by_id = await shell("track", made_id(99), "--refused")

    assert "(looked at: senders and recipients of refusals)\n" in said.out
    assert "(looked at: refusals have no id)\n" in by_id.out


async def test_a_node_that_is_silent_may_know_more(core: Face, shell: Shell) -> None:
    core.hear("lon1")

    lines = (await shell("track", "nobody@nowhere.example")).out.splitlines()

    assert lines[1:] == ["par1 (paris) was never heard: what it took since is not known here"]


@pytest.mark.parametrize("query", ["two words", "a@b@c", "x" * 1001, "1@<>"])
async def test_what_can_name_nothing_is_wrong_usage(core: Face, shell: Shell, query: str) -> None:
    assert "neither an id of ours" in (await shell("track", query)).check_failed(2)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("quarantine", "list"), "nothing is in the quarantine"),
        (("quarantine", "list", "--state", "held"), "nothing that fits is in the quarantine"),
        (("policy", "history"), "nothing was ever changed"),
        (("policy", "history", "cluster"), "nothing was ever changed for cluster"),
        (("policy", "show", "cluster"), "nothing is set for cluster itself"),
    ],
)
async def test_where_there_is_nothing_that_is_said(
    core: Face, shell: Shell, command: tuple[str, ...], said: str
) -> None:
    assert await shell(*command) == Said(0, f"{said}\n", "")


async def test_a_scope_stands_whole_above_what_it_sets(core: Face, shell: Shell) -> None:
    await core.database.preferences.publish(
        [document("policy", "domain/a-long-name.example", {"virus": "drop"})], who="test"
    )

    out = (await shell("policy", "show", "domain/a-long-name.example")).out

    assert out.splitlines()[0] == "domain/a-long-name.example"


async def test_policy_set_takes_a_key_out_with_an_empty_value(core: Face, shell: Shell) -> None:
    path = ("policy", "set", "domain/acme.example", "--force")
    assert (await shell(*path, "score.mark=4", "score.drop=never")).status == 0
    (made,) = (await shell(*path, "score.mark=", "virus=drop", "--json")).lines

    assert made["values"] == {"score.drop": None, "virus": "drop"}
    shown = (await shell("policy", "show", "domain/acme.example")).out
    assert "none" in shown
    everything = (await shell("policy", "show", "--json")).lines
    assert [(one["kind"], one["key"]) for one in everything] == [("policy", "domain/acme.example")]


async def test_what_was_applied_can_be_shown_and_applied_again(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "documents.json"
    documents = [{"kind": "policy", "key": "cluster", "body": {"virus": "drop"}}]
    for content in (documents, {"revision": 1, "documents": documents}):
        file.write_text(json.dumps(content))
        (made,) = (await shell("policy", "apply", file, "--json", "--comment", "why")).lines
        assert (made["revision"], made["warnings"]) == (1, [])

    conflict = (await shell("policy", "apply", file, "--base", "0")).check_failed()
    assert "the current one is 1" in conflict
    (first,) = (await shell("policy", "history", "--json")).lines
    assert (first["who"], first["comment"]) == ("admin", "why")


async def test_rollback_and_explain_say_what_is_so_now(core: Face, shell: Shell) -> None:
    await fill(core)
    await shell("policy", "set", "recipient/x@acme.example", "score.mark=1")
    assert "recipient/x@acme.example" in (await shell("policy", "explain", "X@acme.example")).out

    assert "revision 3 holds what revision 1 held" in (await shell("policy", "rollback", "1")).out
    out = (await shell("policy", "explain", "x@acme.example")).out
    assert "recipient/x@acme.example" not in out
    assert "mail.acme.example:25" in out


async def test_what_is_said_of_a_threat_comes_is_replaced_and_goes(
    core: Face, shell: Shell
) -> None:
    name = ("JS/Agent.*", "--engine", "nod32")
    more = ("--reason", "why", "--until", "2030-12-31")
    added = await shell("threat", "add", "ignore", *name, *more)
    assert added.out == "revision 1: nod32/JS/Agent.* is ignored\n"
    (shown,) = (await shell("threat", "list", "--json")).lines
    assert shown == {
        **{"engine": "nod32", "name": "JS/Agent.*", "action": "ignore", "score": 10.0},
        **{"reason": "why", "until_us": 1_924_992_000_000_000, "revision": 1},
    }
    assert "JS/Agent.*" in (await shell("threat", "list")).out

    again = await shell("threat", "add", "spam", *name, "--score", "4")
    assert "it replaces what stood since revision 1" in again.out
    assert "action ignore, score 10.0: why" in again.out
    same = await shell("threat", "add", "spam", *name, "--score", "4")
    assert "it stood so already, since revision 2" in same.out

    assert (await shell("threat", "remove", *name)).status == 0
    assert (await shell("threat", "list", "--json")).out == ""
    assert "borderscout threat list" in (await shell("threat", "remove", *name)).check_failed()


async def test_a_weight_comes_is_replaced_and_goes(core: Face, shell: Shell) -> None:
    added = await shell("weight", "set", "cluster", "RULE_X", "1.5")
    assert added.out == "revision 1: cluster/RULE_X counts 1.5 points\n"
    again = await shell("weight", "set", "cluster", "RULE_X", "--factor", "0.5")
    assert "counts 0.5 times its own points (before: 1.5 points)" in again.out
    assert "RULE_X" in (await shell("weight", "list")).out

    assert (await shell("weight", "remove", "cluster", "RULE_X")).status == 0
    gone = await shell("weight", "remove", "cluster", "RULE_X")
    assert "borderscout weight list" in gone.check_failed()
    assert "POINTS or --factor" in (await shell("weight", "set", "cluster", "RULE_X")).err


async def test_track_says_which_list_entry_spoke_who_added_it_and_why(
    core: Face, shell: Shell
) -> None:
    said = "white cluster s.example (added by joe): does not count: s.example does not answer"
    tests = [
        {"name": "LIST_WHITE_UNPROVEN", "score": 0.0, "detail": said},
        {"name": "DNSBL_ZEN", "score": 4.0, "detail": "127.0.0.2"},
    ]
    verdict = {"by": "lists", "outcome": "scored", "version": "", "ms": 2, "detail": ""}
    scanned = record(2, "scanned", ONE, revision=1, verdicts=[verdict | {"tests": tests}])
    await core.database.records.take(identity(), [accepted(1, ONE), scanned])

    assert said in (await shell("track", ONE)).out


@pytest.mark.parametrize(
    "pattern", ["partner.example", ".partner.example", "a+b/c@partner.example", "192.0.2.0/24"]
)
async def test_a_list_entry_comes_and_goes(core: Face, shell: Shell, pattern: str) -> None:
    entry = ("white", "recipient/x+y/z@acme.example", pattern)
    more = ("--reason", "why", "--until", "2030-12-31", "--force", "--json")
    added = await shell("list", "add", *entry, *more)
    assert added.status == 0
    (shown,) = (await shell("list", "show", "white", entry[1], "--json")).lines
    assert (shown["pattern"], shown["reason"]) == (pattern, "why")
    assert shown["until_us"] == 1_924_992_000_000_000  # the day is over
    assert pattern in (await shell("list", "show", "white")).out

    assert (await shell("list", "remove", *entry)).status == 0
    assert (await shell("list", "show", "white", "--json")).out == ""
    assert "borderscout list show" in (await shell("list", "remove", *entry)).check_failed()


async def test_a_quarantined_message_is_saved_whole_and_never_over_a_file(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    await core.hold(ONE, b"Subject: x\r\n\r\n" + bytes(range(256)) * 3000)
    target = tmp_path / "mail.eml"

    assert (await shell("quarantine", "show", ONE, "--save", target)).status == 0

    content = target.read_bytes()
    assert content == b"Subject: x\r\n\r\n" + bytes(range(256)) * 3000
    again = await shell("quarantine", "show", ONE, "--save", target)
    assert str(target) in again.check_failed()
    assert target.read_bytes() == content


async def test_release_and_delete_say_how_it_is_now(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(core)
    nobody = await shell("quarantine", "release", ONE, "--to", "nobody@evil.example")
    assert "not kept for nobody@evil.example" in nobody.check_failed()
    assert "is waiting" in (await shell("quarantine", "release", ONE)).out
    assert "cannot be deleted" in (await shell("quarantine", "delete", ONE, "--yes")).check_failed()

    def no(*_arguments: Any, **_more: Any) -> bool:
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", no)
    (await shell("quarantine", "delete", TWO)).check_failed()
    assert "deleted" in (await shell("quarantine", "delete", TWO, "--yes")).out
    (await shell("quarantine", "show", made_id(9))).check_failed()


async def test_a_report_counts_from_its_first_day_to_its_last(core: Face, shell: Shell) -> None:
    await fill(core)
    day = ("--since", "2026-01-01", "--until", "2026-01-01")
    (found,) = (await shell("report", "summary", "--by", "customer", *day, "--json")).lines
    assert found["totals"]["accepted"] == 1
    assert "acme" in (await shell("report", "summary", "--by", "customer", *day)).out

    (before,) = (await shell("report", "summary", "--until", "2025-12-31", "--json")).lines
    assert before["totals"]["accepted"] == 0


@pytest.mark.parametrize(
    "command",
    [
        ("policy", "show", "nowhere"),
        ("policy", "show", "cluster", "--kind", "route"),
        ("policy", "show", "--kind", "colour"),
        ("policy", "unroute", "-", "--yes"),
        ("policy", "unroute", "--yes"),
        ("policy", "set", "cluster", "virus=wait"),
        ("policy", "set", "domain/-", "virus=drop"),
        ("policy", "set", "cluster", "colour=red"),
        ("policy", "set", "cluster", "virus"),
        ("policy", "set", "cluster", "score.mark=many"),
        ("policy", "set", "cluster", "score.mark=nan"),
        ("policy", "set", "cluster"),
        ("policy", "explain", "acme.example"),
        ("policy", "history", "--limit", "0"),
        ("policy", "rollback", "-1"),
        ("policy", "rollback", "x"),
        ("list", "show"),
        ("list", "add", "grey", "cluster", "a.example"),
        ("threat", "add", "forget", "Win.Test"),
        ("threat", "add", "ignore", "*"),
        ("threat", "add", "ignore", "Win.Test", "--engine", "a b"),
        ("threat", "add", "spam", "Win.Test", "--score", "0"),
        ("list", "add", "black", "nowhere", "a.example"),
        ("list", "add", "black", "cluster", "a b"),
        ("list", "add", "black", "cluster", "a.example", "--until", "tomorrow"),
        ("quarantine", "show", "1"),
        ("quarantine", "show", "../../etc/passwd"),
        ("quarantine", "list", "--state", "lost"),
        ("quarantine", "list", "--limit", "1001"),
        ("report", "summary", "--by", "colour"),
        ("track",),
        ("track", "a", "b"),
        ("status", "--url", "ftp://x"),
        ("status", "--url", "127.0.0.1:1"),
        ("status", "--url", "http://"),
        ("status", "--url", ""),
    ],
    ids=" ".join,
)
async def test_wrong_usage_is_told_in_one_line(
    core: Face, shell: Shell, command: tuple[str, ...]
) -> None:
    (await shell(*command)).check_failed(2)


@pytest.mark.parametrize(
    "content", [None, "{", "[" * 100_000, '"x"', "{}", "\0", '{"documents": 1}']
)
async def test_a_file_that_is_no_list_of_documents_is_named(
    core: Face, shell: Shell, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "d.json"
    if content is not None:
        file.write_text(content)

    assert str(file) in (await shell("policy", "apply", file)).check_failed()


@pytest.mark.parametrize(
    "documents", [[1], [{}], [{"kind": "route", "key": "a.example", "body": {}}]]
)
async def test_documents_that_are_wrong_are_refused_with_the_reason(
    core: Face, shell: Shell, tmp_path: Path, documents: list[Any]
) -> None:
    file = tmp_path / "d.json"
    file.write_text(json.dumps(documents))

    (await shell("policy", "apply", file)).check_failed()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_wrong_token_a_missing_one_and_a_core_that_is_down_are_one_line_each(
    core: Face, shell: Shell, tmp_path: Path, command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("BORDERSCOUT_TOKEN", "wrong")
    assert "token" in (await shell(*command)).check_failed()
    missing = tmp_path / "missing"
    assert str(missing) in (await shell(*command, "--token-file", missing)).check_failed()
    monkeypatch.setenv("BORDERSCOUT_TOKEN", "")
    (await shell(*command)).check_failed(2)
    down = "http://127.0.0.1:9"  # the discard port: nobody listens
    token = Path(core.services.settings.token_file)
    line = (await shell(*command, "--url", down, "--token-file", token)).check_failed()
    assert down in line
    monkeypatch.delenv("BORDERSCOUT_URL")
    (await shell(*command, "--token-file", token)).check_failed(2)


@pytest.mark.parametrize("content", ["", "a\nb", "tök", "x\x00"])
async def test_a_file_that_holds_no_token_is_named(
    core: Face, shell: Shell, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "token"
    file.write_text(content)

    assert str(file) in (await shell("status", "--token-file", file)).check_failed()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
        b"220 mail ESMTP\r\n",
        b"",
    ],
)
async def test_who_is_no_core_is_told_from_one(core: Face, shell: Shell, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        said = await shell("status", "--url", f"http://127.0.0.1:{port}")

    assert str(port) in said.check_failed()
