"""What does the rspamd filter ask, and what does it make of the answers?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.errors import LocalError
from common.verdict import Outcome, Verdict
from satellite.filtering.filters import rspamd
from satellite.filtering.servers.http_messages import HttpReply
from satellite.filtering.servers.rspamd_answer import answer
from tests.support.core.preferences import preferences
from tests.support.scanning.filtering import context
from tests.support.scanning.scorers import letter, scorer, weighed
from tests.support.scanning.scripted_scorer import ScriptedScorer, http

ANSWER: dict[str, Any] = {
    "is_skipped": False,
    "score": 1.3,
    "required_score": 15.0,
    "action": "no action",
    "symbols": {
        "LOTTERY": {"name": "LOTTERY", "score": 2.5, "options": ["subject", "x;y"]},
        "CLIENT_KNOWN": {"name": "CLIENT_KNOWN", "score": -1.2, "options": ["a@sender.example"]},
        "MIME_TRACE": {"name": "MIME_TRACE", "score": 0.0},
    },
    "messages": {},
}  # as rspamd 3.4 gave it


def said(**more: Any) -> bytes:
    return http(json.dumps(ANSWER | more).encode())


async def verdict_on(
    answer: bytes, *, document: dict[str, Any] | None = None, **more: Any
) -> tuple[Verdict, list[bytes]]:
    async with ScriptedScorer(lambda _: answer) as server:
        made = scorer("rspamd", server.address, **more)
        (verdict,) = await made.examine(letter(weighed("rspamd", **(document or {}))))
        await made.close()
        return verdict, server.questions


async def test_symbols_and_scores_are_taken_over() -> None:
    verdict, _ = await verdict_on(said())

    assert (verdict.by, verdict.outcome) == ("rspamd", Outcome.SCORED)
    assert [(test.name, test.score) for test in verdict.tests] == [
        ("RSPAMD_LOTTERY", 2.5),
        ("RSPAMD_CLIENT_KNOWN", -1.2),
    ]
    assert verdict.tests[0].detail == "subject; x;y"
    assert verdict.detail == "1.3 of 15.0; no action"
    assert all(test.recipient is None for test in verdict.tests)


async def test_the_document_weighs_and_caps() -> None:
    verdict, _ = await verdict_on(
        said(score=40.0), document={"factor": 0.5, "points_max": 4, "ignored": "LOTTERY"}
    )

    assert sum(test.score for test in verdict.tests) == pytest.approx(4)
    assert "RSPAMD_LOTTERY" not in {test.name for test in verdict.tests}


@pytest.mark.parametrize("action", ["reject", "soft reject", "greylist", "add header", "x\r\ny"])
async def test_no_action_of_rspamd_does_anything(action: str) -> None:
    verdict, _ = await verdict_on(said(action=action))

    assert sum(test.score for test in verdict.tests) == pytest.approx(1.3)
    assert verdict.detail.isprintable()


async def test_what_it_knows_at_a_glance_counts() -> None:
    """GTUBE: rspamd says that it skipped the message, with a score."""
    verdict, _ = await verdict_on(
        said(is_skipped=True, score=15.0, symbols={"GTUBE": {"score": 0}})
    )

    assert [(test.name, test.score) for test in verdict.tests] == [("RSPAMD_OTHER", 15.0)]


async def test_what_it_did_not_look_at_is_no_pass() -> None:
    verdict, _ = await verdict_on(said(is_skipped=True, score=0, symbols={}))

    assert (verdict.outcome, verdict.tests) == (Outcome.SKIPPED, ())


async def test_the_envelope_goes_in_fields() -> None:
    async with ScriptedScorer(lambda _: said()) as server:
        made = scorer("rspamd", server.address, user="gateway")
        for recipients in (("x@acme.example",), ("x@acme.example", "y@acme.example")):
            await made.examine(letter(weighed("rspamd"), recipients=recipients))
        await made.close()

    one, two = (question.split(b"\r\n\r\n")[0].split(b"\r\n") for question in server.questions)
    assert one[0] == b"POST /checkv2 HTTP/1.1"
    for field in (
        b"IP: 192.0.2.7",
        b"Helo: mail",
        b"From: <a@sender.example>",
        b"Rcpt: <x@acme.example>",
        b"Deliver-To: x@acme.example",
        b"User: gateway",
    ):
        assert field in one
    assert b"Rcpt: <y@acme.example>" in two
    assert not any(line.startswith(b"Deliver-To") for line in two)
    assert server.questions[0].endswith(b"\r\n\r\nSubject: hello\r\n\r\nWell then.\r\n")


async def test_a_thousand_recipients_are_not_a_header_without_an_end() -> None:
    async with ScriptedScorer(lambda _: said()) as server:
        made = scorer("rspamd", server.address)
        recipients = tuple(f"r{n}@acme.example" for n in range(1_000))
        (verdict,) = await made.examine(letter(weighed("rspamd"), recipients=recipients))
        await made.close()

    assert verdict.outcome is Outcome.SCORED
    assert server.questions[0].count(b"\r\nRcpt: ") == 100


async def test_a_large_message_is_not_shown() -> None:
    async with ScriptedScorer(lambda _: said()) as server:
        made = scorer("rspamd", server.address, bytes_max=1024)
        header = b"Subject: " + b"x" * 2_000
        (verdict,) = await made.examine(letter(weighed("rspamd"), header + b"\r\n\r\n"))

    assert (verdict.outcome, verdict.tests, server.questions) == (Outcome.SKIPPED, (), [])


async def test_without_a_document_nothing_is_asked() -> None:
    made = scorer("rspamd", "127.0.0.1:1")

    assert await made.examine(letter(preferences())) == ()


async def test_a_document_with_a_wrong_option_is_seen() -> None:
    made = scorer("rspamd", "127.0.0.1:1")

    (verdict,) = await made.examine(letter(weighed("rspamd", factr=2)))

    assert verdict.outcome is Outcome.ERROR
    assert "factr" in verdict.detail


@pytest.mark.parametrize("score", ["NaN", "Infinity", "-Infinity", "1e999", "1e308", "9" * 400])
def test_no_score_is_beyond_bounds(score: str) -> None:
    body = f'{{"score": {score}, "symbols": {{"A": {{"score": {score}}}}}}}'.encode()

    found = answer(HttpReply(status=200, body=body))

    assert abs(found.score) <= 1_000
    assert abs(found.symbols[0].score) <= 100


@pytest.mark.parametrize("options", [{"bytes_max": 1}, {"colour": "red"}, {"sessions_max": 0}])
def test_a_wrong_option_stops_the_start(options: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        scorer("rspamd", "127.0.0.1:11333", **options)


def test_it_needs_an_address_and_each_once() -> None:
    with pytest.raises(LocalError, match="no address"):
        scorer("rspamd", "")
    with pytest.raises(LocalError, match="twice"):
        scorer("rspamd", "127.0.0.1:11333", addresses=["127.0.0.1:11333"])
    with pytest.raises(LocalError):
        rspamd.build(None, context())
