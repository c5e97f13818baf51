"""The conversation, command by command, on a loopback socket."""

from __future__ import annotations

import re

import pytest

from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Notify, Return
from common.preferences import Document, Kind
from common.preferences.documents import NOTHING, canonical_json
from satellite.smtp import replies
from satellite.smtp.backpressure import OPEN_BELOW
from tests.support.smtp.front_end import HOSTNAME, MAIL_DOMAIN, front_end, until

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"
BIG = "SIZE=99999999999"


async def test_a_message_is_taken_and_its_id_is_in_the_reply() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()

        await talk.send(MESSAGE + b".\r\n")
        reply = await talk.reply()

        [taken] = front.intake.taken
        assert reply == f"250 2.0.0 Ok: queued as {taken.id}"
        assert taken.body == MESSAGE
        assert taken.envelope.sender == "s@sender.example"
        assert taken.envelope.recipients == ("x@acme.example",)
        assert taken.envelope.client_address == "127.0.0.1"
        assert taken.envelope.helo == "client.example"
        assert taken.trace.startswith(b"Received: from client.example ([127.0.0.1])\r\n\tby mx1.")
        assert b" with ESMTP id " + taken.id.encode() in taken.trace


async def test_a_session_over_ipv6_is_named_so_in_the_trace() -> None:
    async with front_end(host="::1") as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        await talk.send(MESSAGE + b".\r\n")
        await talk.reply()

        assert front.intake.taken[0].envelope.client_address == "::1"
        assert b"([IPv6:::1])" in front.intake.taken[0].trace


async def test_ehlo_offers_exactly_what_is_kept() -> None:
    async with front_end(message_bytes_max=1_000_000) as front, front.client() as talk:
        assert (await talk.greet()).split("\n") == [
            f"250-{HOSTNAME}",
            "250-PIPELINING",
            "250-SIZE 1000000",
            "250-8BITMIME",
            "250-SMTPUTF8",
            "250-ENHANCEDSTATUSCODES",
            "250 DSN",
        ]


async def test_what_the_sender_wants_to_hear_comes_into_the_envelope() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.ask("MAIL FROM:<a@b.example> RET=HDRS ENVID=a+2Bb")
        await talk.ask("RCPT TO:<x@acme.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;z@old.example")
        await talk.ask("RCPT TO:<y@acme.example>")
        await talk.ask("RCPT TO:<x@ACME.example> NOTIFY=NEVER")  # the same: the first counts
        assert (await talk.ask("DATA")).startswith("354")
        await talk.send(MESSAGE + b".\r\n")
        await talk.reply()

        envelope = front.intake.taken[0].envelope

    assert (envelope.returned, envelope.envelope_id) == (Return.HEADERS, "a+2Bb")
    assert envelope.recipients == ("x@acme.example", "y@acme.example")
    assert envelope.dsn_parameters == (
        DsnParameters(
            notify=frozenset({Notify.FAILURE, Notify.DELAY}), original="rfc822;z@old.example"
        ),
        NO_DSN_PARAMETERS,
    )


@pytest.mark.parametrize("policy", ["offer", "failure-only"])
async def test_strangers_are_told_of_success_where_the_policy_offers_it(policy: str) -> None:
    said = Document(Kind.POLICY, "domain/acme.example", 1, canonical_json({"dsn": policy}))
    async with front_end() as front, front.client() as talk:
        front.intake.preferences = front.intake.preferences.applied([said], position=NOTHING)
        await talk.greet()
        await talk.ask("MAIL FROM:<a@b.example> RET=FULL")
        for local, notify in (("x", "SUCCESS"), ("y", "SUCCESS,FAILURE"), ("z", "FAILURE,DELAY")):
            line = f"RCPT TO:<{local}@acme.example> NOTIFY={notify}"
            assert (await talk.ask(line)).startswith("250 ")
        await talk.ask("DATA")
        await talk.send(MESSAGE + b".\r\n")
        await talk.reply()
        envelope = front.intake.taken[0].envelope

    told = [sorted(dsn.notify) for dsn in envelope.dsn_parameters]
    if policy == "offer":
        assert told == [["SUCCESS"], ["FAILURE", "SUCCESS"], ["DELAY", "FAILURE"]]
        assert envelope.returned is Return.FULL
    else:
        assert told == [["NEVER"], ["FAILURE"], ["DELAY", "FAILURE"]]
        assert envelope.returned is Return.HEADERS


