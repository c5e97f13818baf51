"""Who operates the cluster has commands for it, and each does what it says."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from common.exit_status import WRONG_SETTINGS
from tests.support.cluster.cluster import CORE
from tests.support.cluster.commands import run
from tests.support.cluster.town import NODES, Town, header_of, message, queued_as
from tests.support.metrics_page import labels_of_a_scrape, labels_on_the_page
from tests.support.network.ports import free_port
from tests.support.node.processes import Process
from tests.support.smtp import corpus
from tests.support.smtp.delivery_status import read_status
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TAG = "[watch out] "


async def change(town: Town, *arguments: str | Path) -> int:
    """Run a command that publishes, wait until all have applied it, and return its revision."""
    found = (await town.cluster.run(*arguments, "--json")).json()
    revision = int(found["revision"])
    await town.cluster.applied(revision)
    return revision


async def subjects(town: Town, name: str, subject: str) -> set[str]:
    """Send one message at each site, and return the subjects that arrive."""
    found = set()
    for node in NODES:
        recipient = f"{name}-{node}@fjord.example"
        await town.deliver(node, recipient, data=message(subject))
        found.add(header_of(await town.arrival(recipient))["subject"])
    return found


async def test_a_policy_changes_the_next_message_at_all_sites_and_a_rollback_changes_it_back(
    town: Town,
) -> None:
    before = await change(town, "list", "add", "white", "cluster", "nobody.example")
    documents = town.folder / "rule.json"
    body = {"field": "subject", "pattern": "(?i)lottery", "score": 6.0}
    documents.write_text(json.dumps([{"kind": "rule", "key": "lottery", "body": body}]))

    assert await subjects(town, "before", "The lottery") == {"The lottery"}
    await change(town, "policy", "apply", documents)
    revision = await change(town, "policy", "set", "customer/fjord", f"subject_tag={TAG}")
    status = (await town.cluster.run("status", "--json")).json()
    assert {node["node"]: node["applied"] for node in status["nodes"]} == dict.fromkeys(
        NODES, revision
    )
    assert await subjects(town, "during", "The lottery") == {f"{TAG}The lottery"}
    await change(town, "policy", "set", "customer/fjord", "score.quarantine=6")
    known = await town.deliver("cph1", "x@fjord.example", data=message("The lottery"))
    assert known["recipients"][0]["state"] == "quarantined"
    assert "RULE_LOTTERY:6.0" in known["recipients"][0]["reason"]
    await change(town, "policy", "rollback", str(before))
    assert await subjects(town, "after", "The lottery") == {"The lottery"}

    history = (await town.cluster.run("policy", "history", "--json")).lines()
    assert [one["revision"] for one in history] == list(range(history[0]["revision"], 0, -1))


async def test_policies_are_shown_and_explained(town: Town) -> None:
    await change(town, "policy", "set", "recipient/boss@tiber.example", "macro=drop")

    said = await town.cluster.run("policy", "show", "recipient/boss@tiber.example", "--json")
    explained = await town.cluster.run("policy", "explain", "boss@tiber.example", "--json")
    known = await town.deliver("osl1", "boss@tiber.example", data=corpus.message("word-with-macro"))

    assert said.json()["values"] == {"macro": "drop"}
    (macro,) = [one for one in explained.json()["policy"] if one["key"] == "macro"]
    assert (macro["value"], macro["from"]) == ("drop", "recipient/boss@tiber.example")
    (ended,) = known["recipients"]
    assert ended["state"] == "dropped"
    assert "policy macro=drop (recipient/boss@tiber.example)" in ended["reason"]


async def test_what_a_policy_cannot_say_is_refused_in_one_line(town: Town) -> None:
    wrong_value = await town.cluster.run("policy", "set", "cluster", "virus=eat")
    wrong_key = await town.cluster.run("policy", "set", "cluster", "vrius=drop")
    bad = town.folder / "bad.json"
    body = {"field": "subject", "pattern": "(unclosed", "score": 1.0}
    bad.write_text(json.dumps([{"kind": "rule", "key": "bad", "body": body}]))
    bad_rule = await town.cluster.run("policy", "apply", bad)

    assert (wrong_value.status, wrong_key.status, bad_rule.status) == (2, 2, 1)
    for said in (wrong_value, wrong_key, bad_rule):
        assert said.out == ""
        assert len(said.err.splitlines()) == 1, said.err
    assert "unclosed" in bad_rule.err or "missing" in bad_rule.err


async def test_a_list_entry_counts_until_it_is_removed(town: Town) -> None:
    entry = ("black", "customer/fjord", "pest@sender.example")

    await change(town, "list", "add", *entry, "--reason", "asked us to")
    shown = (await town.cluster.run("list", "show", "black", "--json")).lines()
    stopped = await town.deliver("rom1", "x@fjord.example", sender="pest@sender.example")
    other = await town.deliver("rom1", "x@tiber.example", sender="pest@sender.example")
    await change(town, "list", "remove", *entry)
    passed = await town.deliver("rom1", "x@fjord.example", sender="pest@sender.example")

    assert [(one["pattern"], one["reason"]) for one in shown] == [
        ("pest@sender.example", "asked us to")
    ]
    assert stopped["recipients"][0]["state"] == "quarantined"
    reason = stopped["recipients"][0]["reason"]
    assert "black customer/fjord pest@sender.example (added by admin): asked us to" in reason
    assert [one["recipients"][0]["state"] for one in (other, passed)] == ["delivered"] * 2


async def test_a_release_that_is_clicked_twice_is_delivered_once(town: Town) -> None:
    recipient = "release@fjord.example"
    data = corpus.message("eicar-plain")
    known = await town.deliver("rom1", recipient, data=data)
    await town.cluster.held(known["id"])

    said = await asyncio.gather(
        *(town.cluster.run("quarantine", "release", known["id"], "--json") for _ in range(2))
    )
    arrival = await town.arrival(recipient)
    await town.cluster.at_rest()

    assert len({one.json()["id"] for one in said}) == 1
    assert arrival.data.endswith(data)
    assert len(town.arrived(recipient)) == 1
    released = [one for one in await town.cluster.track(recipient) if one["released_from"]]
    assert [one["released_from"] for one in released] == [known["id"]]
    shown = (await town.cluster.run("quarantine", "show", known["id"], "--json")).json()
    assert shown["state"] == "released"


async def test_what_is_deleted_from_the_quarantine_is_gone_for_good(town: Town) -> None:
    known = await town.deliver(
        "osl1", "delete@tiber.example", data=corpus.message("eicar-attached")
    )
    await town.cluster.held(known["id"])
    cases = await town.cluster.run("quarantine", "list", "--recipient", "delete@tiber.example")

    deleted = await town.cluster.run("quarantine", "delete", known["id"], "--yes", "--json")
    released = await town.cluster.run("quarantine", "release", known["id"])
    saved = await town.cluster.run(
        "quarantine", "show", known["id"], "--save", town.folder / "deleted.eml"
    )

    assert known["id"] in cases.out
    assert deleted.json()["state"] == "deleted"
    assert (released.status, released.out) == (1, "")
    assert saved.status == 1
    assert not (town.folder / "deleted.eml").exists()


async def test_the_summary_counts_what_was_sent(town: Town) -> None:
    def counts(report: dict[str, Any]) -> dict[str, dict[str, int]]:
        return {group["name"]: group for group in report["groups"]}

    summary = ("report", "summary", "--by", "site", "--json")
    before = counts((await town.cluster.run(*summary)).json())
    await town.deliver("cph1", "one@fjord.example", "two@fjord.example")
    await town.deliver("cph1", "x@fjord.example", data=corpus.message("eicar-plain"))
    report = (await town.cluster.run(*summary)).json()
    after = counts(report)

    grown = {
        name: after["copenhagen"][name] - before.get("copenhagen", {}).get(name, 0)
        for name in ("accepted", "delivered", "quarantined", "in_progress")
    }
    assert grown == {"accepted": 3, "delivered": 2, "quarantined": 1, "in_progress": 0}
    assert "Eicar-Test-Signature" in {threat["name"] for threat in report["threats"]}
    for by in ("day", "customer", "domain"):
        said = await town.cluster.run("report", "summary", "--by", by)
        assert (said.status, "total" in said.out) == (0, True)


async def test_the_spool_shows_what_waits_for_a_customer_and_tries_it_when_told(
    town: Town,
) -> None:
    config = town.cluster.config("cph1")
    await town.sink.stop()
    heard = await town.send("cph1", "waits@tiber.example")
    message_id = queued_as(heard)

    async def look() -> dict[str, Any] | None:
        (found,) = (await run("spool", "show", message_id, "--config", config, "--json")).lines()
        return found if found["recipients"][0]["state"] in ("held", "deferred") else None

    try:
        shown = await until(look, "the delivery was tried in vain")
        listed = (await run("spool", "list", "--config", config, "--json")).lines()
    finally:
        await town.sink.start()
    flushed = await run("spool", "flush", "--config", config)
    await town.arrival("waits@tiber.example")
    await town.cluster.ended(message_id)
    gone = await run("spool", "show", message_id, "--config", config)

    assert shown["recipients"][0]["reason"]
    assert [one["id"] for one in listed] == [message_id]
    assert flushed.status == 0
    assert (gone.status, "track" in gone.err) == (1, True)


async def test_a_body_that_was_lost_on_a_node_is_found_and_its_sender_is_told_to_send_again(
    town: Town,
) -> None:
    config = town.cluster.config("cph1")
    sender = "lost@sender.example"
    await town.sink.stop()
    try:
        heard = await town.send(
            "cph1", "lost@tiber.example", data=message(text="x\r\n" * 30_000), sender=sender
        )
        message_id = queued_as(heard)

        async def state() -> str:
            found = (await run("spool", "show", message_id, "--config", config, "--json")).lines()
            return str(found[0]["recipients"][0]["state"])

        await until(state_is(state, "held", "deferred"), "the delivery was tried in vain")
        (body,) = town.cluster.state("cph1").glob(f"shard-*/bodies/{message_id}")
        body.unlink()
    finally:
        await town.sink.start()
    await run("spool", "flush", message_id, "--config", config)
    await until(state_is(state, "damaged"), "the delivery finds that the body is gone")

    doctor = await run("doctor", "--config", config, "--json")
    unasked = await run("spool", "bounce", message_id, "--config", config)
    bounce = ("spool", "bounce", message_id, "--config", config, "--reason", "disk", "--yes")
    bounced = await run(*bounce, "--json")
    again = await run(*bounce)
    notice = await town.arrival(sender)
    (known,) = await town.cluster.ended(message_id)
    healed = await run("doctor", "--config", config, "--json")

    checks = [
        {one["name"]: one for one in map(json.loads, said.out.splitlines())}
        for said in (doctor, healed)
    ]
    assert not checks[0]["damaged mail"]["ok"]
    assert message_id in checks[0]["damaged mail"]["found"]
    assert checks[1]["damaged mail"]["ok"]
    assert (unasked.status, "--yes" in unasked.err) == (2, True)
    assert bounced.json()["told"]
    assert bounced.json()["content_lost"]
    assert (again.status, "track" in again.err) == (1, True)
    (group,) = read_status(notice.data).recipients
    assert (group["Final-Recipient"], group["Status"]) == ("rfc822; lost@tiber.example", "5.3.0")
    assert known["recipients"][0]["state"] == "bounced"
    assert "operator: disk" in known["recipients"][0]["reason"]


def state_is(look: Callable[[], Awaitable[str]], *wanted: str) -> Callable[[], Awaitable[bool]]:
    """Return the question whether a message is in one of these states."""

    async def is_there() -> bool:
        return await look() in wanted

    return is_there


async def test_the_doctor_looks_at_this_machine_a_node_and_the_core(town: Town) -> None:
    said = await town.cluster.run(
        "doctor", "--config", town.cluster.config("osl1"), "--url", town.cluster.url, "--json"
    )

    checks = {check["name"]: check for check in map(json.loads, said.out.splitlines())}
    assert said.status == (0 if all(check["ok"] for check in checks.values()) else 1)
    for name in ("sqlite", "settings", "link certificate", "SMTP certificate", "core"):
        assert checks[name]["ok"], checks[name]
    for node in NODES:
        assert checks[f"node {node}"]["ok"], checks[f"node {node}"]
    assert {"disk", "disk sync"} <= checks.keys()


async def test_a_command_that_finds_no_core_says_so_in_one_line(town: Town) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"

    away = await town.cluster.run("status", "--url", nowhere)
    unnamed = await run("status", env={"BORDERSCOUT_URL": "", "BORDERSCOUT_TOKEN": "x"})
    stranger = await run(
        "status", env={"BORDERSCOUT_URL": town.cluster.url, "BORDERSCOUT_TOKEN": "guessed"}
    )

    assert (away.status, unnamed.status, stranger.status) == (1, 2, 1)
    for said in (away, unnamed, stranger):
        assert (said.out, len(said.err.splitlines())) == ("", 1), said


@pytest.mark.parametrize("name", [CORE, *NODES])
async def test_everybody_tells_of_its_health_and_its_numbers(town: Town, name: str) -> None:
    pages = {path: await town.cluster.get(name, path) for path in ("/healthz", "/readyz")}
    status, text = await town.cluster.get(name, "/metrics")

    assert {path: page[0] for path, page in pages.items()} == {"/healthz": 200, "/readyz": 200}
    assert status == 200
    families = list(text_string_to_metric_families(text))
    assert families
    for family in families:
        assert family.name.startswith("borderscout_"), family.name
        if family.type == "counter":
            names = {sample.name for sample in family.samples}
            assert all(one.endswith(("_total", "_created")) for one in names), names
    on_the_page = labels_on_the_page("The core" if name == CORE else "A node")
    for metric, labels in labels_of_a_scrape(text).items():
        assert labels <= on_the_page[metric], metric


async def test_a_second_satellite_on_the_same_folder_waits_for_the_first_to_be_gone(
    town: Town,
) -> None:
    second = town.cluster.process_of("osl1")
    await second.start()
    try:
        await second.wait_for_line("spool.locked")
        await town.deliver("osl1", "first@fjord.example")
        assert await town.cluster.stop("osl1") == 0
        town.cluster.replace("osl1", second)
        await town.cluster.ready("osl1")
    except BaseException:
        await second.close()
        raise
    await town.deliver("osl1", "second@fjord.example")


async def test_a_wrong_inventory_gets_all_its_complaints_and_writes_nothing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(
        "cluster: {name: Bad Name, mail_domain: mx.scout.example, vpn: 10.66.0.0/16}\n"
        "core: {name: hub, public: 192.0.2.1, vpn_address: 10.66.0.1, colour: red}\n"
        "sites:\n"
        "  - name: oslo\n"
        "    location: [159.9, 10.7]\n"
        "    nodes: [{name: osl1, public: 192.0.2.2, vpn_address: 10.66.1.1}]\n"
        "customers: []\n"
    )

    said = await run("inventory", "render", file, "--out", tmp_path / "out", "--loopback")

    lines = said.err.splitlines()
    assert (said.status, said.out) == (1, "")
    assert not (tmp_path / "out").exists()
    for row, what in ((1, "Bad Name"), (2, "colour"), (5, "159.9")):
        assert any(line.startswith(f"{file}:{row}:") and what in line for line in lines), lines


async def test_wrong_settings_stop_the_start_with_every_complaint(
    town: Town, tmp_path: Path
) -> None:
    config = tmp_path / "satellite.yaml"
    text = town.cluster.config("osl1").read_text()
    config.write_text(text.replace("workers: 1", "workers: 99") + "colour: red\n")

    said = await run("satellite", "serve", "--config", config)

    assert said.status == WRONG_SETTINGS
    assert any("workers" in line for line in said.err.splitlines()), said.err
    assert any("colour" in line for line in said.err.splitlines()), said.err
    assert not (tmp_path / "state").exists()


@pytest_asyncio.fixture(loop_scope="module")
async def careless(town: Town) -> AsyncIterator[Town]:
    """Give the town with a core that publishes any pattern; the real one comes back at the end."""
    await town.cluster.stop(CORE)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.support.core.careless_core",
        town.cluster.config(CORE),
    ]
    process = Process(command, cwd=Path(__file__).parents[2])
    await process.start()
    town.cluster.replace(CORE, process)
    await town.cluster.ready(CORE)
    yield town
    await town.cluster.stop(CORE)
    await town.cluster.restart(CORE)


async def test_what_satellites_cannot_apply_is_refused_shown_and_does_no_harm(
    careless: Town,
) -> None:
    good = await change(careless, "policy", "set", "customer/fjord", "score.mark=7")
    body = {"field": "subject", "pattern": "(unclosed", "score": 6.0}
    slipped = careless.folder / "slipped.json"
    slipped.write_text(json.dumps([{"kind": "rule", "key": "slipped", "body": body}]))

    bad = (await careless.cluster.run("policy", "apply", slipped, "--json")).json()["revision"]

    async def look() -> list[dict[str, Any]] | None:
        nodes: list[dict[str, Any]] = (await careless.cluster.ask("GET", "/status"))["nodes"]
        return nodes if all(node["refused"] for node in nodes) else None

    for node in await until(look, "every node has refused it"):
        assert (node["applied"], node["lag"]) == (good, bad - good)
        refused = node["refused"]
        assert (refused["revision"], refused["kind"], refused["key"]) == (bad, "rule", "slipped")
    told = (await careless.cluster.run("status")).out
    assert f"refused revision {bad}: rule slipped" in told
    known = await careless.deliver("rom1", "good@fjord.example")
    assert known["revision"] == good
    slipped.write_text(json.dumps([{"kind": "rule", "key": "slipped", "removed": True}]))
    mended = await change(careless, "policy", "apply", slipped)
    nodes = (await careless.cluster.ask("GET", "/status"))["nodes"]
    assert [(node["applied"], node["refused"]) for node in nodes] == [(mended, None)] * 3
