"""What an admin types to change the preferences, and what is answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from common.preferences import Document, Kind
from common.preferences.documents import BODIES
from core.preferences.ledger import documents_json
from tests.support.cli.shell import Shell
from tests.support.core.face import Face
from tests.support.core.rooms import document, route

ENTRY = ("white", "domain/acme.example", "partner.example")


def of_every_kind() -> list[Document]:
    return [document(kind, body.example_key, body.example) for kind, body in BODIES.items()]


async def publish(core: Face, *documents: Document) -> int:
    return (await core.database.preferences.publish(list(documents), who="test")).revision


def standing(core: Face) -> list[dict[str, Any]]:
    found = documents_json(core.database.preferences.current.documents())
    return [{name: one[name] for name in ("kind", "key", "body")} for one in found]


async def test_what_show_prints_of_every_kind_is_what_apply_takes(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    await publish(core, *of_every_kind())
    before, file = standing(core), tmp_path / "documents.json"
    file.write_text((await shell("policy", "show", "--json")).out)
    await publish(core, *(document(kind, body.example_key) for kind, body in BODIES.items()))
    assert standing(core) == []

    assert (await shell("policy", "apply", file)).status == 0

    assert standing(core) == before
    assert {one["kind"] for one in before} == set(Kind)


@pytest.mark.parametrize("kind", Kind)
async def test_what_show_prints_of_one_kind_is_what_apply_takes(
    core: Face, shell: Shell, tmp_path: Path, kind: Kind
) -> None:
    await publish(core, *of_every_kind())
    file = tmp_path / "documents.json"
    said = await shell("policy", "show", "--kind", kind, "--json")
    file.write_text(said.out)
    assert [one["kind"] for one in said.lines] == [kind]
    await publish(core, document(kind, BODIES[kind].example_key))

    assert (await shell("policy", "apply", file)).status == 0

    assert len(standing(core)) == len(Kind)


@pytest.mark.parametrize("values", [{"virus": "drop"}, {}])
async def test_what_show_prints_of_one_scope_is_what_apply_takes(
    core: Face, shell: Shell, tmp_path: Path, values: dict[str, Any]
) -> None:
    await publish(core, route(), *([document("policy", "cluster", values)] if values else []))
    before, file = standing(core), tmp_path / "policy.json"
    file.write_text((await shell("policy", "show", "cluster", "--json")).out)
    await publish(core, document("policy", "cluster", {"macro": "drop"}))

    assert (await shell("policy", "apply", file)).status == 0

    assert standing(core) == before


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("", ":1:1: there is no document in it"),
        ("[]", ":1:1: there is no document in it"),
        ("{", ":1:2: "),
        ('[\n{"kind": }\n]', ":2:10: "),
        ('{"kind": "engine", "key": "e", "body": {}}\n\n{"kind": x}\n', ":3:10: "),
        ("[" * 100_000, ":1:1: "),
    ],
)
async def test_a_file_that_holds_no_documents_is_named_with_the_place(
    core: Face, shell: Shell, tmp_path: Path, content: str, place: str
) -> None:
    file = tmp_path / "documents.json"
    file.write_text(content)

    said = await shell("policy", "apply", file)

    assert f"{file}{place}" in said.check_failed()
    assert core.database.preferences.position.revision == 0


async def test_documents_may_be_written_in_yaml(core: Face, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    body = '{field: subject, pattern: "(?i)\\\\.iso$", score: 8}'
    file.write_text(f"- {{kind: rule, key: DISK, body: {body}}}\n")

    assert (await shell("policy", "apply", file)).status == 0

    (stands,) = standing(core)
    assert stands["body"] == {"field": "subject", "pattern": r"(?i)\.iso$", "score": 8}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.yaml", "- kind: rule\n  key: [a\n", ":3:1: "),
        ("a.yml", "", ":1:1: there is no document in it"),
        ("a.yml", "- {kind: rule, key: A, body: {score: .inf}}\n", ": document 1 has a number"),
        ("a.json", '[{"kind": "rule", "key": "A", "body": {"score": NaN}}]', ": document 1 has"),
    ],
)
async def test_what_cannot_be_sent_to_the_core_is_named(
    core: Face, shell: Shell, tmp_path: Path, name: str, content: str, told: str
) -> None:
    file = tmp_path / name
    file.write_text(content)

    said = await shell("policy", "apply", file)

    assert f"{file}{told}" in said.check_failed()
    assert core.database.preferences.position.revision == 0


async def test_a_document_of_no_kind_is_refused_with_where_to_read_on(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "documents.json"
    file.write_text('[{"kind": "colour", "key": "x", "body": {}}]')

    line = (await shell("policy", "apply", file)).check_failed()

    assert "colour x: unknown kind; see docs/documents.md" in line


async def test_the_history_shows_values_before_and_after(core: Face, shell: Shell) -> None:
    await publish(core, route())
    scope = ("policy", "set", "domain/acme.example")
    await shell(*scope, "score.mark=4", "virus=drop", "--comment", "first")
    await shell(*scope, "score.mark=6", "virus=", "score.drop=never")
    await shell(*scope, "score.mark=", "score.drop=")

    text = (await shell("policy", "history", "domain/acme.example")).out

    told = [line for line in text.splitlines() if line.startswith("  ")]
    assert told == [
        "  policy domain/acme.example is removed: it was score.drop none, score.mark 6",
        "  policy domain/acme.example: score.mark 4 -> 6, virus drop -> unset,"
        " score.drop unset -> none",
        "  policy domain/acme.example is new: score.mark 4, virus drop",
        '  route acme.example is new: customer acme, deliver_to ["mail.acme.example:25"]',
    ]
    assert "by admin: first" in text


async def test_a_time_beyond_the_calendar_is_shown_as_its_end(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "documents.json"
    entry = {"kind": "list", "key": "black/cluster/b.example", "body": {"until_us": 1 << 62}}
    order = {"kind": "hold", "key": "acme.example", "body": {"bounce_before_us": 1 << 62}}
    await publish(core, route())
    file.write_text(json.dumps([entry, order]))

    assert (await shell("policy", "apply", file)).status == 0
    assert (await shell("list", "add", *ENTRY, "--until", "9999-12-31")).status == 0

    for asked in (
        ("policy", "history"),
        ("policy", "explain", "x@acme.example"),
        ("list", "show", "black"),
        ("list", "show", "white"),
        ("hold", "list", "--orders"),
    ):
        assert "9999-12-31 23:59:59" in (await shell(*asked)).out


async def test_the_history_of_a_large_change_is_short(core: Face, shell: Shell) -> None:
    await publish(core, *(route(f"d{number}.example") for number in range(250)))
    await publish(core, document("list", "black/cluster/a.example", {"reason": "x" * 500}))

    lines = (await shell("policy", "history")).out.splitlines()

    assert len(lines) == 2 + 1 + 10 + 1
    assert lines[-1] == "  and 240 more"
    assert all(len(line) < 400 for line in lines)


async def test_a_domain_is_unrouted_once_it_was_said_what_becomes_of_its_mail(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(core, route(), route("other.example"))
    core.hear(revision=1)
    command = ("policy", "unroute", "Acme.Example", "other.example", "--no-wait")

    unsure = (await shell(*command)).check_failed(2)

    assert "new mail for acme.example would be refused" in unsure
    assert "3 messages (1.2 KiB) for acme.example at london/lon1: 3" in unsure
    assert "borderscout hold bounce acme.example" in unsure
    assert "say --yes" in unsure
    assert core.database.preferences.position.revision == 1

    said = await shell(*command, "--yes", "--comment", "left us")
    assert said.out == "revision 2: no mail is taken for acme.example, other.example\n"
    assert standing(core) == []
    (newest, *_) = (await shell("policy", "history", "--json")).lines
    assert (newest["comment"], len(newest["changes"])) == ("left us", 2)


async def test_what_has_no_route_is_not_unrouted(core: Face, shell: Shell) -> None:
    await publish(core, route())
    command = ("policy", "unroute", "acme.example", "nobody.example", "--yes", "--no-wait")

    line = (await shell(*command)).check_failed()

    assert "nobody.example has no route" in line
    assert "borderscout policy show --kind route" in line
    assert len(standing(core)) == 1


async def test_an_entry_that_is_added_again_says_what_it_replaces(core: Face, shell: Shell) -> None:
    await publish(core, route())
    first = await shell("list", "add", *ENTRY, "--reason", "old", "--until", "2030-12-31")
    again = await shell("list", "add", *ENTRY, "--reason", "new")
    same = await shell("list", "add", *ENTRY, "--reason", "new")
    (as_json,) = (await shell("list", "add", *ENTRY, "--json")).lines

    assert first.out == "revision 2: white/domain/acme.example/partner.example\n"
    assert again.out.splitlines()[1] == (
        "it replaces what stood since revision 2, until 2031-01-01 00:00:00 UTC: old"
    )
    assert same.out.splitlines()[1] == "it stood so already, since revision 3"
    assert (as_json["replaced"]["reason"], as_json["replaced"]["revision"]) == ("new", 3)


@pytest.mark.parametrize(
    "command",
    [
        ("policy", "set", "domain/acme.exampel", "virus=drop"),
        ("policy", "set", "customer/acmee", "virus=drop"),
        ("list", "add", "black", "recipient/joe@acme.exampel", "a.example"),
    ],
)
async def test_a_name_that_nobody_has_changes_nothing_unless_it_is_meant(
    core: Face, shell: Shell, command: tuple[str, ...]
) -> None:
    await publish(core, route())

    slip = await shell(*command)
    meant = await shell(*command, "--force")

    assert slip.status == 1
    assert "acmee" in slip.err or "acme.exampel" in slip.err
    assert "--force" in slip.err
    assert meant.status == 0
    assert meant.out.startswith("revision 2")


async def test_an_engine_that_no_node_has_decides_nothing_unless_it_is_meant(
    core: Face, shell: Shell
) -> None:
    await publish(core, route())
    core.hear()
    command = ("policy", "set", "customer/acme", "virus.rule=engines:clamv")

    slip = await shell(*command)
    meant = await shell(*command, "--force")
    other_key = await shell("policy", "set", "customer/acme", "virus=drop")

    assert slip.status == 1
    assert "no node has an engine clamv; there are clamav, yara" in slip.err
    assert "--force" in slip.err
    assert (meant.status, meant.out[:10]) == (0, "revision 2")
    assert "no node has an engine clamv" in meant.err
    assert other_key.status == 0, "what stands is said again, and hinders nothing"


async def test_a_key_is_taken_out_of_a_scope_that_nobody_has_any_more(
    core: Face, shell: Shell
) -> None:
    await publish(core, route(), document("policy", "domain/gone.example", {"virus": "drop"}))

    said = await shell("policy", "set", "domain/gone.example", "virus=")

    assert (said.status, said.err) == (0, "")


@pytest.mark.parametrize(
    "command",
    [
        ("policy", "set", "domain/acme.exampel", "virus=drop", "--force"),
        ("policy", "set", "customer/acmee", "virus=drop", "--force"),
        ("list", "add", "black", "recipient/joe@acme.exampel", "a.example", "--force"),
        ("policy", "apply"),
    ],
)
async def test_a_name_that_nobody_has_is_a_warning_and_no_error(
    core: Face, shell: Shell, tmp_path: Path, command: tuple[str, ...]
) -> None:
    await publish(core, route())
    if command[-1] == "apply":
        file = tmp_path / "documents.json"
        body = {"kind": "hold", "key": "acme.exampel", "body": {"hold_days": 3}}
        file.write_text(json.dumps(body))
        command = (*command, str(file))

    said = await shell(*command)
    as_json = await shell(*command, "--json")

    assert said.status == as_json.status == 0
    assert said.out.startswith("revision 2")
    assert said.err.startswith("borderscout: warning: ")
    assert "; see " in said.err
    assert said.err == as_json.err == f"borderscout: warning: {as_json.lines[0]['warnings'][0]}\n"


async def test_an_entry_that_has_ended_is_shown_as_such_and_explains_nothing(
    core: Face, shell: Shell
) -> None:
    await publish(core, route())
    await shell("list", "add", *ENTRY, "--until", "2020-12-31")

    shown = (await shell("list", "show", "white")).out
    explained = (await shell("policy", "explain", "joe@acme.example")).out

    assert "2021-01-01 00:00:00 (ended)" in shown
    assert "partner.example" not in explained


async def test_a_fault_of_the_core_points_to_a_log_in_which_it_stands(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(**_query: Any) -> list[Any]:
        raise RuntimeError("out of order")

    monkeypatch.setattr(core.database.preferences, "history", broken)

    line = (await shell("policy", "history")).check_failed()

    assert "journalctl -u borderscout-core" in line
    assert "RuntimeError: out of order" in caplog.text


async def test_a_route_that_leads_back_to_us_is_refused_with_its_domain(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "documents.json"
    looping = route(deliver_to=["lon1.mx.scout.example"])
    file.write_text(json.dumps(documents_json([route("beta.example"), looping])))

    said = await shell("policy", "apply", file)

    assert said.status == 1
    assert "acme.example: deliver_to lon1.mx.scout.example is one of our own names" in said.err
    assert standing(core) == [], "whole or not at all"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"kind": "contents"}, "no filter of kind 'contents' is installed"),
        ({"kind": "content", "options": {"typs": "x"}}, "typs"),
        ({"kind": "content", "options": {"types": "shoes"}}, "shoes"),
        ({"kind": "volume", "options": {"limit": "many"}}, "limit"),
        ({"kind": "dnsbl", "zone": "a.example", "options": {"ask": "url"}}, "ask"),
    ],
)
async def test_a_filter_that_no_node_would_take_is_told_when_it_is_published(
    core: Face, shell: Shell, tmp_path: Path, body: dict[str, Any], told: str
) -> None:
    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"kind": "filter", "key": "odd", "body": body}))

    said = await shell("policy", "apply", file)

    assert said.status == 0, "a node may have packages that are not here"
    assert "warning: filter odd: " in said.err
    assert told in said.err
    assert (await shell("policy", "apply", file, "--json")).lines[0]["warnings"]
