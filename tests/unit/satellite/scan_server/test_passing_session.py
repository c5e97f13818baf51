"""Mail that passes: each answer is the next hop's, and comes when the next hop has given it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from common.preferences import Document, Kind
from common.preferences.documents import canonical_json
from common.verdict import Outcome
from tests.support.smtp.front_end import Talk
from tests.support.smtp.next_hop import CLOSE, NextHop, Say
from tests.support.smtp.passing import RunningPassing, passing

X, Y = "x@acme.example", "y@acme.example"
CONTENT = b"From: <a@sender.example>\r\nSubject: hello\r\n\r\nwords\r\n"
DEADLINE_S = 20.0
EHLO = b"250-hop.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n"


def policy(scope: str, *, virus: str) -> Document:
    return Document(Kind.POLICY, scope, 1, canonical_json({"virus": virus}))


async def offer(talk: Talk, *recipients: str, mail: str = "MAIL FROM:<a@sender.example>") -> None:
    """Come as far as 354."""
    answer = await talk.ask(mail)
    assert answer.startswith("250"), answer
    for recipient in recipients or (X,):
        await talk.ask(f"RCPT TO:<{recipient}>")
    answer = await talk.ask("DATA")
    assert answer.startswith("354"), answer


async def send(talk: Talk, *recipients: str, content: bytes = CONTENT) -> str:
    """Send a message; return the first answer to its end."""
    await offer(talk, *recipients)
    await talk.send(content + b".\r\n")
    return await talk.reply()


def hop_at(hop: NextHop) -> str:
    return f"127.0.0.1:{hop.port}"


async def test_nothing_is_acknowledged_before_the_next_hop_has_it(tmp_path: Path) -> None:
    hop = NextHop(dot=Say(b"250 2.0.0 Mine now\r\n", "wait"))
    async with hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()
        await offer(talk)
        await talk.send(CONTENT + b".\r\n")
        await hop.until(lambda: bool(hop.taken))

        answer = asyncio.create_task(talk.reply())
        await here.clock.advance(60.0)
        assert not answer.done()
        hop.go_on()
        assert await answer == "250 2.0.0 Mine now"


async def test_nothing_leaves_before_it_is_scanned(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        here.rooms.goes_on.clear()
        talk = await here.client()
        await offer(talk)
        await talk.send(CONTENT + b".\r\n")
        await asyncio.wait_for(here.rooms.asked.wait(), DEADLINE_S)

        assert "DATA" not in hop.verbs
        here.rooms.goes_on.set()
        assert await talk.reply() == "250 2.0.0 Taken"
        assert hop.taken[0].data.endswith(CONTENT)


@pytest.mark.parametrize(
    ("verb", "said", "heard"),
    [
        ("MAIL", b"451 4.3.2 Later\r\n", "451 4.3.2 Later"),
        ("MAIL", b"421 4.3.2 Going down\r\n", "451 4.3.2 Going down"),
        ("RCPT", b"550 5.1.1 Nobody\r\n", "550 5.1.1 Nobody"),
        ("RCPT", b"450-4.2.0 Grey\r\n450 list\r\n", "450-4.2.0 Grey\n450 list"),
        ("DATA", b"452 4.3.1 Full\r\n", "452 4.3.1 Full"),
        ("dot", b"554 5.6.0 No\r\n", "554 5.6.0 No"),
        ("dot", b"451 4.3.0 Later\r\n", "451 4.3.0 Later"),
        ("dot", b"what\r\n", "451 4.4.2 The next server did not finish; try again later"),
        ("dot", CLOSE, "451 4.4.2 The next server did not finish; try again later"),
    ],
)
async def test_what_the_next_hop_answers_is_the_answer(
    tmp_path: Path, verb: str, said: bytes | Say, heard: str
) -> None:
    hop = NextHop()
    hop.script[verb] = said
    async with hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()
        answers = [await talk.ask("MAIL FROM:<a@sender.example>")]
        if answers[-1].startswith("250"):
            answers.append(await talk.ask(f"RCPT TO:<{X}>"))
        if answers[-1].startswith("250"):
            assert (await talk.ask("DATA")).startswith("354")
            await talk.send(CONTENT + b".\r\n")
            answers.append(await talk.reply())

        assert answers[-1] == heard
        assert await talk.ask("NOOP") == "250 2.0.0 OK"  # the session goes on


async def test_a_next_hop_that_is_away_is_451_before_the_content_is_taken(tmp_path: Path) -> None:
    hop = NextHop()
    await hop.start()
    await hop.stop()
    async with passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()

        answer = await talk.ask("MAIL FROM:<a@sender.example>")

    assert answer == "451 4.4.1 The next server does not answer; try again later"


async def test_a_client_that_leaves_while_it_is_scanned_has_sent_nothing(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        here.rooms.goes_on.clear()
        talk = await here.client()
        await offer(talk)
        await talk.send(CONTENT + b".\r\n")
        await asyncio.wait_for(here.rooms.asked.wait(), DEADLINE_S)
        talk.reset()
        await hop.until(lambda: hop.open_sessions == 0)

        assert hop.taken == []
        assert "DATA" not in hop.verbs


async def test_a_next_hop_that_hung_up_meanwhile_is_asked_anew(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        here.rooms.goes_on.clear()
        talk = await here.client()
        await offer(talk, X, Y)
        await talk.send(CONTENT + b".\r\n")
        await asyncio.wait_for(here.rooms.asked.wait(), DEADLINE_S)
        await hop.stop()
        await hop.start()
        here.rooms.goes_on.set()

        assert await talk.reply() == "250 2.0.0 Taken"
        (taken,) = hop.taken
        assert taken.recipients == (X, Y)


async def test_a_stop_in_the_middle_of_a_scan_leaves_the_message_with_its_sender(
    tmp_path: Path,
) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        here.rooms.goes_on.clear()
        talk = await here.client()
        await offer(talk)
        await talk.send(CONTENT + b".\r\n")
        await asyncio.wait_for(here.rooms.asked.wait(), DEADLINE_S)
        await here.front.drain(0.0)

        assert await talk.reply() in ("", "421 4.3.2 Shutting down; try again later")
        assert hop.taken == []


async def test_a_scan_that_takes_too_long_is_451(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        here.rooms.goes_on.clear()
        talk = await here.client()
        await offer(talk)
        await talk.send(CONTENT + b".\r\n")
        await asyncio.wait_for(here.rooms.asked.wait(), DEADLINE_S)
        await here.clock.advance(91.0)

        assert await talk.reply() == "451 4.7.0 Not scanned in time; try again later"
        assert hop.taken == []


async def test_an_engine_that_is_away_is_451(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        here.rooms.outcome = Outcome.UNAVAILABLE

        answer = await send(await here.client())

        assert answer.startswith("451 4.7.0 Not scanned, since a scanner does not answer")
        assert hop.taken == []


async def test_what_no_engine_can_finish_is_not_brought_for_ever(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        here.rooms.outcome = Outcome.TIMEOUT
        talk = await here.client()

        answers = [await send(talk) for _ in range(3)]

        assert [answer[:3] for answer in answers] == ["451", "451", "250"]
        assert here.kept_files() == [".eml", ".json"]  # unscannable: quarantine
        assert hop.taken == []


async def test_a_virus_is_kept_and_the_sender_hears_250_when_it_is_on_the_disk(
    tmp_path: Path,
) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        here.rooms.outcome = Outcome.INFECTED

        answer = await send(await here.client())

        assert answer.startswith("250 2.0.0 Ok: kept as ")
        assert here.kept_files() == [".eml", ".json"]
        (octets,) = (tmp_path / "kept").glob("*.eml")
        assert octets.stem == answer.rpartition(" ")[2]
        assert b"disposition=quarantine" in octets.read_bytes()
        assert octets.read_bytes().endswith(CONTENT)
        assert hop.taken == []


async def test_when_nothing_more_can_be_kept_the_sender_keeps_it(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop), kept_bytes_max=100) as here:
        here.rooms.outcome = Outcome.INFECTED

        answer = await send(await here.client())

        assert answer == "452 4.3.1 Insufficient system storage; try again later"
        assert here.kept_files() == []
        assert hop.taken == []


async def test_before_the_queue_what_is_not_kept_is_refused(tmp_path: Path) -> None:
    async with (
        NextHop() as hop,
        passing(tmp_path, hop_at(hop), can_reject=True, keeps=False) as here,
    ):
        here.rooms.outcome = Outcome.INFECTED

        answer = await send(await here.client())

        assert answer == "550 5.7.1 Message refused: a virus was found in it"
        assert here.kept_files() == []


async def test_after_the_queue_nothing_is_refused_for_what_was_found(tmp_path: Path) -> None:
    documents = [policy("cluster", virus="reject")]
    async with NextHop() as hop, passing(tmp_path, hop_at(hop), documents=documents) as here:
        here.rooms.outcome = Outcome.INFECTED

        answer = await send(await here.client())

        assert answer.startswith("250 2.0.0 Ok: kept as ")


BOTH = [policy("cluster", virus="reject"), policy(f"recipient/{Y}", virus="mark")]


async def test_by_lmtp_each_recipient_has_an_answer(tmp_path: Path) -> None:
    async with (
        NextHop() as hop,
        passing(
            tmp_path,
            hop_at(hop),
            documents=BOTH,
            can_reject=True,
            keeps=False,
        ) as here,
    ):
        here.rooms.outcome = Outcome.INFECTED
        talk = await here.client("LHLO")

        first = await send(talk, X, Y)

        assert first == "550 5.7.1 Message refused: a virus was found in it"
        assert await talk.reply() == "250 2.0.0 Taken"
        (taken,) = hop.taken
        assert taken.recipients == (Y,)


async def test_by_smtp_what_is_refused_for_one_is_refused_for_all(tmp_path: Path) -> None:
    async with (
        NextHop() as hop,
        passing(
            tmp_path,
            hop_at(hop),
            documents=BOTH,
            can_reject=True,
            keeps=False,
        ) as here,
    ):
        here.rooms.outcome = Outcome.INFECTED

        answer = await send(await here.client(), X, Y)

        assert answer.startswith("550 5.7.1")
        assert hop.taken == []


async def test_copies_that_differ_go_one_after_the_other(tmp_path: Path) -> None:
    tagged = canonical_json({"subject_tag": "[X]"})
    documents = [
        policy("cluster", virus="mark"),
        Document(Kind.POLICY, f"recipient/{X}", 1, tagged),
    ]
    async with NextHop() as hop, passing(tmp_path, hop_at(hop), documents=documents) as here:
        here.rooms.outcome = Outcome.INFECTED

        answer = await send(await here.client(), X, Y)

        assert answer == "250 2.0.0 Taken"
        assert [taken.recipients for taken in hop.taken] == [(X,), (Y,)]
        assert [b"Subject: [X] hello" in taken.data for taken in hop.taken] == [True, False]
        assert hop.verbs.count("RSET") == 1


async def test_what_is_kept_for_one_is_forgotten_when_the_others_come_again(
    tmp_path: Path,
) -> None:
    documents = [policy(f"recipient/{Y}", virus="mark")]
    hop = NextHop(dot=b"451 4.3.0 Later\r\n")
    async with hop, passing(tmp_path, hop_at(hop), documents=documents) as here:
        here.rooms.outcome = Outcome.INFECTED

        answer = await send(await here.client(), X, Y)

        assert answer == "451 4.3.0 Later"
        assert here.kept_files() == []


async def test_by_lmtp_a_recipient_that_is_named_twice_has_two_answers(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client("LHLO")

        assert await send(talk, X, X) == "250 2.0.0 Taken"
        assert await talk.reply() == "250 2.0.0 Taken"
        assert hop.taken[0].recipients == (X,)
        assert b"by scan.example with LMTP id " in hop.taken[0].data


async def test_the_client_is_told_to_the_filters_and_to_the_next_hop(tmp_path: Path) -> None:
    hop = NextHop(EHLO=EHLO + b"250 XFORWARD NAME ADDR HELO\r\n", XFORWARD=b"250 Ok\r\n")
    async with hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()
        assert await talk.ask("XFORWARD ADDR=192.0.2.7 HELO=far.example") == "250 2.0.0 Ok"
        assert await talk.ask("XFORWARD NAME=[UNAVAILABLE]") == "250 2.0.0 Ok"
        await send(talk)
        await send(talk)  # whose client nobody has told

        first, second = (mail.envelope for mail in here.rooms.mails)
        assert (first.client_address, first.helo) == ("192.0.2.7", "far.example")
        assert (second.client_address, second.helo) == ("127.0.0.1", "mail.example")
        told = [line for line in hop.lines if line.startswith("XFORWARD")]
        assert told == ["XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.7 HELO=far.example"]
        assert b"from mail.example ([127.0.0.1])" in hop.taken[0].data  # who was here indeed


@pytest.mark.parametrize(
    "argument",
    ["", "ADDR", "ADDR=nonsense", "WHAT=x", "HELO=a+0D+0Ab", "ADDR=IPV6:999", "HELO=" + 300 * "x"],
)
async def test_a_client_that_is_told_wrongly_is_refused(tmp_path: Path, argument: str) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()

        assert (await talk.ask(f"XFORWARD {argument}")).startswith("501 ")


async def test_xclient_holds_for_the_session_which_begins_anew(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()
        assert (await talk.ask("XCLIENT ADDR=IPV6:2001:db8::7")).startswith("220 ")
        assert (await talk.ask("MAIL FROM:<>")).startswith("503 ")
        await talk.ask("EHLO mail.example")
        await send(talk)
        await send(talk)

        clients = [mail.envelope.client_address for mail in here.rooms.mails]
        assert clients == ["2001:db8::7", "2001:db8::7"]


async def test_nobody_else_may_use_it(tmp_path: Path) -> None:
    async with (
        NextHop() as hop,
        passing(tmp_path, hop_at(hop), clients=["127.0.0.1/32"]) as here,
    ):
        talk = await here.connect(source="127.0.0.9")

        assert await talk.ask("EHLO far.example") == "554 5.7.1 This server scans for others"
        assert await talk.is_closed()
        assert hop.taken == []


async def test_what_the_sender_wants_to_be_told_goes_on(tmp_path: Path) -> None:
    async with NextHop(EHLO=EHLO + b"250 SIZE 1000000\r\n") as hop:
        async with passing(tmp_path, hop_at(hop)) as here:
            talk = await here.client()
            mail = "MAIL FROM:<ä@sender.example> SIZE=600 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=7"
            assert (await talk.ask(mail)).startswith("250")
            rcpt = f"RCPT TO:<{X}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+2By@acme.example"
            assert (await talk.ask(rcpt)).startswith("250")

        asked = [line for line in hop.lines if line.startswith(("MAIL", "RCPT"))]
        assert asked == [mail, rcpt]


async def test_what_the_next_hop_does_not_take_is_not_offered(tmp_path: Path) -> None:
    async with NextHop(EHLO=b"250 hop.example\r\n") as hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.connect()
        offered = await talk.ask("EHLO mail.example")
        await talk.ask("MAIL FROM:<a@sender.example> SMTPUTF8")

        assert "PIPELINING" in offered
        assert not [word for word in ("8BITMIME", "SMTPUTF8", "DSN") if word in offered]
        assert await talk.ask("RCPT TO:<müller@acme.example>") == (
            "550 5.6.7 That recipient takes no SMTPUTF8"
        )


async def test_commands_that_come_at_once_are_answered_in_order(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()
        await talk.send(
            f"MAIL FROM:<a@sender.example>\r\nRCPT TO:<{X}>\r\nRCPT TO:<{Y}>\r\nDATA\r\n".encode()
        )
        answers = [await talk.reply() for _ in range(4)]
        await talk.send(CONTENT + b".\r\nQUIT\r\n")
        answers += [await talk.reply() for _ in range(2)]

        assert [answer[:3] for answer in answers] == ["250", "250", "250", "354", "250", "221"]
        assert len(hop.taken) == 1


async def test_whatever_mailbox_is_named_goes_on_as_it_came(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()
        await talk.ask("MAIL FROM:<root>")
        for path in ('"two words"@acme.example', "a%b@c", "postmaster", "x@[192.0.2.1]"):
            await talk.ask(f"RCPT TO:<{path}>")

        assert hop.lines[-5:] == [
            "MAIL FROM:<root>",
            'RCPT TO:<"two words"@acme.example>',
            "RCPT TO:<a%b@c>",
            "RCPT TO:<postmaster>",
            "RCPT TO:<x@[192.0.2.1]>",
        ]


async def test_a_large_message_is_in_a_file_and_leaves_none(tmp_path: Path) -> None:
    content = CONTENT + b"words\r\n" * 40_000
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        here.rooms.goes_on.clear()
        talk = await here.client()
        await offer(talk)
        await talk.send(content + b".\r\n")
        await asyncio.wait_for(here.rooms.asked.wait(), DEADLINE_S)
        assert [path for path in tmp_path.iterdir() if path.is_file()] != []
        here.rooms.goes_on.set()

        assert await talk.reply() == "250 2.0.0 Taken"
        assert here.rooms.samples == [content]
        assert hop.taken[0].data.endswith(content)
        assert [path for path in tmp_path.iterdir() if path.is_file()] == []


async def test_many_clients_at_once_have_each_their_own_way(tmp_path: Path) -> None:
    async def one(here: RunningPassing, number: int) -> str:
        talk = await here.client()
        return await send(talk, f"u{number}@acme.example", content=CONTENT + b"%d\r\n" % number)

    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        answers = await asyncio.gather(*(one(here, number) for number in range(40)))

        assert set(answers) == {"250 2.0.0 Taken"}
        for taken in hop.taken:
            number = int(taken.data.split(b"words\r\n")[1])
            assert taken.recipients == (f"u{number}@acme.example",)
        assert len(hop.taken) == 40


async def test_by_lmtp_what_cannot_be_kept_stays_with_its_sender(tmp_path: Path) -> None:
    documents = [policy(f"recipient/{Y}", virus="mark")]
    async with (
        NextHop() as hop,
        passing(tmp_path, hop_at(hop), documents=documents, kept_bytes_max=100) as here,
    ):
        here.rooms.outcome = Outcome.INFECTED
        talk = await here.client("LHLO")

        assert await send(talk, X, Y) == "452 4.3.1 Insufficient system storage; try again later"
        assert await talk.reply() == "250 2.0.0 Taken"
        assert hop.taken[0].recipients == (Y,)


async def test_by_smtp_nobody_gets_it_while_it_cannot_be_kept(tmp_path: Path) -> None:
    documents = [policy(f"recipient/{Y}", virus="mark")]
    async with (
        NextHop() as hop,
        passing(tmp_path, hop_at(hop), documents=documents, kept_bytes_max=100) as here,
    ):
        here.rooms.outcome = Outcome.INFECTED

        assert (await send(await here.client(), X, Y)).startswith("452 4.3.1 ")
        assert hop.taken == []


async def test_by_smtp_what_cannot_be_rejected_for_one_alone_is_kept_from_him(
    tmp_path: Path,
) -> None:
    async with (
        NextHop() as hop,
        passing(tmp_path, hop_at(hop), documents=BOTH, can_reject=True) as here,
    ):
        here.rooms.outcome = Outcome.INFECTED

        assert await send(await here.client(), X, Y) == "250 2.0.0 Taken"
        assert hop.taken[0].recipients == (Y,)
        assert here.kept_files() == [".eml", ".json"]


async def test_while_the_next_hop_thinks_the_clients_time_stands_still(tmp_path: Path) -> None:
    hop = NextHop(MAIL=Say(b"250 2.1.0 Ok\r\n", "wait"))
    async with hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()
        await talk.send(b"MAIL FROM:<a@sender.example>\r\n")
        await hop.until(lambda: "MAIL" in hop.verbs)
        await here.clock.advance(400.0)  # the patience with a silent client is 300 s
        hop.go_on()

        assert await talk.reply() == "250 2.1.0 Ok"


async def test_bare_newlines_are_mended_and_end_nothing(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()

        answer = await send(talk, content=b"Subject: x\r\n\r\none\n.\ntwo\r.\rthree\0\r\n")

        assert answer == "250 2.0.0 Taken"
        assert hop.taken[0].data.endswith(b"\r\n\r\none\r\n.\r\ntwo . three\r\n")


async def test_who_sends_too_slowly_is_sent_away_and_nothing_of_it_leaves(tmp_path: Path) -> None:
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client()
        await offer(talk)
        await talk.send(b"Subject: slow")
        await here.clock.advance(200.0)

        assert await talk.reply() == "421 4.4.2 Message data came too slowly"
        await hop.until(lambda: hop.open_sessions == 0)
        assert hop.taken == []
        assert here.rooms.samples == []


async def test_by_lmtp_a_message_that_is_not_taken_has_an_answer_for_each_recipient(
    tmp_path: Path,
) -> None:
    """One too few, and the client would take the next 250 for an acceptance."""
    async with (
        NextHop() as hop,
        passing(tmp_path, hop_at(hop), message_bytes_max=65_536) as here,
    ):
        talk = await here.client("LHLO")
        first = await send(talk, X, Y, content=CONTENT + b"words\r\n" * 10_000)

        assert first.startswith("552 5.3.4 ")
        assert (await talk.reply()).startswith("552 5.3.4 ")
        assert await talk.ask("NOOP") == "250 2.0.0 OK"
        assert hop.taken == []


async def test_a_defect_of_ours_is_451_for_each_recipient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("satellite.scan_server.passing_session.CopyContent", broken)
    async with NextHop() as hop, passing(tmp_path, hop_at(hop)) as here:
        talk = await here.client("LHLO")

        assert await send(talk, X, Y) == "451 4.3.0 Local error; try again later"
        assert await talk.reply() == "451 4.3.0 Local error; try again later"
        assert await talk.ask("NOOP") == "250 2.0.0 OK"
        assert hop.taken == []


async def test_from_lmtp_to_lmtp_each_recipient_has_its_own_answer(tmp_path: Path) -> None:
    hop = NextHop(
        LHLO=b"250-hop.example\r\n250 PIPELINING\r\n",
        dot=b"250 2.1.5 x has it\r\n452 4.2.2 y is full\r\n",
    )
    async with hop, passing(tmp_path, f"lmtp:{hop_at(hop)}") as here:
        talk = await here.client("LHLO")

        assert await send(talk, X, Y) == "250 2.1.5 x has it"
        assert await talk.reply() == "452 4.2.2 y is full"


async def test_from_smtp_to_lmtp_who_is_put_off_puts_off_all(tmp_path: Path) -> None:
    hop = NextHop(LHLO=b"250 hop.example\r\n", dot=b"250 2.1.5 x has it\r\n452 4.2.2 y is full\r\n")
    async with hop, passing(tmp_path, f"lmtp:{hop_at(hop)}") as here:
        assert await send(await here.client(), X, Y) == "452 4.2.2 y is full"