async def test_a_wish_to_be_told_that_cannot_be_used_loses_no_mail() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        for line in (
            "MAIL FROM:<a@b.example> ENVID=a+ RET=HALF SMTPUTF8",
            "RCPT TO:<m\u00fcller@acme.example> ORCPT=rfc822;m+C3+BCller@acme.example NOTIFY=NO",
        ):
            assert (await talk.ask(line)).startswith("250 ")
        assert (await talk.ask("DATA")).startswith("354")
        await talk.send(MESSAGE + b".\r\n")

        assert (await talk.reply()).startswith("250 2.0.0 ")
        (dsn,) = front.intake.taken[0].envelope.dsn_parameters
        assert dsn == DsnParameters(original=r"utf-8;m\x{FC}ller@acme.example")
        for parameter in ("ENVID", "RET", "NOTIFY"):
            count = front.count("borderscout_smtp_unused_parameters_total", parameter=parameter)
            assert count == 1


async def test_the_address_that_a_client_talks_to_has_a_postmaster() -> None:
    async with front_end(host="::1") as front, front.client() as talk:
        await talk.greet()
        await talk.open_data(recipient="postmaster@[IPv6:::1]")
        await talk.send(MESSAGE + b".\r\n")
        await talk.reply()

        assert front.intake.taken[0].envelope.recipients == (f"postmaster@{MAIL_DOMAIN}",)


async def test_two_250_are_two_recipients_though_both_fold_to_the_same() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.ask("MAIL FROM:<a@b.example> SMTPUTF8")
        named = ("straße@acme.example", "strasse@acme.example", "Strasse@acme.example")
        for address in named:
            assert (await talk.ask(f"RCPT TO:<{address}>")).startswith("250 2.1.5 ")
        await talk.ask("DATA")
        await talk.send(MESSAGE + b".\r\n")
        await talk.reply()

        assert front.intake.taken[0].envelope.recipients == named


# Each command path: what leads up to it, the command, the code that it must get.
EHLO = "EHLO a"
MAIL = "MAIL FROM:<a@b.example>"
RCPT = "RCPT TO:<x@acme.example>"
PATHS: list[tuple[list[str], str | bytes, str]] = [
    ([], "HELO a", "250"),
    ([], "HELO", "501"),
    ([], "EHLO", "501"),
    ([], "EHLO a b", "501"),
    ([], "EHLO ä", "501"),
    ([], MAIL, "503"),
    ([], RCPT, "503"),
    ([], "DATA", "503"),
    ([], "", "500"),
    ([], " NOOP", "500"),
    ([], "XYZZY", "500"),
    ([], b"\xff\xfe", "500"),
    ([], b"NOOP \x07", "500"),
    ([], b"NOOP " + b"x" * 4096, "500"),
    ([], "HELP", "214"),
    ([], "HELP MAIL", "214"),
    ([], "NOOP", "250"),
    ([], "NOOP whatever", "250"),
    ([], "RSET", "250"),
    ([], "RSET x", "501"),
    ([], "VRFY", "252"),
    ([], "VRFY x@listed.example", "252"),
    ([], "VRFY nobody@listed.example", "252"),
    ([], "EXPN list", "502"),
    ([], "AUTH PLAIN AGEAYg==", "502"),
    ([], "STARTTLS", "502"),
    ([], "BDAT 10 LAST", "500"),
    ([], "ETRN x", "500"),
    ([], "QUIT x", "501"),
    ([], "QUIT", "221"),
    ([EHLO], "AUTH LOGIN", "502"),
    ([EHLO], "MAIL", "501"),
    ([EHLO], "MAIL FROM", "501"),
    ([EHLO], "MAIL FROM:", "501"),
    ([EHLO], "MAIL TO:<a@b.example>", "501"),
    ([EHLO], MAIL, "250"),
    ([EHLO], "mail from: <a@b.example>", "250"),
    ([EHLO], "MAIL FROM:a@b.example", "250"),
    ([EHLO], "MAIL FROM:<>", "250"),
    ([EHLO], "MAIL FROM:<a>", "553"),
    ([EHLO], "MAIL FROM:<@relay.example:a@b.example>", "250"),
    ([EHLO], "MAIL FROM:<a@[127.0.0.1]>", "250"),
    ([EHLO], "MAIL FROM:<ä@b.example>", "553"),
    ([EHLO], "MAIL FROM:<ä@b.example> SMTPUTF8", "250"),
    ([EHLO], b"MAIL FROM:<\xff@b.example> SMTPUTF8", "501"),
    ([EHLO], f"{MAIL} SMTPUTF8=1", "501"),
    ([EHLO], f"{MAIL} {BIG}", "552"),
    ([EHLO], f"{MAIL} SIZE=1", "250"),
    ([EHLO], f"{MAIL} SIZE=x", "501"),
    ([EHLO], f"{MAIL} SIZE=1 SIZE=2", "501"),
    ([EHLO], f"{MAIL} BODY=8bitmime", "250"),
    ([EHLO], f"{MAIL} BODY=BINARYMIME", "501"),
    ([EHLO], f"{MAIL} RET=FULL", "250"),
    (["HELO a"], f"{MAIL} SIZE=1", "501"),
    ([EHLO, MAIL], MAIL, "503"),
    ([EHLO, MAIL], "DATA", "503"),
    ([EHLO, MAIL], RCPT, "250"),
    ([EHLO, MAIL], f"{RCPT} NOTIFY=NEVER", "250"),
    ([EHLO, MAIL], f"{RCPT} NOTIFY=NEVER,DELAY", "250"),
    ([EHLO, MAIL], f"{RCPT} ORCPT=x@acme.example", "250"),
    ([EHLO], f"{MAIL} RET=HALF", "250"),
    ([EHLO], f"{MAIL} ENVID=a+0A", "250"),
    ([EHLO, MAIL], f"{RCPT} FOO=1", "555"),
    ([EHLO, MAIL], "RCPT TO:<>", "553"),
    ([EHLO, MAIL], "RCPT FROM:<x@acme.example>", "501"),
    ([EHLO, MAIL], "RCPT TO:<x@elsewhere.example>", "550"),
    ([EHLO, MAIL], "RCPT TO:<x@listed.example>", "250"),
    ([EHLO, MAIL], "RCPT TO:<y@listed.example>", "550"),
    ([EHLO, MAIL], "RCPT TO:<ä@acme.example>", "553"),
    ([EHLO, MAIL, RCPT], "DATA x", "501"),
    ([EHLO, MAIL, RCPT], "DATA", "354"),
    ([EHLO, MAIL, RCPT, "RSET"], "DATA", "503"),
    ([EHLO, MAIL, RCPT, EHLO], "DATA", "503"),
]


