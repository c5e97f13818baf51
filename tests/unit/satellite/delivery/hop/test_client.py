"""One transaction with next hops of every kind: kind, poor, and hostile."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from common.envelope import DsnParameters, Notify, Return
from common.preferences.deliver_to import Target
from common.preferences.policy import TlsPolicy
from satellite.delivery.decisions.outcome import Ending, RecipientResult, Stage
from satellite.delivery.hop.client import Offer, transact
from satellite.delivery.hop.protection import Protection, Tls
from satellite.delivery.hop.session import (
    Deadlines,
    Hop,
    HopFailed,
    HopSession,
    open_session,
)
from tests.support.smtp.next_hop import CLOSE, STALL, NextHop, Say

RECIPIENTS = ("x@acme.example", "y@acme.example")
SHORT_S = 0.2  # for a peer that never answers


class Blocks:
    """A content given block by block."""

    def __init__(self, *blocks: bytes) -> None:
        self._blocks = blocks

    @property
    def size(self) -> int:
        return sum(len(block) for block in self._blocks)

    def blocks(self) -> Iterator[bytes]:
        yield from self._blocks


def offer(
    *blocks: bytes,
    recipients: tuple[str, ...] = RECIPIENTS,
    sender: str = "a@sender.example",
    eight_bit: bool = False,
    smtputf8: bool = False,
    **more: Any,
) -> Offer:
    return Offer(
        sender=sender,
        recipients=recipients,
        content=Blocks(*(blocks or (b"Subject: hi\r\n\r\nhello\r\n",))),
        eight_bit=eight_bit,
        smtputf8=smtputf8,
        **more,
    )


async def opened(
    hop: NextHop,
    *,
    tls: Tls | None = None,
    reply_s: float = 10.0,
    dot_s: float = 10.0,
    connect_s: float = 10.0,
    is_lmtp: bool = False,
) -> HopSession:
    return await open_session(
        Hop(Target(hop.host, hop.port, is_lmtp), hop.host),
        hostname="lon1.example",
        deadlines=Deadlines(connect_s=connect_s, reply_s=reply_s, dot_s=dot_s),
        tls=tls,
    )


async def nothing() -> None:
    """Let nobody go first."""


async def send(
    session: HopSession, what: Offer | None = None, *, mark: bool = True
) -> list[RecipientResult]:
    async def before_dot() -> bool:
        return mark

    try:
        return await transact(session, what or offer(), before_dot=before_dot, breathe=nothing)
    finally:
        await asyncio.sleep(0)


def endings(answers: list[RecipientResult]) -> list[Ending]:
    return [answer.ending for answer in answers]


async def test_commands_are_pipelined_when_offered() -> None:
    async with NextHop() as hop:
        session = await opened(hop)
        answers = await send(session)
        await session.quit()

    assert endings(answers) == [Ending.DELIVERED] * 2
    assert hop.verbs == ["EHLO", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"]


async def test_a_server_that_knows_only_helo_is_served() -> None:
    async with NextHop(EHLO=b"502 5.5.1 What\r\n") as hop:
        session = await opened(hop)
        answers = await send(session)
        await session.quit()

    assert endings(answers) == [Ending.DELIVERED] * 2
    assert hop.lines[:3] == ["EHLO lon1.example", "HELO lon1.example", hop.lines[2]]
    assert hop.taken[0].mail == "MAIL FROM:<a@sender.example>"


@pytest.mark.parametrize("pipelining", [b"250-PIPELINING\r\n", b""])
async def test_when_nobody_is_accepted_nothing_is_sent_and_the_session_goes_on(
    pipelining: bytes,
) -> None:
    ehlo = b"250-hop\r\n" + pipelining + b"250 SIZE\r\n"
    async with NextHop(EHLO=ehlo, RCPT=b"550 5.1.1 no\r\n", DATA=b"503 5.5.1 no\r\n") as hop:
        session = await opened(hop)
        answers = await send(session)
        assert session.is_usable
        hop.script |= {"RCPT": b"250 ok\r\n", "DATA": b"354 go\r\n"}
        again = await send(session)
        await session.quit()

    assert endings(answers) == [Ending.FAILED] * 2
    assert {answer.stage for answer in answers} == {Stage.RCPT}
    assert endings(again) == [Ending.DELIVERED] * 2
    assert "RSET" in hop.verbs


async def test_a_354_for_nobody_is_answered_with_a_lone_dot() -> None:
    async with NextHop(RCPT=b"550 5.1.1 no\r\n", dot=b"554 5.5.1 for nobody\r\n") as hop:
        session = await opened(hop)
        answers = await send(session)
        assert session.is_usable
        hop.script |= {"RCPT": b"250 ok\r\n", "dot": b"250 ok\r\n"}
        again = await send(session)
        await session.quit()

    assert endings(answers) == [Ending.FAILED] * 2
    assert endings(again) == [Ending.DELIVERED] * 2
    assert [taken.data for taken in hop.taken] == [b"", b"Subject: hi\r\n\r\nhello\r\n"]
    transaction = ["MAIL", "RCPT", "RCPT", "DATA"]
    assert hop.verbs == ["EHLO", *transaction, "RSET", *transaction, "QUIT"]


async def test_a_refused_pipelined_mail_ends_in_order_and_the_session_goes_on() -> None:
    async with NextHop(MAIL=b"550 5.7.1 not you\r\n", RCPT=b"503 5.5.1 MAIL first\r\n") as hop:
        hop.script["DATA"] = b"503 5.5.1 RCPT first\r\n"
        session = await opened(hop)
        answers = await send(session)
        assert session.is_usable
        await session.quit()

    assert endings(answers) == [Ending.FAILED] * 2
    assert {answer.stage for answer in answers} == {Stage.MAIL}
    assert hop.verbs == ["EHLO", "MAIL", "RCPT", "RCPT", "DATA", "RSET", "QUIT"]


async def test_who_refuses_mail_and_takes_recipients_gets_no_dot() -> None:
    async with NextHop(MAIL=b"451 4.7.1 not now\r\n") as hop:
        session = await opened(hop)
        answers = await send(session)

    assert endings(answers) == [Ending.LATER] * 2
    assert not session.is_usable
    assert hop.taken == []


@pytest.mark.parametrize("verb", ["greeting", "EHLO"])
async def test_a_host_that_refuses_us_hears_quit(verb: str) -> None:
    async with NextHop(HELO=b"550 5.7.1 no\r\n") as hop:
        hop.script[verb] = b"554 5.7.1 Never\r\n"
        with pytest.raises(HopFailed):
            await opened(hop)
        await hop.until(lambda: "QUIT" in hop.verbs)


@pytest.mark.scenario(row=47, checks="one transaction is put off, its session never used again")
@pytest.mark.parametrize(
    ("verb", "answer", "stage"),
    [
        ("MAIL", b"\x00\x01\r\n", Stage.MAIL),
        ("MAIL", b"go ahead\r\n", Stage.MAIL),
        ("MAIL", b"250" + b"x" * 65_536 + b"\r\n", Stage.MAIL),
        ("MAIL", b"250 " + b"x" * 65_536, Stage.MAIL),
        ("MAIL", b"250-more\r\n" * 10_000, Stage.MAIL),
        ("MAIL", b"250-yes\r\n550 no\r\n", Stage.MAIL),
        ("MAIL", CLOSE, Stage.MAIL),
        ("MAIL", STALL, Stage.MAIL),
        ("MAIL", Say(b"250", "stall"), Stage.MAIL),
        ("RCPT", b"yes\r\n", Stage.RCPT),
        ("RCPT", Say(b"421 4.3.2 going\r\n", "close"), Stage.RCPT),
        ("DATA", b"250 done already\r\n", Stage.DATA),
        ("DATA", b"354 go\r\n250 2.0.0 thanks\r\n", Stage.DATA),
        ("DATA", b"no\r\n", Stage.DATA),
        ("DATA", CLOSE, Stage.DATA),
        ("dot", b"taken\r\n", Stage.DOT),
        ("dot", b"\x00250 ok\r\n", Stage.DOT),
        ("dot", b"354 more\r\n", Stage.DOT),
        ("dot", b"250-" + b"x" * 65_536, Stage.DOT),
        ("dot", b"250-ok\r\n" * 10_000, Stage.DOT),
        ("dot", Say(b"250-ok\r\n", "close"), Stage.DOT),
        ("dot", CLOSE, Stage.DOT),
        ("dot", STALL, Stage.DOT),
        ("dot", Say(b"250 almost", "stall"), Stage.DOT),
    ],
)
async def test_a_hostile_next_hop_only_delays(verb: str, answer: bytes | Say, stage: Stage) -> None:
    async with NextHop() as hop:
        hop.script[verb] = answer
        session = await opened(hop, reply_s=SHORT_S, dot_s=SHORT_S)
        answers = await send(session)

        assert endings(answers) == [Ending.LATER] * 2
        assert {found.stage for found in answers} == {stage}
        assert {found.possibly_delivered for found in answers} == {stage is Stage.DOT}
        assert all(len(found.text) <= 600 and found.text.isprintable() for found in answers)
        assert not session.is_usable


async def test_a_refusal_in_the_middle_of_the_data_counts() -> None:
    async with NextHop(DATA=b"354 go\r\n552 5.3.4 Enough\r\n") as hop:
        session = await opened(hop)
        answers = await send(session, offer(*[b"x" * 60_000 + b"\r\n"] * 5))

    assert endings(answers) == [Ending.FAILED] * 2
    assert not any(answer.possibly_delivered for answer in answers)
    assert hop.taken == []


@pytest.mark.scenario(row=47, checks="a next hop that does not read is given up")
async def test_a_peer_that_stops_reading_is_given_up() -> None:
    async with NextHop(DATA=Say(b"354 go\r\n", "deaf")) as hop:
        session = await opened(hop, reply_s=SHORT_S)
        answers = await send(session, offer(*[b"x" * 60_000 + b"\r\n"] * 500))

        assert endings(answers) == [Ending.LATER] * 2
        assert not any(answer.possibly_delivered for answer in answers)


async def test_without_the_sending_mark_no_dot_leaves() -> None:
    async with NextHop() as hop:
        session = await opened(hop)
        answers = await send(session, mark=False)

    assert endings(answers) == [Ending.LATER] * 2
    assert not any(answer.possibly_delivered for answer in answers)
    assert hop.taken == []


async def test_an_acceptance_while_the_mark_is_being_written_is_none() -> None:
    async with NextHop() as hop:
        session = await opened(hop)

        async def before_dot() -> bool:
            session.wire.data_received(b"250 2.0.0 Taken, whatever it is\r\n")
            return True

        answers = await transact(session, offer(), before_dot=before_dot, breathe=nothing)
        await asyncio.sleep(0)

    assert endings(answers) == [Ending.LATER] * 2
    assert not any(answer.possibly_delivered for answer in answers)
    assert hop.taken == []


async def test_an_error_of_the_reader_ends_the_session_before_the_dot() -> None:
    class Broken(Blocks):
        def blocks(self) -> Iterator[bytes]:
            yield b"Subject: hi\r\n\r\n"
            raise OSError("the disk")

    what = Offer(
        sender="a@b.example",
        recipients=RECIPIENTS,
        content=Broken(),
        eight_bit=False,
        smtputf8=False,
    )
    async with NextHop() as hop:
        session = await opened(hop)
        with pytest.raises(OSError, match="the disk"):
            await send(session, what)

    assert hop.taken == []
    assert not session.is_usable


async def test_parameters_are_said_when_offered_and_needed() -> None:
    async with NextHop() as hop:
        session = await opened(hop)
        await send(session, offer(b"\xc3\xa9\r\n", eight_bit=True, smtputf8=True))
        await send(session, offer(b"e\r\n"))
        await session.quit()

    assert hop.taken[0].mail == "MAIL FROM:<a@sender.example> SIZE=4 BODY=8BITMIME SMTPUTF8"
    assert hop.taken[1].mail == "MAIL FROM:<a@sender.example> SIZE=3"


async def test_eight_bit_mail_goes_as_it_is_when_8bitmime_is_not_offered() -> None:
    async with NextHop(EHLO=b"250 hop\r\n") as hop:
        session = await opened(hop)
        await send(session, offer(b"\xff\xfe\r\n", eight_bit=True))
        await session.quit()

    assert hop.taken[0].mail == "MAIL FROM:<a@sender.example>"
    assert hop.taken[0].data == b"\xff\xfe\r\n"


async def test_seven_bit_mail_goes_where_8bitmime_is_not_offered_whatever_the_policy() -> None:
    async with NextHop(EHLO=b"250 hop\r\n") as hop:
        answers = await send(await opened(hop), offer(b"a", needs_eight_bit=True))

    assert endings(answers) == [Ending.DELIVERED] * 2


DSN_PARAMETERS = (
    DsnParameters(
        notify=frozenset(Notify) - {Notify.NEVER}, original="rfc822;old+2Bx@acme.example"
    ),
    DsnParameters(notify=frozenset({Notify.NEVER})),
)


@pytest.mark.parametrize("pipelining", [b"250-PIPELINING\r\n", b""])
async def test_what_the_sender_wants_to_hear_is_passed_on_where_it_is_understood(
    pipelining: bytes,
) -> None:
    async with NextHop(EHLO=b"250-hop\r\n" + pipelining + b"250 dsn\r\n") as hop:
        session = await opened(hop)
        what = offer(returned=Return.HEADERS, envelope_id="q+2B1", dsn_parameters=DSN_PARAMETERS)
        await send(session, what)
        await send(session)
        await session.quit()

    assert [line for line in hop.lines if line[:4] in ("MAIL", "RCPT")] == [
        "MAIL FROM:<a@sender.example> RET=HDRS ENVID=q+2B1",
        "RCPT TO:<x@acme.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;old+2Bx@acme.example",
        "RCPT TO:<y@acme.example> NOTIFY=NEVER",
        "MAIL FROM:<a@sender.example>",
        "RCPT TO:<x@acme.example>",
        "RCPT TO:<y@acme.example>",
    ]


async def test_what_the_sender_wants_to_hear_is_not_said_where_it_is_not_understood() -> None:
    async with NextHop() as hop:
        session = await opened(hop)
        await send(
            session, offer(returned=Return.FULL, envelope_id="q", dsn_parameters=DSN_PARAMETERS)
        )
        await session.quit()

    assert hop.lines[1:4] == [
        "MAIL FROM:<a@sender.example> SIZE=22",
        "RCPT TO:<x@acme.example>",
        "RCPT TO:<y@acme.example>",
    ]


async def test_an_internationalised_address_is_sent_as_utf8() -> None:
    async with NextHop() as hop:
        session = await opened(hop)
        await send(session, offer(recipients=("grüße@acme.example",), smtputf8=True))
        await session.quit()

    assert hop.taken[0].recipients == ("grüße@acme.example",)


@pytest.mark.parametrize(
    ("ehlo", "what", "status"),
    [
        (b"250-hop\r\n250 SIZE 10\r\n", offer(b"x" * 11), "5.3.4"),
        (b"250-hop\r\n250 8BITMIME\r\n", offer(smtputf8=True), "5.6.7"),
        (b"250 hop\r\n", offer(b"\xff", eight_bit=True, needs_eight_bit=True), "5.6.3"),
    ],
)
async def test_what_the_next_hop_cannot_take_is_final_and_not_even_offered(
    ehlo: bytes, what: Offer, status: str
) -> None:
    async with NextHop(EHLO=ehlo) as hop:
        session = await opened(hop)
        answers = await send(session, what)
        assert session.is_usable
        await session.quit()

    assert endings(answers) == [Ending.FAILED] * 2
    assert {answer.diagnostic_status for answer in answers} == {status}
    assert "MAIL" not in hop.verbs


async def test_a_size_refused_by_the_next_hop_is_final() -> None:
    async with NextHop(MAIL=b"552 too big\r\n") as hop:
        answers = await send(await opened(hop))

    assert {answer.diagnostic_status for answer in answers} == {"5.3.4"}


@pytest.mark.parametrize(
    "greeting",
    [
        b"421 4.3.2 Not now\r\n",
        b"554 5.7.1 Never\r\n",
        b"hello\r\n",
        b"\xff\xf4\x06" * 100 + b"\r\n",
        CLOSE,
        STALL,
        Say(b"220-wait\r\n", "stall"),
    ],
)
async def test_a_host_that_does_not_greet_us_is_left(greeting: bytes | Say) -> None:
    async with NextHop(greeting=greeting) as hop:
        with pytest.raises(HopFailed):
            await opened(hop, reply_s=SHORT_S)


@pytest.mark.parametrize("ehlo", [b"421 4.3.2 no\r\n", b"what\r\n", CLOSE])
async def test_a_host_that_does_not_say_hello_is_left(ehlo: bytes | Say) -> None:
    async with NextHop(EHLO=ehlo) as hop:
        with pytest.raises(HopFailed):
            await opened(hop, reply_s=SHORT_S)


# ---- LMTP

LHLO = b"250-hop\r\n250-PIPELINING\r\n250 8BITMIME\r\n"


async def test_by_lmtp_each_recipient_has_its_own_answer_to_the_dot() -> None:
    def rcpt(line: str) -> bytes:
        return b"550 5.1.1 no\r\n" if "nobody" in line else b"250 ok\r\n"

    dot = b"250 2.0.0 kept\r\n452 4.2.2 x is full\r\n552-5.2.3 too\r\n552 5.2.3 big\r\n"
    to = ("a@acme.example", "nobody@acme.example", "b@acme.example", "c@acme.example")
    async with NextHop(LHLO=LHLO, RCPT=rcpt, dot=dot) as hop:
        session = await opened(hop, is_lmtp=True)
        answers = await send(session, offer(recipients=to))
        assert session.is_usable
        await session.quit()

    assert endings(answers) == [Ending.DELIVERED, Ending.FAILED, Ending.LATER, Ending.FAILED]
    assert [answer.stage for answer in answers] == [Stage.DOT, Stage.RCPT, Stage.DOT, Stage.DOT]
    assert hop.verbs[0] == "LHLO"


async def test_by_lmtp_only_whose_answer_is_missing_is_possibly_delivered() -> None:
    async with NextHop(LHLO=LHLO, dot=Say(b"250 2.0.0 kept\r\n", "close")) as hop:
        session = await opened(hop, is_lmtp=True)
        answers = await send(session)

    assert endings(answers) == [Ending.DELIVERED, Ending.LATER]
    assert [answer.possibly_delivered for answer in answers] == [False, True]


async def test_by_lmtp_there_is_no_way_back_to_helo() -> None:
    async with NextHop(LHLO=b"500 5.5.1 What\r\n") as hop:
        with pytest.raises(HopFailed):
            await opened(hop, is_lmtp=True)
        await hop.until(lambda: "QUIT" in hop.verbs)

    assert hop.verbs == ["LHLO", "QUIT"]


# ---- TLS

OPPORTUNISTIC = Protection().tls(TlsPolicy.OPPORTUNISTIC)
STARTTLS_OFFERED = b"250-hop\r\n250 STARTTLS\r\n"


@pytest.fixture(scope="module")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's context with an expired certificate for another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other.example")])
    then = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(then)
        .not_valid_after(then + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.scenario(row=48, checks="an expired certificate for another name still encrypts")
async def test_starttls_is_used_when_offered_whatever_the_certificate(
    server_tls: ssl.SSLContext,
) -> None:
    async with NextHop(EHLO=STARTTLS_OFFERED, STARTTLS=b"220 go\r\n", tls=server_tls) as hop:
        session = await opened(hop, tls=OPPORTUNISTIC)
        answers = await send(session)
        await session.quit()

    assert session.tls.startswith("TLSv1.")
    assert endings(answers) == [Ending.DELIVERED] * 2
    assert hop.verbs[:4] == ["EHLO", "STARTTLS", "EHLO", "MAIL"]


@pytest.mark.scenario(row=48, checks="replies injected behind the 220 are thrown away")
async def test_plain_text_behind_the_220_is_thrown_away() -> None:
    # What a listener in the middle injects: replies that would be read as protected ones. There is
    # no TLS behind it here, so all that may happen is that the handshake fails.
    injected = b"220 ok\r\n250-injected\r\n250 SIZE\r\n"
    async with NextHop(EHLO=STARTTLS_OFFERED, STARTTLS=Say(injected, "close")) as hop:
        with pytest.raises(HopFailed) as failure:
            await opened(hop, tls=OPPORTUNISTIC)

    assert failure.value.tls_status == "4.7.5"


@pytest.mark.scenario(row=48, checks="nothing said in the clear counts after the handshake")
async def test_injected_plain_text_is_not_taken_for_the_reply_to_ehlo(
    server_tls: ssl.SSLContext,
) -> None:
    async with NextHop(
        EHLO=STARTTLS_OFFERED, STARTTLS=b"220 ok\r\n250-injected\r\n250 SIZE 1\r\n", tls=server_tls
    ) as hop:
        session = await opened(hop, tls=OPPORTUNISTIC)
        answers = await send(session)
        await session.quit()

    assert session.extensions.size_bytes_max == 0
    assert endings(answers) == [Ending.DELIVERED] * 2


@pytest.mark.scenario(row=48, checks="a handshake that fails is the reason that is given")
@pytest.mark.parametrize(
    "answer", [b"454 4.7.0 not now\r\n", Say(b"220 go\r\n" + b"garbage" * 50, "close")]
)
async def test_tls_that_fails_is_said_to_be_the_reason(answer: bytes | Say) -> None:
    async with NextHop(EHLO=STARTTLS_OFFERED, STARTTLS=answer) as hop:
        with pytest.raises(HopFailed) as failure:
            await opened(hop, tls=OPPORTUNISTIC)

    assert failure.value.tls_status == "4.7.5"


async def test_each_further_block_of_a_large_message_waits_for_its_turn() -> None:
    breaths = 0

    async def breathe() -> None:
        nonlocal breaths
        breaths += 1

    async def before_dot() -> bool:
        return True

    async with NextHop() as hop:
        session = await opened(hop)
        what = offer(b"Subject: hi\r\n\r\n", b"1\r\n", b"2\r\n", b"3\r\n")
        await transact(session, what, before_dot=before_dot, breathe=breathe)
        await session.quit()

    assert breaths == 3
