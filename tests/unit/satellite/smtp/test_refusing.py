"""What a client hears while the node has too much on its hands; never a 5xx."""

from __future__ import annotations

import asyncio

import pytest

from common.preferences import Document, Kind
from common.preferences.documents import NOTHING, canonical_json
from satellite.next_hop import NextHopOffer
from satellite.overload.pressure import OF_RECIPIENTS, Refusal, RefusalCause
from satellite.smtp import sessions
from satellite.smtp.backpressure import OPEN_BELOW, WAITING_MAX
from tests.support.smtp.front_end import Talk, front_end, until

MAIL = "MAIL FROM:<a@b.example>"


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (RefusalCause.DISK, "452 4.3.1 "),
        (RefusalCause.BYTES, "452 4.3.1 "),
        (RefusalCause.MESSAGES, "451 4.3.2 "),
        (RefusalCause.SCANNING, "451 4.3.2 "),
        (RefusalCause.MEMORY, "451 4.3.2 "),
    ],
)
async def test_mail_is_put_off_and_taken_again_on_the_same_connection(
    cause: RefusalCause, expected: str
) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        front.front.refuse(Refusal(cause, "SECRET"))
        answer = await talk.ask(MAIL)
        assert answer.startswith(expected), answer
        assert "SECRET" not in answer
        assert front.count("borderscout_smtp_refusals_total", reason=cause.value) == 1

        front.front.refuse(None)
        assert (await talk.ask(MAIL)).startswith("250 ")


@pytest.mark.parametrize("cause", list(RefusalCause))
async def test_what_a_recipient_makes_worse_is_asked_again_at_each_rcpt(
    cause: RefusalCause,
) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.ask(MAIL)
        assert (await talk.ask("RCPT TO:<x@acme.example>")).startswith("250 ")
        front.front.refuse(Refusal(cause, "SECRET"))

        answer = await talk.ask("RCPT TO:<y@acme.example>")

        expected = "452 4.3.1 " if cause in OF_RECIPIENTS else "250 "
        assert answer.startswith(expected), answer
        assert (await talk.ask("RCPT TO:<x@acme.example>")).startswith("250 ")
        assert (await talk.ask("DATA")).startswith("354 ")


async def test_all_sessions_together_name_only_so_many_recipients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "OPEN_RECIPIENTS_MAX", 5)
    async with front_end() as front, front.client() as first, front.client() as second:
        for talk in (first, second):
            await talk.greet()
            await talk.ask(MAIL)
        answers = [
            await talk.ask(f"RCPT TO:<x{number}@acme.example>")
            for number in range(3)
            for talk in (first, second)
        ]
        assert [answer[:9] for answer in answers] == ["250 2.1.5"] * 5 + ["452 4.3.1"]
        assert front.count("borderscout_smtp_refusals_total", reason="recipients") == 1

        await first.ask("RSET")
        assert (await second.ask("RCPT TO:<y@acme.example>")).startswith("250 ")
        second.reset()
        await until(lambda: front.front.sessions == 1)
        assert front.front._sessions is not None
        assert front.front._sessions.open_recipients == 0


async def test_a_disk_that_fills_while_a_large_message_comes_in_is_noticed() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        front.intake.why_not = "no inodes free"
        await talk.send(b"x" * 98 + b"\r\n")
        await talk.send((b"x" * 98 + b"\r\n") * 30_000)
        await until(lambda: front.intake.entries[0].abandoned)
        await talk.send(b".\r\n")

        assert (await talk.reply()).startswith("452 4.3.1 ")
        assert front.intake.taken == []


SMALL = NextHopOffer(size_bytes_max=100_000, smtputf8=False)
LARGE = NextHopOffer(size_bytes_max=200_000, smtputf8=True)
OFFERS = {"small@acme.example": SMALL, "large@acme.example": LARGE}


async def test_what_the_next_hop_does_not_take_is_refused_at_rcpt_and_not_bounced() -> None:
    async with front_end(offered_for=OFFERS.get) as front, front.client() as talk:
        await talk.greet()
        await talk.ask("MAIL FROM:<a@b.example> SIZE=100001")
        assert (await talk.ask("RCPT TO:<small@acme.example>")).startswith("552 5.3.4 ")
        assert (await talk.ask("RCPT TO:<large@acme.example>")).startswith("250 ")
        assert (await talk.ask("RCPT TO:<unknown@acme.example>")).startswith("250 ")

        await talk.ask("RSET")
        await talk.ask("MAIL FROM:<ü@b.example> SMTPUTF8 SIZE=100000")
        assert (await talk.ask("RCPT TO:<small@acme.example>")).startswith("550 5.6.7 ")
        assert (await talk.ask("RCPT TO:<large@acme.example>")).startswith("250 ")


