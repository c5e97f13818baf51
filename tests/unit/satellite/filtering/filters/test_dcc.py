"""What is DCC's dccifd asked, and what becomes of its counts?

dccifd is scripted, since no package has it: it answers as its documentation says.
"""

from __future__ import annotations

from typing import Any

import pytest

from common.envelope import Envelope
from common.errors import LocalError
from common.verdict import Outcome, Verdict
from satellite.filtering.filter import AsksServers
from satellite.filtering.filters import dcc
from satellite.filtering.servers.dccifd_protocol import MANY, Telling, counts, question
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.trial import trial_mail
from tests.support.scanning.filtering import context
from tests.support.scanning.scorers import letter, scorer, weighed
from tests.support.scanning.scripted_scorer import ScriptedScorer, hear_all

BULK = "bulk Body=1 Fuz1=1 Fuz2=many"


def dccifd(counted: str = "Body=1 Fuz1=1 Fuz2=3", *, result: str = "A") -> bytes:
    header = f"X-DCC-acme-Metrics: mx.example 1480; {counted}"
    return f"{result}\n{result}\n{header}\n".encode()


async def verdict_on(answer: bytes, **weights: Any) -> Verdict:
    async with ScriptedScorer(lambda _: answer, hears=hear_all, keeps=False) as server:
        made = scorer("dcc", server.address)
        (verdict,) = await made.examine(letter(weighed("dcc", **weights)))
        return verdict


@pytest.mark.parametrize(
    ("counted", "points"),
    [
        ("Body=1 Fuz1=1 Fuz2=3", []),
        (BULK, [("DCC_BULK", 3.0)]),
        ("Body=999999 Fuz1=1 Fuz2=1", [("DCC_BULK", 3.0)]),
        ("bulk Body=ok Fuz1=ok2 Fuz2=ok", []),
    ],
)
async def test_the_highest_count_has_the_points_of_its_step(
    counted: str, points: list[tuple[str, float]]
) -> None:
    verdict = await verdict_on(dccifd(counted))

    assert verdict.outcome is Outcome.SCORED
    assert [(test.name, test.score) for test in verdict.tests] == points
    assert verdict.detail == f"mx.example 1480; {counted}"


async def test_the_document_weighs_counts_and_reputation() -> None:
    weights = {"steps": "1000=1,999999=4", "reputation": "90=1.5", "rejected": 0}

    verdict = await verdict_on(dccifd("Body=2000 Fuz1=1 Fuz2=1 rep=95%", result="R"), **weights)

    assert [(test.name, test.score) for test in verdict.tests] == [
        ("DCC_BULK", 1.0),
        ("DCC_REPUTATION", 1.5),
    ]


async def test_what_dccifd_would_reject_has_points_and_nothing_else() -> None:
    verdict = await verdict_on(dccifd(result="R"))

    assert [(test.name, test.score) for test in verdict.tests] == [("DCC_BULK", 3.0)]


async def test_a_greylisting_of_its_does_nothing() -> None:
    verdict = await verdict_on(dccifd(result="G"))

    assert (verdict.outcome, verdict.tests) == (Outcome.SCORED, ())


async def told(count: int, recipients: tuple[str, ...], **options: Any) -> list[bytes]:
    """Return the options that dccifd is told for the same message, one time after the other."""
    async with ScriptedScorer(lambda _: dccifd(), hears=hear_all, keeps=False) as server:
        made = scorer("dcc", server.address, **options)
        prefs = weighed("dcc", traps="trap@acme.example")
        for _ in range(count):
            await made.examine(letter(prefs, recipients=recipients))
        return [question.split(b"\n")[0] for question in server.questions]


async def test_by_default_it_is_asked_and_told_nothing() -> None:
    assert await told(2, ("trap@acme.example",)) == [b"header grey-off query"] * 2


async def test_a_message_is_reported_once() -> None:
    assert await told(3, ("x@acme.example",), report=True) == [
        b"header grey-off",
        b"header grey-off query",
        b"header grey-off query",
    ]


async def test_a_trial_of_ours_is_not_reported() -> None:
    async with ScriptedScorer(lambda _: dccifd(), hears=hear_all, keeps=False) as server:
        made = scorer("dcc", server.address, report=True)
        await made.examine(trial_mail(letter(weighed("dcc")), "token"))

    assert server.questions[0].startswith(b"header grey-off query\n")


async def test_what_is_for_traps_alone_is_reported_as_spam() -> None:
    assert await told(1, ("trap@acme.example",), report=True) == [b"header grey-off spam"]


def test_the_question_has_the_envelope_line_by_line() -> None:
    envelope = Envelope(
        client_address="2001:db8::7",
        helo="mail",
        sender="a@b.example",
        recipients=("x@acme.example", "y@acme.example"),
    )

    said = b"".join(question(envelope, b"Subject: x\r\n\r\n.\r\n", telling=Telling.QUERY))

    assert said == (
        b"header grey-off query\n2001:db8::7\nmail\na@b.example\n"
        b"x@acme.example\ny@acme.example\n\nSubject: x\r\n\r\n.\r\n"
    )


def test_nothing_of_the_envelope_is_a_line_of_its_own() -> None:
    envelope = Envelope(
        client_address="192.0.2.7\n",
        helo="a\rroot",
        sender="a\n\nbody",
        recipients=("", '"x\ny"@c') * 100,
    )

    head, _ = question(envelope, b"", telling=Telling.REPORT)

    lines = head.split(b"\n")
    assert lines[:5] == [b"header grey-off", b"192.0.2.7?", b"a?root", b"a??body", b"unknown"]
    assert (len(lines), lines[-2:]) == (106, [b"", b""])
    assert b"\r" not in head


def test_a_long_header_is_unfolded() -> None:
    said = counts(b"A\nAA\nX-DCC-a-Metrics: mx 1;\n\tbulk Body=7\n\tFuz1=many rep=120%\n")

    assert (said.count, said.reputation, said.is_rejected) == (MANY, 100, False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"A",
        b"A\n",
        b"A\nA\n",
        b"A\nA\nX-DCC-",
        b"T\nT\n" + dccifd(BULK)[4:],
        b"T\nA\n" + dccifd(BULK)[4:],
        b"Z\nA\n" + dccifd(BULK)[4:],
        b"AR\nA\n" + dccifd(BULK)[4:],
        b"A\nABC\n" + dccifd(BULK)[4:],
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(Nonsense):
        counts(answer)


def test_a_count_without_an_end_is_none() -> None:
    said = counts(dccifd("Body=" + "9" * 500 + " Fuz1=-7 Fuz2=7x"))

    assert said.count == 0


@pytest.mark.parametrize(("answer", "is_well"), [(dccifd(), True), (b"T\nT\n", False)])
async def test_it_says_how_it_is(answer: bytes, is_well: bool) -> None:
    async with ScriptedScorer(lambda _: answer, hears=hear_all, keeps=False) as server:
        made = scorer("dcc", server.address, report=True)
        assert isinstance(made, AsksServers)
        (health,) = await made.probe()

    assert health.is_answering is is_well
    # What we ask for ourselves counts nowhere.
    assert server.questions[0].startswith(b"header grey-off query\n")


def test_it_needs_an_address() -> None:
    with pytest.raises(LocalError):
        dcc.build(None, context())
