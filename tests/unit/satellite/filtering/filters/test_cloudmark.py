"""What is Cloudmark asked, and what becomes of its score?

The server is scripted: it answers as other gateways' clients expect, since the vendor's documents
are not public.
"""

from __future__ import annotations

import email
import json
import math
from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest

from common.errors import LocalError
from common.verdict import Effect, Outcome, Verdict
from satellite.filtering.filter import AsksServers
from satellite.filtering.filters import cloudmark
from satellite.filtering.filters.cloudmark import UNKNOWN_S
from satellite.filtering.servers.cloudmark_score import SIZE_LIMIT, score
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.http_messages import HttpReply
from tests.support.clock import FakeClock
from tests.support.scanning.filtering import context
from tests.support.scanning.scorers import letter, scorer, weighed
from tests.support.scanning.scripted_scorer import ScriptedScorer, http

ANALYSIS = "v=2.4 cv=Vq5xsBeY c=1 sm=1 tr=0 a=AbCdEf==:117 xcat=Undefined/Undefined"
SIZE = b'{"maxMessageSize": 1000000}'


def answering(said: bytes, *, size: bytes = http(SIZE)) -> Callable[[bytes], bytes]:
    return lambda question: size if question.startswith(b"GET ") else said


def said(score: object, **more: object) -> bytes:
    return http(json.dumps({"score": score, "analysis": ANALYSIS} | more).encode())


async def verdict_on(answer: bytes, **weights: Any) -> Verdict:
    async with ScriptedScorer(answering(answer)) as server:
        made = scorer("cloudmark", server.address)
        (verdict,) = await made.examine(letter(weighed("cloudmark", **weights)))
        await made.close()
        return verdict


def parts_of(question: bytes) -> dict[str, Message]:
    head, _, body = question.partition(b"\r\n\r\n")
    kind = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-type"))
    form = email.message_from_bytes(kind + b"\r\n\r\n" + body)
    parts = [part for part in form.walk() if part is not form]
    return {str(part.get_param("name", header="content-disposition")): part for part in parts}


@pytest.mark.parametrize(
    ("told", "points"), [(0, 0.0), (89.9, 0.0), (90, 10.0), ("95", 10.0), (100, 10.0)]
)
async def test_a_score_has_the_points_of_its_step(told: object, points: float) -> None:
    verdict = await verdict_on(said(told))

    assert verdict.outcome is Outcome.SCORED
    assert [(test.name, test.score) for test in verdict.tests] == [("CLOUDMARK", points)]


async def test_the_document_names_the_steps() -> None:
    verdict = await verdict_on(said(75), steps="90=12,70=4.5")

    assert verdict.tests[0].score == 4.5
    assert verdict.detail == "75.0 of 100"


async def test_the_analysis_is_told_in_the_header_unless_the_document_says_no() -> None:
    (test,) = (await verdict_on(said(1))).tests
    (quiet,) = (await verdict_on(said(1), analysis=False)).tests

    assert (test.detail, test.effect) == (ANALYSIS, Effect.TELL)
    assert (quiet.detail, quiet.effect) == (ANALYSIS, Effect.SCORE)


async def test_an_analysis_among_the_headers_to_append_counts_as_well() -> None:
    fields = [{"headerField": "X-CMAE-Score", "body": "1"}, 7, {"headerField": "X-CMAE-Analysis"}]
    fields.append({"headerField": "X-CMAE-Analysis", "body": "v=2.4\r\nBcc: all"})
    verdict = await verdict_on(said(1, analysis="", appendHeaders=fields))

    assert verdict.tests[0].detail == "v=2.4??Bcc: all"


