"""What does ``policy try`` say would change?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli.shell import Said, Shell
from tests.support.core.face import Face
from tests.support.core.rooms import accepted, identity, made_id, record, route
from tests.support.node.sound_node import SETTINGS

X = "x@acme.example"
HEAD = b"From: a@sender.example\r\nTo: x@acme.example\r\nSubject: hi\r\n\r\n"
STRICTER = [{"kind": "policy", "key": "domain/acme.example", "body": {"score.quarantine": 3}}]


async def judge(core: Face, number: int, points: float) -> str:
    """Let the core know of a message that a DNS list gave these points."""
    message = made_id(number)
    tests = [{"name": "DNSBL_ZEN", "score": points, "detail": "127.0.0.2", "effect": "score"}]
    verdicts = [
        {"by": "clamav", "outcome": "clean"},
        {"by": "zen", "outcome": "scored", "tests": tests},
    ]
    done = {"address": X, "disposition": "deliver", "reason": "clean"}
    await core.database.records.take(
        identity("lon1", shard=number),
        [
            accepted(1, message),
            record(2, "scanned", message, revision=1, score=points, subject="hi", message_id="",
                   verdicts=verdicts),
            record(3, "judged", message, recipients=[done], quarantine_reason=""),
        ],
    )  # fmt: skip
    return message


def result(said: Said) -> dict[str, Any]:
    """Return the one document that --json printed."""
    found: dict[str, Any] = json.loads(said.out)
    return found


@pytest.fixture
def documents(tmp_path: Path) -> str:
    file = tmp_path / "stricter.json"
    file.write_text(json.dumps(STRICTER))
    return str(file)


async def test_it_says_which_of_the_last_messages_would_end_otherwise(
    core: Face, shell: Shell, documents: str
) -> None:
    await core.database.preferences.publish([route()], who="test")
    concerned = await judge(core, 1, 4.0)
    await judge(core, 2, 1.0)

    (changed,) = result(await shell("policy", "try", documents, "--json"))["changed"]
    shown = (await shell("policy", "try", documents)).out

    assert (changed["message"], changed["recipient"], changed["customer"]) == (concerned, X, "acme")
    assert (changed["now"]["done"], changed["then"]["done"]) == ("deliver", "quarantine")
    assert "score.quarantine=3" in changed["then"]["reason"]
    assert "1 of 2 copies would end otherwise" in shown
    assert core.database.preferences.position.revision == 1, "nothing was published"


async def test_only_so_many_are_looked_at(core: Face, shell: Shell, documents: str) -> None:
    await core.database.preferences.publish([route()], who="test")
    for number in (1, 2, 3):
        await judge(core, number, 4.0)

    said = await shell("policy", "try", documents, "--last", "2", "--json")
    found = result(said)["changed"]

    assert [one["message"] for one in found] == [made_id(3), made_id(2)]


async def test_a_filter_that_no_node_would_take_is_told_when_it_is_tried(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "filter.yaml"
    file.write_text("{kind: filter, key: odd, body: {kind: content, options: {typs: x}}}")

    said = await shell("policy", "try", file)

    assert (said.status, said.err.count("warning: filter odd: unknown option 'typs'")) == (0, 1)


async def test_that_nothing_would_change_is_said(core: Face, shell: Shell, documents: str) -> None:
    assert "there is no message that was judged" in (await shell("policy", "try", documents)).out
    await judge(core, 1, 1.0)
    assert "1 copy tried: nothing would change" in (await shell("policy", "try", documents)).out


async def test_a_document_that_nobody_could_publish_is_told(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.json"
    file.write_text('[{"kind": "policy", "key": "cluster", "body": {"score.mark": "x"}}]')

    assert "score.mark" in (await shell("policy", "try", str(file))).check_failed()


async def test_mail_on_disk_is_judged_anew(
    core: Face, shell: Shell, documents: str, tmp_path: Path
) -> None:
    await core.database.preferences.publish([route()], who="test")
    config = tmp_path / "satellite.yaml"
    config.write_text(SETTINGS)
    mail = tmp_path / "mail"
    mail.mkdir()
    (mail / "a.eml").write_bytes(HEAD + b"hello\r\n")
    mbox = tmp_path / "box"
    mbox.write_bytes(b"From a@sender.example Thu Jan  1 00:00:00 2026\n" + HEAD + b"hello\n\n")
    rule: list[dict[str, Any]] = [
        {"kind": "rule", "key": "HI", "body": {"field": "subject", "pattern": "hi", "score": 50}}
    ]
    (tmp_path / "rule.json").write_text(json.dumps(rule))
    asked = ["--mail", str(mail), "--mail", str(mbox), "--config", str(config), "--json"]

    found = result(await shell("policy", "try", str(tmp_path / "rule.json"), *asked))["changed"]

    assert [one["then"]["done"] for one in found] == ["quarantine", "quarantine"]
    assert [one["recipient"] for one in found] == [X, X]
    assert [one["message"] for one in found] == [str(mail / "a.eml"), f"{mbox}:1"]


async def test_mail_on_disk_needs_engines(core: Face, shell: Shell, documents: str) -> None:
    asked = await shell("policy", "try", documents, "--mail", documents)

    assert "--config" in asked.check_failed(2)


async def test_there_is_a_document_where_nothing_changes(
    core: Face, shell: Shell, documents: str
) -> None:
    await judge(core, 1, 1.0)

    said = result(await shell("policy", "try", documents, "--json"))

    assert said == {"tried": 1, "changed": [], "unheard": [], "not_judged": []}


NEW: list[tuple[str, str, dict[str, Any], str]] = [
    ("rule", "HI", {"field": "subject", "pattern": "hi", "score": 5}, "was not asked then"),
    ("filter", "zen", {"kind": "dnsbl", "zone": "zen.example"}, "was not asked then"),
    ("list", "black/cluster/header:List-Id:junk", {}, "records do not have the header"),
    ("list", "white/cluster/sender.example", {}, "white entries about 1 copy"),
    ("policy", "cluster", {"dnsbl.reject": 5}, "dnsbl.reject acts before a message is judged"),
]


@pytest.mark.parametrize(("kind", "key", "body", "told"), NEW)
async def test_what_nobody_knows_of_the_past_is_said(
    core: Face, shell: Shell, tmp_path: Path, kind: str, key: str, body: dict[str, Any], told: str
) -> None:
    await judge(core, 1, 1.0)
    file = tmp_path / "new.json"
    file.write_text(json.dumps([{"kind": kind, "key": key, "body": body}]))

    shown = " ".join((await shell("policy", "try", file)).out.split())
    said = result(await shell("policy", "try", file, "--json"))

    assert "nothing would change, as far as is known" in shown
    assert told in shown
    assert [told in line for line in said["not_judged"]] == [True]


async def test_a_filter_that_was_away_or_is_unknown_is_said_of_mail_on_disk(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    options = "filters: [{name: sa, kind: spamassassin, address: '127.0.0.1:1'}]\n"
    (tmp_path / "satellite.yaml").write_text(SETTINGS + options)
    (tmp_path / "a.eml").write_bytes(HEAD + b"hello\r\n")
    new = [
        {"kind": "filter", "key": "sa", "body": {"kind": "spamassassin"}},
        {"kind": "filter", "key": "rs", "body": {"kind": "rspamd"}},
    ]
    (tmp_path / "new.json").write_text(json.dumps(new))
    asked: list[str | Path] = [tmp_path / "new.json", "--mail", tmp_path / "a.eml", "--config",
             tmp_path / "satellite.yaml"]  # fmt: skip

    shown = " ".join((await shell("policy", "try", *asked)).out.split())
    said = result(await shell("policy", "try", *asked, "--json"))

    assert "nothing would change, as far as is known" in shown
    assert "not heard: sa of 1 copy: unavailable" in shown
    assert [(one["by"], one["outcome"], one["copies"]) for one in said["unheard"]] == [
        ("sa", "unavailable", 1)
    ]
    assert ["rs does nothing" in line for line in said["not_judged"]] == [True]
