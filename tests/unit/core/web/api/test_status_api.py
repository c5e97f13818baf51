"""What the cluster is like, what happened to mail, and how much of it, over HTTP."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from common.identity import ShardIdentity
from common.preferences import Epoch, Position
from common.preferences.node_settings import settings_digest
from common.reports import NodeReport, SettingsState
from core.fleet.fleet import Fleet
from core.joining.node_signing import NodeSigner
from core.people.members import MadeToken, NodeMember
from core.records.reports import EVER_US
from core.store.errors import StoreFailure
from core.web.api.status import node_json
from inventory.certificates import authority, issuer
from inventory.decommissioning import LeavingNode
from tests.support.clock import FakeClock
from tests.support.core.face import Face, problem_of
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

DAY_US = 86_400_000_000


async def took(face: Face) -> None:
    """Let two messages for acme and one for others be known."""
    await face.database.preferences.publish([route()], who="test")
    await face.database.records.take(
        identity(),
        [
            record(1, "started", "", version="1", incarnation=made_id(1), found={}),
            accepted(2, made_id(1)),
            ended(3, made_id(1), "delivered"),
            accepted(4, made_id(2), ("y+z/q@acme.example",), subject="Hello\x1b[2J"),
            ended(5, made_id(2), "quarantined", "y+z/q@acme.example"),
            accepted(6, made_id(3), ("a@other.example",)),
        ],
    )


async def test_a_node_that_was_never_heard_is_silent_and_its_lag_unknown(face: Face) -> None:
    found = await face.ask("GET", "/api/v1/status")

    assert (found["cluster"], found["core"], found["version"]) == ("example", "core", "1.2.3")
    assert [(n["node"], n["site"], n["state"], n["lag"]) for n in found["nodes"]] == [
        ("lon1", "london", "silent", None),
        ("par1", "paris", "silent", None),
    ]


async def test_a_node_is_shown_with_what_it_reports(face: Face) -> None:
    face.hear(revision=0)
    await face.database.preferences.publish([route()], who="test")

    node = (await face.ask("GET", "/api/v1/status"))["nodes"][0]

    assert (node["state"], node["applied"], node["lag"]) == ("catching up", 0, 1)
    assert node["spool"] == {"queued": 2, "held": 1}
    assert [one["answering"] for one in node["engines"]] == [True, False]
    assert node["holds"][0]["customer"] == "acme"
    assert node["skew_s"] == 0.0


async def test_what_only_an_operator_can_decide_is_said_in_words(face: Face) -> None:
    face.hear(spool={"queued": 2, "damaged": 1, "frozen": 7})

    problems = (await face.ask("GET", "/api/v1/status"))["nodes"][0]["problems"]

    assert [problem.partition(";")[0] for problem in problems] == [
        "mail for 1 recipient is damaged: its body cannot be read",
        "mail for 7 recipients is frozen by an operator",
    ]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (made_id(2), [2]),
        ("y+z/q@acme.example", [2]),
        ("acme.example", [2, 1]),
        ("sender.example", [3, 2, 1]),
        (made_id(9), []),
        ("nothing at all", []),
        ("\0", []),
        ("%' OR 1=1 --", []),
    ],
)
async def test_messages_are_tracked(face: Face, query: str, numbers: list[int]) -> None:
    await took(face)

    found = (await face.ask("GET", "/api/v1/messages", params={"query": query}))["messages"]

    assert sorted(message["id"] for message in found) == sorted(made_id(n) for n in numbers)


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("day", ["2026-01-01"]),
        ("site", ["london"]),
        ("customer", ["acme", "unknown"]),
        ("domain", ["acme.example", "other.example"]),
    ],
)
async def test_reports_count_by_what_is_asked(face: Face, by: str, names: list[str]) -> None:
    await took(face)

    found = await face.ask("GET", "/api/v1/reports/summary", params={"by": by})

    assert [group["name"] for group in found["groups"]] == names
    totals = found["totals"]
    assert (totals["accepted"], totals["delivered"], totals["quarantined"]) == (3, 1, 1)
    assert totals["in_progress"] == 1


@pytest.mark.parametrize(
    ("since_us", "until_us", "count"),
    [
        (0, EVER_US, 3),
        (START_US, START_US + DAY_US, 3),
        (START_US + DAY_US, EVER_US, 0),
        (0, START_US, 0),
    ],
)
async def test_a_report_is_of_a_time(face: Face, since_us: int, until_us: int, count: int) -> None:
    await took(face)
    query = {"since_us": since_us, "until_us": until_us}

    found = await face.ask("GET", "/api/v1/reports/summary", params=query)

    assert found["totals"]["accepted"] == count


async def test_events_of_nodes_are_listed(face: Face) -> None:
    await took(face)

    (event,) = (await face.ask("GET", "/api/v1/events", params={"node": "lon1"}))["events"]
    assert (event["node"], event["event"], event["version"]) == ("lon1", "started", "1")
    assert (await face.ask("GET", "/api/v1/events", params={"node": "par1"}))["events"] == []


async def test_a_report_of_engines_groups_by_day_or_site(face: Face) -> None:
    said = [
        {"by": "clamav", "outcome": "infected", "threats": ["Eicar"], "ms": 7},
        {"by": "nod32", "outcome": "timeout", "ms": 30_000},
    ]
    look = record(1, "scanned", made_id(1), verdicts=said)
    await face.database.records.take(identity(), [look])

    by_day = await face.ask("GET", "/api/v1/reports/engines")
    by_site = await face.ask("GET", "/api/v1/reports/engines", params={"by": "site"})
    paris = await face.ask("GET", "/api/v1/reports/engines", params={"site": "paris"})

    assert [group["name"] for group in by_day["groups"]] == ["2026-01-01"]
    assert [group["name"] for group in by_site["groups"]] == ["london"]
    assert by_day["engines"] == by_site["groups"][0]["engines"]
    assert [(one["name"], one["alone"], one["silent"]) for one in by_day["engines"]] == [
        ("clamav", 0, 0),
        ("nod32", 0, 1),
    ]
    assert paris["engines"] == []


def test_a_node_of_which_one_shard_was_not_told_is_not_being_emptied() -> None:
    fleet = Fleet([("lon1", "london")])
    for number, reason in enumerate(("draining", "")):
        who = identity(shard=number)
        fleet.greeted(who, shards=2, version="1", now_s=0.0)
        told = NodeReport(accepting=not reason, not_accepting_reason=reason)
        fleet.reported(who, told, now_s=0.0, now_us=START_US)

    told_of = node_json(fleet.node("lon1", now_s=1.0))

    assert not LeavingNode.of(told_of, None).is_draining


async def test_flush_tells_the_shards_that_are_connected_and_is_audited(face: Face) -> None:
    body = {"destination": "mail.acme.example:25", "node": "lon1"}
    assert await face.ask("POST", "/api/v1/flush", json=body) == {"shards": 0}
    assert await face.ask("POST", "/api/v1/flush", json={}) == {"shards": 0}

    entries = (await face.ask("GET", "/api/v1/audit"))["entries"]
    assert [(e["who"], e["what"], e["subject"]) for e in entries] == [
        ("admin", "flush", "everything"),
        ("admin", "flush", "mail.acme.example:25 at lon1"),
    ]


async def a_member_joins(face: Face) -> None:
    """Let lon1 have joined, and the core have what signs."""
    store, now_us = face.database.members, face.services.clock.now_us()
    await store.add_token(
        MadeToken(digest="d", node="lon1", made_us=now_us, expires_us=now_us + 1, who="t")
    )
    member = NodeMember(node="lon1", joined_us=now_us, certificates={"a": now_us // 1_000_000 + 1})
    await store.join("d", keys="k", issued="{}", member=member, client="t")
    await face.services.joining.open()
    folder, made_us = Path(face.services.settings.state), time.time_ns() // 1000
    root = authority(folder, cluster="example", now_us=made_us)
    below = issuer(folder, cluster="example", hosts=("example",), signer=root, now_us=made_us)
    files = {"root": root.certificate, "issuer": below.certificate, "key": below.key}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    face.services.joining.signer = NodeSigner(
        cluster="example",
        mail_domain="example",
        certificate=folder / "issuer",
        key=folder / "key",
        authority=folder / "root",
    )


async def test_every_change_leaves_an_audit_entry(face: Face) -> None:
    digest = settings_digest({})
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/api/v1/nodes/lon1/settings", {"json": {"digest": digest}}),
        ("POST", "/api/v1/nodes/lon1/drain", {"json": {}}),
        ("PATCH", "/api/v1/policies/cluster", {"json": {"values": {"virus": "drop"}}}),
        ("POST", "/api/v1/documents", {"json": {"documents": [
            {"kind": "policy", "key": "cluster", "removed": True}]}}),
        ("POST", "/api/v1/rollback", {"json": {"revision": 2}}),
        ("POST", "/api/v1/lists/black", {"json": {"scope": "cluster", "pattern": "a.example"}}),
        ("POST", "/api/v1/lists", {"json": {"entries": [
            {"colour": "white", "scope": "cluster", "pattern": "b.example"}]}}),
        ("DELETE", "/api/v1/lists/black", {"params": {"scope": "cluster", "pattern": "a.example"}}),
        ("POST", "/api/v1/threats", {"json": {"name": "Heuristics.X", "action": "ignore"}}),
        ("DELETE", "/api/v1/threats", {"params": {"name": "Heuristics.X"}}),
        ("PUT", "/api/v1/weights", {"json": {"test": "RULE_X", "score": 2}}),
        ("DELETE", "/api/v1/weights", {"params": {"test": "RULE_X"}}),
        ("POST", "/api/v1/flush", {"json": {}}),
        ("POST", "/api/v1/epoch", {"json": {}}),
        ("POST", "/api/v1/reports/lost/seen", {"json": {"node": "lon1", "shard": 0}}),
        ("POST", "/api/v1/definitions/custom", {"json": {"files": {"a.hdb": "YQ=="}}}),
        ("POST", "/api/v1/definitions/rollback", {"json": {"serial": 20260101000000}}),
        ("PATCH", "/api/v1/holds/acme.example", {"json": {"hold_days": 9}}),
        ("DELETE", "/api/v1/holds/acme.example", {}),
        ("POST", f"/api/v1/quarantine/{made_id(1)}/release", {"json": {}}),
        ("DELETE", f"/api/v1/quarantine/{made_id(2)}", {}),
        ("POST", "/api/v1/lessons", {"json": {
            "truth": "spam", "customer": "taught", "message": "eA=="}}),
        ("POST", "/api/v1/lessons/again", {"json": {"node": "lon1"}}),
        ("DELETE", "/api/v1/lessons", {"params": {"customer": "taught"}}),
        ("POST", "/api/v1/join-tokens", {"json": {"node": "par1"}}),
        ("DELETE", "/api/v1/join-tokens/par1", {}),
        ("POST", "/api/v1/members/lon1/rotate", {}),
        ("POST", "/api/v1/members/lon1/revoke", {}),
    ]  # fmt: skip
    for number in (1, 2):
        await face.hold(made_id(number), b"x")
    taught = document("policy", "domain/taught.example", {"learning": "on"})
    node = document("node", "lon1", {"site": "london", "settings": {}, "digest": digest})
    made = await face.database.preferences.publish(
        [route(), route("taught.example", "taught"), taught, node], who="before"
    )
    steady = {"settings_state": SettingsState.STEADY, "settings_digest": digest}
    face.hear(revision=made.revision, **steady)
    await a_member_joins(face)
    known = len((await face.ask("GET", "/api/v1/audit"))["entries"])
    described = face.application.openapi()["paths"]
    mutations = sum(1 for methods in described.values() for m in methods if m != "get")
    assert mutations == len(changes), "a change without a line here"

    for number, (method, path, more) in enumerate(changes, 1):
        await face.ask(method, path, **more)
        entries = (await face.ask("GET", "/api/v1/audit"))["entries"]
        assert len(entries) == known + number, path
        assert entries[0]["who"] == "admin"


async def test_tokens_of_a_node_that_nobody_knows_are_not_said_to_be_withdrawn(face: Face) -> None:
    problem = await face.refused(400, "DELETE", "/api/v1/join-tokens/lno1")

    assert problem["title"] == "neither a document nor core.yaml names a node lno1"
    known = [one["what"] for one in (await face.ask("GET", "/api/v1/audit"))["entries"]]
    assert "member.token_withdrawn" not in known


async def test_a_page_of_the_audit_goes_on_before_an_entry(face: Face) -> None:
    for _ in range(3):
        await face.ask("POST", "/api/v1/flush", json={})
    first = (await face.ask("GET", "/api/v1/audit", params={"limit": 1}))["entries"]

    rest = await face.ask("GET", "/api/v1/audit", params={"before": first[0]["number"]})

    assert len(rest["entries"]) == 2


BEYOND: tuple[tuple[str, dict[str, Any]], ...] = (
    ("messages", {}),
    ("messages", {"query": ""}),
    ("messages", {"query": "x" * 1001}),
    ("messages", {"query": "x", "limit": 0}),
    ("messages", {"query": "x", "limit": 1001}),
    ("messages", {"query": "x", "limit": "many"}),
    ("reports/summary", {"by": "colour"}),
    ("reports/summary", {"since_us": -1}),
    ("reports/summary", {"since_us": 1 << 63}),
    ("reports/summary", {"until_us": EVER_US + 1}),
    ("reports/summary", {"limit": 10_001}),
    ("refusals", {}),
    ("refusals", {"query": "x", "limit": 1001}),
    ("reports/refused", {"since_us": -1}),
    ("reports/refused", {"until_us": EVER_US + 1}),
    ("reports/engines", {"by": "customer"}),
    ("reports/engines", {"site": "x" * 64}),
    ("reports/engines", {"until_us": EVER_US + 1}),
    ("reports/engines", {"limit": 10_001}),
    ("events", {"limit": 0}),
    ("events", {"node": "n" * 64}),
    ("audit", {"limit": 1001}),
    ("audit", {"before": 1 << 64}),
    ("history", {"before": 1 << 64}),
    ("history", {"limit": 1001}),
    ("history", {"kind": "colour"}),
    ("history", {"scope": "x" * 321}),
    ("explain", {"recipient": "x" * 321}),
    ("documents", {"kind": "colour"}),
    ("lists/black", {"scope": "x" * 301}),
    ("holds", {"domain": "x" * 301}),
    ("quarantine", {"limit": 1001}),
    ("quarantine", {"state": "colour"}),
    ("quarantine", {"before_us": 1 << 63}),
    ("quarantine", {"before_us": 1, "before_id": "x" * 27}),
    ("quarantine", {"recipient": "x" * 321}),
)


async def test_every_input_has_its_bound(face: Face) -> None:
    for path, query in BEYOND:
        problem = await face.refused(422, "GET", f"/api/v1/{path}", params=query)
        assert problem["title"].startswith("query."), (path, query)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "policies/cluster", '{"values": {"subject_tag": "\\ud800"}}'),
        ("PATCH", "policies/cluster", '{"values": {"\\ud800": "x"}}'),
        ("PATCH", "policies/cluster", '{"unset": ["\\ud800"]}'),
        ("POST", "lists/black", '{"scope": "cluster", "pattern": "\\ud800.example"}'),
        ("POST", "lists/black", '{"scope": "customer/\\ud800", "pattern": "a.example"}'),
        (
            "POST",
            "lists/black",
            '{"scope": "cluster", "pattern": "a.example", "reason": "\\ud800"}',
        ),
    ],
)
async def test_half_a_character_is_refused_and_no_fault(
    face: Face, method: str, path: str, body: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await face.client.request(method, f"/api/v1/{path}", content=body, headers=headers)

    assert answer.status_code in (400, 422)
    assert problem_of(answer)["remedy"]
    assert face.database.preferences.position.revision == 0


async def test_what_does_not_exist_is_a_problem_document_too(face: Face) -> None:
    assert "docs" in (await face.refused(404, "GET", "/api/v1/nothing"))["remedy"]
    await face.refused(405, "DELETE", "/api/v1/status")


async def test_a_disk_that_fails_is_told_as_such(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(**_more: Any) -> None:
        raise StoreFailure("the database does not answer", hint="look at its disk")

    monkeypatch.setattr(face.database.audit, "recent", fails)

    for path in ("/readyz", "/api/v1/audit"):
        problem = await face.refused(503, "GET", path)
        assert problem["remedy"] == "look at its disk"


async def test_a_fault_of_ours_is_a_problem_and_shows_nothing_of_our_inside(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(**_more: Any) -> None:
        raise KeyError("a secret of ours")

    monkeypatch.setattr(face.database.audit, "recent", fails)

    problem = await face.refused(500, "GET", "/api/v1/audit")

    assert "secret" not in json.dumps(problem)


async def test_health_is_plain_text(face: Face) -> None:
    assert (await face.stranger.get("/healthz")).text == "alive\n"
    assert (await face.stranger.get("/readyz")).text == "ready\n"


async def test_a_core_whose_disk_is_full_is_not_ready_and_says_why(
    face: Face, fake_clock: FakeClock
) -> None:
    face.database.room.refused("database or disk is full")

    ready = await face.stranger.get("/readyz")
    page = (await face.stranger.get("/metrics")).text
    told = (await face.ask("GET", "/api/v1/status"))["disk"]["problem"]
    await fake_clock.advance(61.0)

    assert (ready.status_code, ready.text) == (
        503,
        "the core's disk is full: database or disk is full\n",
    )
    assert "borderscout_core_disk_full 1.0" in page
    assert told == ready.text.strip()
    assert (await face.stranger.get("/readyz")).status_code == 200


async def test_metrics_show_every_node_and_leave_out_what_is_unknown(
    face: Face, fake_clock: FakeClock
) -> None:
    face.hear(revision=0)
    text = (await face.stranger.get("/metrics")).text

    found = {
        (sample.name, sample.labels.get("node")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["borderscout_core_revision", None] == 0
    assert found["borderscout_node_live", "lon1"] == 1
    assert found["borderscout_node_lag_revisions", "lon1"] == 0
    assert found["borderscout_node_live", "par1"] == 0
    assert found["borderscout_node_clock_skew_seconds", "lon1"] == 0
    assert found["borderscout_node_silence_seconds", "lon1"] == 0
    assert ("borderscout_node_silence_seconds", "par1") not in found
    assert found["borderscout_core_holds", "lon1"] == 1
    assert found["borderscout_core_held_messages", "lon1"] == 3
    assert found["borderscout_core_held_bytes", "lon1"] == 1234
    assert found["borderscout_core_damaged_recipients", "lon1"] == 0
    assert found["borderscout_core_frozen_recipients", "par1"] == 0
    assert ("borderscout_node_lag_revisions", "par1") not in found


async def test_a_node_of_nobodys_settings_is_not_shown(face: Face) -> None:
    stranger = ShardIdentity("mallory", 0, made_id(1))
    assert stranger.node not in face.services.link.fleet.sites

    assert len((await face.ask("GET", "/api/v1/status"))["nodes"]) == 2


async def test_mail_that_was_delivered_too_early_is_told_of_everywhere(face: Face) -> None:
    assert (await face.ask("GET", "/api/v1/status"))["late"]["messages"] == 0
    await face.database.preferences.publish([route()], who="test")
    named = {"engine": "clamav", "threat": "New.Threat", "definitions": "27808"}
    await face.database.records.take(
        identity(),
        [
            accepted(1, made_id(1)),
            record(2, "scanned", made_id(1), verdicts=[], digests=["ab" * 32]),
            ended(3, made_id(1), "delivered"),
            record(4, "condemned", made_id(2), digests=["ab" * 32], **named),
        ],
    )

    found = await face.ask("GET", "/api/v1/reports/late")
    status = (await face.ask("GET", "/api/v1/status"))["late"]
    page = (await face.stranger.get("/metrics")).text

    assert found["messages"] == 1
    (acme,) = found["customers"]
    assert acme["customer"] == "acme"
    assert acme["messages"][0]["recipients"][0]["address"] == "x@acme.example"
    assert (status["messages"], status["silenced"]) == (1, [])
    assert status["newest"] is not None
    assert "borderscout_core_late_messages 1.0" in page
    assert (await face.ask("GET", "/api/v1/reports/late?customer=globex"))["customers"] == []


async def test_a_node_that_follows_a_later_core_is_shown_until_a_later_epoch_begins(
    face: Face,
) -> None:
    theirs = Position(Epoch(7, "77777777-7777-4777-8777-777777777777"), 40)
    face.hear(applied=theirs)

    (other,) = (await face.ask("GET", "/api/v1/status"))["other_epochs"]
    metrics = (await face.stranger.get("/metrics")).text
    renewed = await face.ask("POST", "/api/v1/epoch", json={})

    assert (other["node"], other["generation"], other["near"]) == ("lon1", 7, True)
    assert "borderscout_core_other_epochs 1.0" in metrics
    assert renewed["generation"] == 8
    assert (await face.ask("GET", "/api/v1/status"))["other_epochs"] == []
    (entry, *_) = (await face.ask("GET", "/api/v1/audit"))["entries"]
    assert (entry["what"], entry["detail"]) == ("epoch.renew", "generation 8 after 1")


async def test_an_epoch_that_is_not_later_is_refused(face: Face) -> None:
    problem = await face.refused(400, "POST", "/api/v1/epoch", json={"generation": 1})

    assert "not later than 1" in problem["title"]
    assert face.database.epoch.generation == 1


async def test_how_much_quarantined_mail_of_each_node_there_is_is_shown(face: Face) -> None:
    room = face.services.database.cases.room
    room.bytes_max = 5_000
    await room.know(now_s=face.services.clock.monotonic_s())
    room.changed("lon1", 1_200)

    shown = (await face.ask("GET", "/api/v1/status"))["quarantine"]

    assert shown == {"bytes_by_node": {"lon1": 1_200}, "bytes_per_node_max": 5_000}