async def test_the_question_is_a_form_with_the_envelope() -> None:
    async with ScriptedScorer(answering(said(1))) as server:
        made = scorer("cloudmark", server.address)
        mail = letter(weighed("cloudmark"), recipients=("x@acme.example", "y@acme.example"))
        await made.examine(mail)
        await made.close()

    size, question = server.questions
    assert size.startswith(b"GET /score/v2/max-message-size HTTP/1.1\r\n")
    assert question.startswith(b"POST /score/v2/message HTTP/1.1\r\n")
    parts = parts_of(question)
    assert b"\r\n\r\nSubject: hello\r\n\r\nWell then.\r\n\r\n--" in question
    assert {name: part.get_content_type() for name, part in parts.items()} == dict.fromkeys(
        ("rfc822", "heloDomain", "mailFrom", "rcptTo", "connIp"), "text/plain"
    )
    assert parts["rcptTo"].get_payload() == "x@acme.example,y@acme.example"
    assert parts["mailFrom"].get_payload() == "a@sender.example"
    assert parts["connIp"].get_payload() == "192.0.2.7"


async def test_the_null_sender_is_not_told() -> None:
    async with ScriptedScorer(answering(said(1))) as server:
        made = scorer("cloudmark", server.address, message_type="message/rfc822")
        await made.examine(letter(weighed("cloudmark"), sender=""))
        await made.close()

    parts = parts_of(server.questions[1])
    assert "mailFrom" not in parts
    assert parts["rfc822"].get_content_type() == "message/rfc822"


async def test_a_message_above_the_servers_limit_is_not_shown() -> None:
    async with ScriptedScorer(answering(said(99), size=http(b'{"maxMessageSize": 10}'))) as server:
        made = scorer("cloudmark", server.address)
        (verdict,) = await made.examine(letter(weighed("cloudmark")))
        await made.close()

    assert (verdict.outcome, verdict.tests) == (Outcome.SKIPPED, ())
    assert len(server.questions) == 1


@pytest.mark.parametrize("size", [http(b"{}"), http(b"no"), http(b"", status="404 Not Found")])
async def test_a_limit_that_is_not_said_is_asked_for_again(size: bytes) -> None:
    clock = FakeClock()
    async with ScriptedScorer(answering(said(99), size=size)) as server:
        made = scorer("cloudmark", server.address, clock=clock)
        for _ in range(3):
            (verdict,) = await made.examine(letter(weighed("cloudmark")))
            assert verdict.tests[0].score == 10.0
        await clock.advance(UNKNOWN_S)
        server.answer = answering(said(99), size=http(SIZE))
        for _ in range(3):
            await made.examine(letter(weighed("cloudmark")))
        await made.close()

    assert sum(question.startswith(b"GET ") for question in server.questions) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"no JSON",
        b"[" * 100_000,
        b'{"score": null}',
        b'{"score": true}',
        b'{"score": NaN}',
        b'{"score": Infinity}',
        b'{"score": 1e308}',
        b'{"score": -1}',
        b'{"score": 101}',
        b'{"score": "99; rm"}',
        b'{"score": "nan"}',
        b'{"score": [99]}',
    ],
)
def test_what_is_no_score_is_refused(body: bytes) -> None:
    with pytest.raises(Nonsense):
        score(HttpReply(status=200, body=body))
    with pytest.raises(Nonsense):
        score(HttpReply(status=500, body=b'{"score": 99}'))


async def test_it_is_well_when_it_says_how_large_a_message_may_be() -> None:
    async with ScriptedScorer(answering(said(1))) as server:
        made = scorer("cloudmark", server.address)
        assert isinstance(made, AsksServers)
        (health,) = await made.probe()
        server.answer = answering(said(1), size=http(b"{}"))
        (ill,) = await made.probe()
        await made.close()

    assert (health.is_answering, health.detail) == (True, "messages of up to 1000000 octets")
    assert not ill.is_answering
    assert SIZE_LIMIT.target.encode() in server.questions[0]


def test_a_wrong_option_stops_the_start() -> None:
    with pytest.raises(LocalError):
        scorer("cloudmark", "127.0.0.1:2713", message_type="image/png")
    with pytest.raises(LocalError):
        cloudmark.build(None, context())


async def test_wrong_steps_are_seen_and_give_no_points() -> None:
    verdict = await verdict_on(said(99), steps="90=lots")

    assert verdict.outcome is Outcome.ERROR
    assert sum(test.score for test in verdict.tests) == 0
    assert math.isfinite(verdict.ms)