@pytest.mark.parametrize(("before", "command", "code"), PATHS)
async def test_every_command_path_is_answered_with_an_enhanced_code_of_its_class(
    before: list[str], command: str | bytes, code: str
) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.reply()
        for line in before:
            assert (await talk.ask(line))[0] == "2"

        answer = await talk.ask(command)

        assert answer[:3] == code, answer
        word = command if isinstance(command, str) else ""
        if code[0] == "3" or (code == "250" and word.startswith(("HELO", "EHLO"))):
            return
        assert re.match(rf"{code} {code[0]}\.\d+\.\d+ ", answer), answer


def test_every_reply_of_ours_has_a_code_of_its_class() -> None:
    for reply in replies.ALL:
        if reply.code != 354:
            assert reply.status[0] == str(reply.code)[0], reply
        assert str(reply).isascii()


@pytest.mark.parametrize(
    ("said", "completed"),
    [
        ("250 OK", "250 2.0.0 OK\r\n"),
        ("502 EXPN not implemented", "502 5.5.1 EXPN not implemented\r\n"),
        ("421 4.7.0 NOOP sent too many times", "421 4.7.0 NOOP sent too many times\r\n"),
        ("220 Ready to start TLS", "220 2.0.0 Ready to start TLS\r\n"),
        ("599 odd", "599 5.0.0 odd\r\n"),
    ],
)
def test_what_aiosmtpd_says_gets_its_code(said: str, completed: str) -> None:
    assert str(replies.completed(said)) == completed


async def test_the_null_sender_is_the_empty_string() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data(sender="")
        await talk.send(MESSAGE + b".\r\n")
        await talk.reply()

        assert front.intake.taken[0].envelope.sender == ""


async def test_a_recipient_named_twice_is_one_however_its_domain_is_written() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.ask(MAIL)
        for spelling in ("Jane@Acme.Example", "Jane@acme.example", "Jane@ACME.EXAMPLE."):
            assert (await talk.ask(f"RCPT TO:<{spelling}>")).startswith("250 2.1.5")
        await talk.ask("DATA")
        await talk.send(MESSAGE + b".\r\n")
        await talk.reply()

        assert front.intake.taken[0].envelope.recipients == ("Jane@acme.example",)


