"""Mail goes in at any site and comes out as the policies say, and the core knows why."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from pathlib import Path

import pytest

from tests.support.cluster.town import NODES, SENDER, Town, header_of, message
from tests.support.smtp import corpus
from tests.support.smtp.anatomy import gid_of
from tests.support.smtp.corpus import Expectation
from tests.support.smtp.senders import smtp_source, swaks
from tests.support.witnesses.checker import check
from tests.support.witnesses.ledger import read_lines
from tests.support.witnesses.load import letters, marked

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY = "tls/authority.crt"

STATES = {
    Expectation.DELIVER: "delivered",
    Expectation.MARK: "delivered",
    Expectation.QUARANTINE: "quarantined",
}


@pytest.mark.parametrize("node", NODES)
async def test_mail_that_swaks_sends_to_a_site_arrives(town: Town, node: str) -> None:
    recipient = f"swaks-{node}@fjord.example"

    sent = await swaks(town.cluster.smtp(node), sender=SENDER, recipients=[recipient])
    (known,) = await town.cluster.ended(recipient)

    assert sent.final_reply.startswith("250 2.0.0"), sent
    assert (known["node"], known["recipients"][0]["state"]) == (node, "delivered")
    assert [one.recipients for one in town.arrived(recipient)] == [(recipient,)]


async def test_mail_that_comes_over_tls_arrives_and_says_so(town: Town) -> None:
    recipient = "tls@fjord.example"
    context = ssl.create_default_context(cafile=town.cluster.config("rom1").parent / AUTHORITY)
    context.check_hostname = False  # the certificate has the node's name, and we ask loopback

    def send() -> None:
        with smtplib.SMTP(*town.cluster.smtp("rom1"), timeout=30) as client:
            client.starttls(context=context)
            client.sendmail(SENDER, [recipient], message())

    await asyncio.to_thread(send)
    arrival = await town.arrival(recipient)

    assert "with ESMTPS id" in header_of(arrival)["received"]


async def test_what_postfix_sends_arrives_in_full(town: Town) -> None:
    sent = await smtp_source(
        town.cluster.smtp("rom1"),
        sender=SENDER,
        recipient="source@tiber.example",
        messages=40,
        sessions=8,
        message_bytes=5000,
    )
    known = await town.cluster.ended("source@tiber.example", count=40)

    assert sent.returncode == 0, sent
    assert len(town.arrived("source@tiber.example")) == 40
    assert {one["shard"] for one in known} <= {0, 1}


@pytest.mark.parametrize(("program", "added"), [("swaks", b""), ("smtp-source", b"\r\n")])
async def test_real_mail_from_other_people_s_programs_arrives_unchanged(
    town: Town, tmp_path: Path, program: str, added: bytes
) -> None:
    recipient = f"by-{program}@fjord.example"
    names = [
        name
        for name in corpus.everyday_names()
        if corpus.expectation(name) is Expectation.DELIVER
        and not corpus.message(name)[:1].isspace()
    ][:16]
    bodies = {name: corpus.message(name).partition(b"\r\n\r\n")[2] for name in names}
    file = tmp_path / "message"

    for name in names:
        # Both end a file's last line themselves; smtp-source puts an empty line after it.
        data = marked(corpus.message(name), name).removesuffix(b"\r\n")
        if program == "swaks":
            file.write_bytes(data)
            sent = await swaks(
                town.cluster.smtp("osl1"), sender=SENDER, recipients=[recipient], data=file
            )
            assert sent.final_reply.startswith("250 2.0.0"), (name, sent)
        else:
            file.write_bytes(data.replace(b"\r\n", b"\n"))
            sent = await smtp_source(
                town.cluster.smtp("osl1"), sender=SENDER, recipient=recipient, content=file
            )
            assert sent.returncode == 0, (name, sent)
    await town.cluster.ended(recipient, count=len(names))

    arrived = {
        gid_of(one.data): one.data.partition(b"\r\n\r\n")[2] for one in town.arrived(recipient)
    }
    assert set(arrived) == set(names)
    assert [name for name in names if arrived[name] != bodies[name] + added] == []


async def test_real_mail_comes_out_as_expected_and_unchanged_below_the_header(
    town: Town, tmp_path: Path
) -> None:
    names = corpus.names()
    pile = list(
        letters(map(corpus.message, names), run="corpus", recipients=["x@sea.fjord.example"])
    )
    by_gid = {letter.gid: name for letter, name in zip(pile, names, strict=True)}
    ledger = tmp_path / "ledger.jsonl"

    await town.send_pile(pile, ledger)
    await town.cluster.at_rest()
    export = await town.cluster.export("sea.fjord.example")
    arrived = [line for line in town.sink.lines if "x@sea.fjord.example" in line["recipients"]]

    lines = read_lines(ledger)
    found = check(ledger=lines, arrived=arrived, **export)
    assert found == [], "\n".join(map(str, found))
    tracked = {known["sha256"]: known for known in export["messages"]}
    replies = {line["gid"]: line["reply"] for line in lines if line["kind"] == "reply"}
    for sending in (line for line in lines if line["kind"] == "send"):
        name = by_gid[sending["gid"]]
        expected = corpus.expectation(name)
        if expected is Expectation.REFUSE:
            assert replies[sending["gid"]].startswith("5"), name
            continue
        (recipient,) = tracked[sending["sha256"]]["recipients"]
        assert recipient["state"] == STATES[expected], name
        finding = corpus.specimen(name).finding
        assert recipient["reason"].startswith(finding or "clean"), (name, recipient)


async def test_a_virus_is_quarantined_and_held_whole_at_the_core(town: Town) -> None:
    data = corpus.message("eicar-in-zip-in-zip")

    known = await town.deliver("cph1", "virus@fjord.example", data=data)
    await town.cluster.held(known["id"])
    said = await town.cluster.run(
        "quarantine", "show", known["id"], "--save", town.folder / "saved.eml", "--json"
    )

    assert known["recipients"][0]["state"] == "quarantined"
    assert "Eicar" in known["recipients"][0]["reason"]
    assert (town.folder / "saved.eml").read_bytes() == data
    assert said.json()["reason"] == "virus"
    assert town.arrived("virus@fjord.example") == []


async def test_lines_that_pretend_to_be_ours_are_taken_out(town: Town) -> None:
    data = marked(corpus.message("forged-lines-of-ours"), "forged")

    known = await town.deliver("osl1", "forged@fjord.example", data=data)
    arrival = await town.arrival("forged@fjord.example")

    header = header_of(arrival)
    assert header["x-borderscout"] == (
        f"id={known['id']}; node=osl1; revision={known['revision']}; disposition=deliver"
    )
    assert not [name for name in header if name.startswith("x-borderscout") and "again" in name]
    assert header["authentication-results"] == "mx.scout.example; none"
    assert header["authentication-results again"] == "other.example; spf=fail"
    assert b"bank.example; spf=pass" not in arrival.data
    assert b"score=-100" not in arrival.data


async def test_two_recipients_of_one_message_end_as_each_one_s_policy_says(town: Town) -> None:
    said = await town.cluster.run(
        "policy", "set", "customer/tiber", "macro=quarantine", "subject_tag=", "--json"
    )
    await town.cluster.applied(said.json()["revision"])

    known = await town.deliver(
        "rom1",
        "letters@fjord.example",
        "letters@tiber.example",
        data=corpus.message("word-with-macro"),
    )
    arrival = await town.arrival("letters@fjord.example")

    assert {one["address"]: one["state"] for one in known["recipients"]} == {
        "letters@fjord.example": "delivered",
        "letters@tiber.example": "quarantined",
    }
    assert arrival.recipients == ("letters@fjord.example",)
    assert b"tiber" not in arrival.data
    held = await town.cluster.held(known["id"])
    assert held["recipients"] == ["letters@tiber.example"]


async def test_track_explains_verdicts_what_decided_and_the_reply(town: Town) -> None:
    recipient = "why@fjord.example"
    known = await town.deliver(
        "rom1", recipient, data=message("Why", Message_ID="<why.1@sender.example>")
    )

    for query in (known["id"], "<why.1@sender.example>", recipient):
        (told,) = (await town.cluster.run("track", query, "--json")).lines()
        assert told == known

    assert [event["event"] for event in known["events"]] == [
        "accepted",
        "scanned",
        "judged",
        "attempted",
        "ended",
    ]
    (yara,) = [verdict for verdict in known["verdicts"] if verdict["by"] == "yara"]
    assert yara["outcome"] == "clean"
    assert yara["version"]
    (ended,) = known["recipients"]
    assert (ended["state"], ended["attempts"]) == ("delivered", 1)
    assert ended["reason"]
    assert ended["reply"].startswith("250 2.0.0 Ok: taken as")
    shown = await town.cluster.run("track", recipient)
    assert (known["id"] in shown.out, "delivered" in shown.out) == (True, True)


async def test_a_customer_s_refusal_is_tracked_and_told_to_the_sender(town: Town) -> None:
    known = await town.deliver("osl1", "refuse-me@fjord.example", sender="told@sender.example")
    notice = await town.arrival("told@sender.example")

    (ended,) = known["recipients"]
    assert (ended["state"], ended["reply"][:9]) == ("bounced", "550 5.1.1")
    assert notice.sender == ""
    assert b"Content-Type: message/delivery-status" in notice.data
    assert b"550 5.1.1 This mailbox refuses mail" in notice.data


async def test_the_null_sender_is_never_told(town: Town) -> None:
    known = await town.deliver("osl1", "refuse-null@fjord.example", sender="")

    assert known["recipients"][0]["state"] == "bounced"
    assert "bounce_made" not in {event["event"] for event in known["events"]}


async def test_mail_for_a_stranger_is_refused(town: Town) -> None:
    sent = await swaks(town.cluster.smtp("cph1"), sender=SENDER, recipients=["x@elsewhere.example"])

    assert sent.final_reply.startswith("550 5.7.1"), sent
    assert await town.cluster.track("x@elsewhere.example") == []


async def test_a_search_that_finds_nothing_says_where_it_looked(town: Town) -> None:
    said = await town.cluster.run("track", "nobody@fjord.example")

    assert said.status == 0
    assert (said.out + said.err).startswith("nothing known of nobody@fjord.example (looked at: ")


async def test_the_records_of_all_shards_are_without_a_hole(town: Town) -> None:
    await town.cluster.at_rest()

    records = town.cluster.records()

    assert {(one["node"], one["shard"]) for one in records} == {
        ("osl1", 0),
        ("rom1", 0),
        ("rom1", 1),
        ("cph1", 0),
    }
    assert check(ledger=[], arrived=[], messages=[], records=records) == []
