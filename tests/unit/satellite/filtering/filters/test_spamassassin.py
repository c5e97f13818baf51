"""What does the SpamAssassin filter ask, and what does it make of the answers?"""

from __future__ import annotations

from typing import Any

import pytest

from common.envelope import Envelope
from common.errors import LocalError
from common.verdict import Outcome, Verdict
from satellite.filtering.filters import spamassassin
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.spamd_protocol import envelope_fields, pong, reply
from tests.support.scanning.filtering import NOW_US, context
from tests.support.scanning.scorers import letter, scorer, weighed
from tests.support.scanning.scripted_scorer import ScriptedScorer

REPORT = """Spam detection software, running on the system "vm",
has NOT identified this incoming email as spam.

Content preview:  99 bottles of beer

Content analysis details:   (1.6 points, 5.0 required)

 pts rule name              description
---- ---------------------- --------------------------------------------------
 2.5 LOTTERY                Subject speaks of a lottery, which nobody has won who did not
                             play in it
 0.3 ENV                    The envelope sender
-1.2 FROM_THERE             The client is known

"""  # as spamd 4.0.1 gave it


def spamd(body: str, *, spam: str = "False ; 1.6 / 5.0", code: str = "0 EX_OK") -> bytes:
    said = body.encode()
    return (
        f"SPAMD/1.1 {code}\r\nContent-length: {len(said)}\r\nSpam: {spam}\r\n\r\n".encode() + said
    )


async def verdict_on(answer: bytes, **more: Any) -> tuple[Verdict, list[bytes]]:
    async with ScriptedScorer(lambda _: answer, keeps=False) as server:
        made = scorer("spamassassin", server.address, **more)
        (verdict,) = await made.examine(letter(weighed("spamassassin")))
        await made.close()
        return verdict, server.questions


async def test_each_test_of_a_report_is_taken_over() -> None:
    verdict, (question,) = await verdict_on(spamd(REPORT))

    assert verdict.outcome is Outcome.SCORED
    assert [(test.name, test.score) for test in verdict.tests] == [
        ("SPAMASSASSIN_LOTTERY", 2.5),
        ("SPAMASSASSIN_FROM_THERE", -1.2),
        ("SPAMASSASSIN_ENV", 0.3),
    ]
    assert verdict.tests[2].detail == "The envelope sender"
    assert question.startswith(b"REPORT SPAMC/1.5\r\nContent-length: ")


async def test_of_a_list_of_symbols_the_sum_counts_and_the_names_are_told() -> None:
    verdict, (question,) = await verdict_on(
        spamd("ENV,FROM_THERE,LOTTERY", spam="True ; 6.5 / 5.0"), command="symbols", user="acme"
    )

    assert [(test.name, test.score) for test in verdict.tests] == [("SPAMASSASSIN_OTHER", 6.5)]
    assert verdict.detail == "6.5 of 5.0; ENV,FROM_THERE,LOTTERY"
    assert question.startswith(b"SYMBOLS SPAMC/1.5\r\n")
    assert b"\r\nUser: acme\r\n" in question


async def test_a_check_has_the_score_alone() -> None:
    answer = b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.6 / 5.0\r\n\r\n"
    verdict, _ = await verdict_on(answer, command="check")

    assert [(test.name, test.score) for test in verdict.tests] == [("SPAMASSASSIN_OTHER", 1.6)]


async def test_the_envelope_stands_before_the_message() -> None:
    _, (question,) = await verdict_on(spamd(REPORT))

    head, message = question.split(b"\r\n\r\n", 1)
    assert int(head.partition(b"Content-length: ")[2]) == len(message)
    assert message.startswith(
        b"X-Envelope-From: <a@sender.example>\r\nReceived: from mail (unknown [192.0.2.7])\r\n\tby "
    )
    assert message.endswith(b"\r\nSubject: hello\r\n\r\nWell then.\r\n")


@pytest.mark.parametrize(
    ("client", "shown"),
    [("2001:db8::7", b"[IPv6:2001:db8::7]"), ("", b"[127.0.0.1]"), ("a:b\r\n", b"[127.0.0.1]")],
)
def test_a_client_is_told_as_received_lines_have_it(client: str, shown: bytes) -> None:
    envelope = Envelope(client_address=client, helo="x", sender="", recipients=())

    assert shown in envelope_fields(envelope, now_us=NOW_US)


def test_nothing_of_the_envelope_breaks_out_of_its_field() -> None:
    envelope = Envelope(
        client_address="192.0.2.7",
        helo="x\r\nX-Spam: no (evil [127.0.0.1])",
        sender='"a\r\nb> "@c',
        recipients=(),
    )

    lines = envelope_fields(envelope, now_us=NOW_US).split(b"\r\n")

    assert [line[:1] for line in lines] == [b"X", b"R", b"\t", b"\t", b""]
    assert lines[1].count(b"(") == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage",
        b"SPAMD/1.1 0 EX_OK\r\n",
        b"SPAMD/1.1 0 EX_OK\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 15 / 5",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1e9 / 5\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; nan / 5\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; inf / 5\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: 99\r\nSpam: True ; 9 / 5\r\n\r\nhalf",
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: -1\r\nSpam: True ; 9 / 5\r\n\r\n",
        spamd("", code="74 EX_IOERR"),
        spamd("", code="79 EX_TIMEOUT"),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(Nonsense):
        reply(answer)


@pytest.mark.parametrize("answer", [b"", b"SPAMD/1.1 0 EX_OK\r\n", b"SPAMD/1.5 1 PONG\r\n"])
def test_what_is_no_pong_is_none(answer: bytes) -> None:
    with pytest.raises(Nonsense):
        pong(answer)


@pytest.mark.parametrize("options", [{"command": "tell"}, {"user": "a\r\nb"}])
def test_a_wrong_option_stops_the_start(options: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        scorer("spamassassin", "127.0.0.1:783", **options)
    with pytest.raises(LocalError):
        spamassassin.build(None, context())