@pytest.mark.parametrize(
    ("parameter", "recipients", "text", "code"),
    [
        (" SMTPUTF8", ["small"], "Subject: plain\r\n\r\nschön\r\n", "250 2.0.0 "),
        (" SMTPUTF8", ["small"], "Subject: schön\r\n\r\nplain\r\n", "550 5.6.7 "),
        (" SMTPUTF8", ["small", "large"], "Subject: schön\r\n\r\nplain\r\n", "250 2.0.0 "),
        (" SMTPUTF8", ["unknown"], "Subject: schön\r\n\r\nplain\r\n", "250 2.0.0 "),
        ("", ["small"], "Subject: schön\r\n\r\nplain\r\n", "250 2.0.0 "),
    ],
    ids=["body", "header", "another", "unknown", "not asked for"],
)
async def test_who_says_smtputf8_and_needs_it_not_is_not_refused_for_it(
    parameter: str, recipients: list[str], text: str, code: str
) -> None:
    async with front_end(offered_for=OFFERS.get) as front, front.client() as talk:
        await talk.greet()
        await talk.ask(f"MAIL FROM:<a@b.example>{parameter}")
        for recipient in recipients:
            assert (await talk.ask(f"RCPT TO:<{recipient}@acme.example>")).startswith("250 ")
        await talk.ask("DATA")
        await talk.send(text.encode() + b".\r\n")

        assert (await talk.reply()).startswith(code)


@pytest.mark.parametrize(
    ("recipients", "code"),
    [
        (["small"], "552 5.3.4 "),
        (["small", "large"], "250 2.0.0 "),
        (["large", "small"], "250 2.0.0 "),
        (["unknown", "small"], "250 2.0.0 "),
        (["small", "unknown"], "250 2.0.0 "),
    ],
)
async def test_what_no_next_hop_takes_is_refused_at_the_dot_when_nobody_said_its_size(
    recipients: list[str], code: str
) -> None:
    async with front_end(offered_for=OFFERS.get) as front, front.client() as talk:
        await talk.greet()
        await talk.ask(MAIL)
        for recipient in recipients:
            assert (await talk.ask(f"RCPT TO:<{recipient}@acme.example>")).startswith("250 ")
        await talk.ask("DATA")
        await talk.send((b"x" * 98 + b"\r\n") * 1001 + b".\r\n")

        assert (await talk.reply()).startswith(code)


async def test_where_nothing_fits_a_client_is_sent_away_at_the_door() -> None:
    cause = RefusalCause.DRAINING
    async with front_end() as front, front.client() as inside:
        await inside.greet()
        front.front.refuse(Refusal(cause, "SECRET"))

        async with front.client() as outside:
            assert await outside.reply() == "421 4.3.2 Not taking mail now; try again later"
            assert await outside.is_closed()
        assert (await inside.ask(MAIL)).startswith("421 4.3.2 ")
        assert await inside.is_closed()
        assert front.count("borderscout_smtp_refusals_total", reason=cause.value) == 2


async def test_a_transaction_that_was_open_is_taken_to_its_end() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        front.front.refuse(Refusal(RefusalCause.DRAINING, "draining"))
        await talk.send(b"a\r\n.\r\n")

        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert len(front.intake.taken) == 1


async def test_only_mail_that_would_be_held_is_refused_when_too_much_is() -> None:
    def refuses(address: str) -> bool:
        return address.endswith("@acme.example")

    async with front_end(refuses_mail_for=refuses) as front, front.client() as talk:
        await talk.greet()
        await talk.ask(MAIL)

        assert (await talk.ask("RCPT TO:<x@acme.example>")).startswith("452 4.3.1 ")
        assert (await talk.ask("RCPT TO:<x@listed.example>")).startswith("250 ")
        assert front.count("borderscout_smtp_refusals_total", reason="held") == 1


@pytest.mark.parametrize(
    ("cause", "words"),
    [(RefusalCause.GREYLIST, "Greylisted"), (RefusalCause.VOLUME, "Too much mail")],
)
async def test_who_is_put_off_hears_451_for_that_recipient_alone(
    cause: RefusalCause, words: str
) -> None:
    asked: list[tuple[str, str, str]] = []

    def puts_off(client: str, sender: str, recipient: str) -> RefusalCause | None:
        asked.append((client, sender, recipient))
        return cause if recipient == "x@acme.example" else None

    async with front_end(puts_off=puts_off) as front, front.client() as talk:
        await talk.greet()
        await talk.ask(MAIL)

        heard = await talk.ask("RCPT TO:<x@acme.example>")
        assert heard.startswith("451 4.7.1 ")
        assert words in heard
        assert (await talk.ask("RCPT TO:<y@acme.example>")).startswith("250 ")
        assert asked[0] == ("127.0.0.1", "a@b.example", "x@acme.example")
        assert front.count("borderscout_smtp_refusals_total", reason=cause.value) == 1