async def test_the_flags_of_mail_are_in_the_envelope() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.ask("MAIL FROM:<jürgen@bücher.example> BODY=8BITMIME SMTPUTF8")
        assert (await talk.ask("RCPT TO:<bücher@bücher.example>")).startswith("250")
        await talk.ask("DATA")
        await talk.send("Subject: ä\r\n\r\nö\r\n.\r\n".encode())
        await talk.reply()

        [taken] = front.intake.taken
        assert taken.envelope.smtputf8
        assert taken.envelope.eight_bit
        assert taken.envelope.sender == "jürgen@xn--bcher-kva.example"
        assert taken.envelope.recipients == ("bücher@xn--bcher-kva.example",)
        assert taken.body == "Subject: ä\r\n\r\nö\r\n".encode()
        assert b" with UTF8SMTP id " in taken.trace


async def test_a_helo_session_is_traced_as_smtp() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.reply()
        await talk.ask("HELO old.example")
        await talk.open_data()
        await talk.send(MESSAGE + b".\r\n")
        await talk.reply()

        assert b" with SMTP id " in front.intake.taken[0].trace


async def test_a_group_is_answered_in_order() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.send(
            b"MAIL FROM:<a@b.example>\r\nRCPT TO:<x@acme.example>\r\n"
            b"RCPT TO:<x@elsewhere.example>\r\nDATA\r\n"
        )
        codes = [(await talk.reply())[:3] for _ in range(4)]
        assert codes == ["250", "250", "550", "354"]

        # RFC 2920: the dot may begin the next group.
        await talk.send(MESSAGE + b".\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n")
        codes = [(await talk.reply())[:3] for _ in range(4)]
        assert codes == ["250", "250", "250", "221"]
        assert await talk.is_closed()
        assert len(front.intake.taken) == 1


async def test_a_pipelined_data_behind_refused_recipients_is_answered_503() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.send(b"MAIL FROM:<>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n")

        codes = [(await talk.reply())[:3] for _ in range(3)]

        assert codes == ["250", "550", "503"]
        assert not front.intake.entries


async def test_two_messages_go_through_one_session() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        for number in range(2):
            await talk.open_data()
            await talk.send(b"%d\r\n.\r\n" % number)
            assert (await talk.reply()).startswith("250 2.0.0 Ok: queued as ")

        assert [taken.body for taken in front.intake.taken] == [b"0\r\n", b"1\r\n"]
        assert len({taken.id for taken in front.intake.taken}) == 2
        assert front.count("borderscout_messages_received_total") == 2
        assert front.count("borderscout_messages_bytes_total") == 6
        assert front.count("borderscout_smtp_replies_total", verb="DATA", code="354") == 2
        assert front.count("borderscout_smtp_connections_total", result="accepted") == 1
        assert front.count("borderscout_smtp_sessions") == 1


async def test_mail_for_postmaster_is_taken_without_a_domain() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data(recipient="PostMaster")
        await talk.send(MESSAGE + b".\r\n")
        await talk.reply()

        assert front.intake.taken[0].envelope.recipients == (f"PostMaster@{MAIL_DOMAIN}",)


async def test_data_that_comes_while_its_message_waits_for_a_turn_is_its_data() -> None:
    async with front_end() as front, front.client() as talk:
        front.backlog.unjudged = OPEN_BELOW
        await talk.greet()
        await talk.ask(MAIL)
        await talk.ask(RCPT)
        await talk.send(b"DATA\r\n")
        await until(lambda: len(front.backpressure) == 1)
        await talk.send(MESSAGE + b".\r\nNOOP\r\n")
        await until(lambda: front.command_octets > 0)
        assert front.intake.entries == []
        front.backlog.unjudged = 0
        front.backpressure.judged()

        answers = [await talk.reply() for _ in range(3)]
        assert [answer[:3] for answer in answers] == ["354", "250", "250"]
        assert front.intake.taken[0].body == MESSAGE


async def test_a_client_that_goes_while_it_waits_for_a_turn_leaves_nothing() -> None:
    async with front_end() as front, front.client() as talk:
        front.backlog.unjudged = OPEN_BELOW
        await talk.greet()
        await talk.ask(MAIL)
        await talk.ask(RCPT)
        await talk.send(b"DATA\r\n")
        await until(lambda: len(front.backpressure) == 1)
        talk.reset()
        await until(lambda: front.front.sessions == 0)
        front.backlog.unjudged = 0
        front.backpressure.judged()
        await until(lambda: not front.front._sessions.conversations)  # type: ignore[union-attr]

        assert front.intake.entries == []