async def test_before_354_a_message_waits_for_its_turn() -> None:
    async with front_end() as front, front.client() as talk:
        front.backlog.unjudged = OPEN_BELOW
        await talk.greet()
        await talk.ask(MAIL)
        await talk.ask("RCPT TO:<x@acme.example>")
        await talk.send(b"DATA\r\n")
        await until(lambda: len(front.backpressure) == 1)

        front.backlog.unjudged -= 1
        front.backpressure.judged()

        assert (await talk.reply()).startswith("354 ")


async def test_while_many_wait_connections_stay_with_the_kernel_and_none_is_lost() -> None:
    async with front_end() as front:
        backpressure = front.backpressure
        front.backlog.unjudged = OPEN_BELOW
        waiting = [await Talk.connect(front.host, front.port) for _ in range(WAITING_MAX)]
        for talk in waiting:
            await talk.greet()
            await talk.ask(MAIL)
            await talk.ask("RCPT TO:<x@acme.example>")
            await talk.send(b"DATA\r\n")
        await until(lambda: backpressure.is_full)
        await until(lambda: not front.front._servers)

        late = await Talk.connect(front.host, front.port)
        banner = asyncio.ensure_future(late.reply())
        await asyncio.sleep(0)
        assert front.front.sessions == WAITING_MAX
        assert not banner.done()

        front.backlog.unjudged = 0
        backpressure.judged()
        assert (await banner).startswith("220 ")
        for talk in (*waiting, late):
            await talk.close()


class Knows:
    """What servers say of recipients, asked one by one."""

    def __init__(self, *, at_hand: dict[str, bool], asked: dict[str, bool | None]) -> None:
        self._at_hand, self._asked = at_hand, asked
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def at_hand(self, address: str) -> bool | None:
        return self._at_hand.get(address)

    async def verify(self, address: str) -> bool | None:
        self.asked.append(address)
        await self.may_answer.wait()
        return self._asked.get(address)


@pytest.mark.parametrize("unverified", ["accept", "defer"])
async def test_a_recipient_that_its_server_does_not_take_is_refused_where_the_route_wants_it(
    unverified: str,
) -> None:
    knows = Knows(
        at_hand={"old@probed.example": True, "gone@probed.example": False},
        asked={"new@probed.example": True, "none@probed.example": False},
    )
    said = Document(Kind.POLICY, "cluster", 1, canonical_json({"unverified": unverified}))
    async with front_end(verification=knows) as front, front.client() as talk:
        front.intake.preferences = front.intake.preferences.applied([said], position=NOTHING)
        await talk.greet()
        await talk.ask(MAIL)
        locals_ = ["old", "gone", "new", "none", "unclear", "postmaster"]
        lines = "".join(f"RCPT TO:<{local}@probed.example>\r\n" for local in locals_)
        await talk.send(f"{lines}RCPT TO:<x@acme.example>\r\n".encode())
        answers = [(await talk.reply())[:9] for _ in range(len(locals_) + 1)]

        ok, unknown = "250 2.1.5", "550 5.1.1"
        unclear = ok if unverified == "accept" else "450 4.1.1"
        assert answers == [ok, unknown, ok, unknown, unclear, ok, ok]
        assert knows.asked == [f"{local}@probed.example" for local in ("new", "none", "unclear")]
        results = ("known", "unknown", "unclear")
        counted = [
            front.count("borderscout_smtp_verified_recipients_total", result=one) for one in results
        ]
        assert counted == [2, 2, 1]


async def test_for_mail_without_a_sender_nobody_is_asked() -> None:
    knows = Knows(at_hand={}, asked={})
    async with front_end(verification=knows) as front, front.client() as talk:
        await talk.greet()
        await talk.ask("MAIL FROM:<>")

        assert (await talk.ask("RCPT TO:<x@probed.example>")).startswith("250 ")
        assert knows.asked == []


async def test_a_client_that_leaves_while_its_recipient_is_verified_leaves_nothing() -> None:
    knows = Knows(at_hand={}, asked={"x@probed.example": True})
    knows.may_answer.clear()
    async with front_end(verification=knows) as front, front.client() as talk:
        await talk.greet()
        await talk.ask(MAIL)
        await talk.ask("RCPT TO:<y@acme.example>")
        await talk.send(b"RCPT TO:<x@probed.example>\r\n")
        await until(lambda: knows.asked == ["x@probed.example"])
        talk.reset()
        await until(lambda: front.front.sessions == 0)
        knows.may_answer.set()
        await front.clock.settle()

        shared = front.front._sessions
        assert shared is not None
        await until(lambda: shared.open_recipients == 0)
