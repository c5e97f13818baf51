"""Does a server that fails ever add a point, take one away, or hold mail up?

The fault table: each kind of filter that asks another program, and each thing that can be wrong
with that one. In no cell is there a point or an exception; what is unknown is said to be.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from common.verdict import Outcome
from satellite.filtering.conformance import Scene, check_filter, plain_mail
from satellite.filtering.filters import lists
from satellite.filtering.run import Filters
from satellite.filtering.servers.scorer import Scorer
from satellite.judging.score import Scores
from tests.support.clock import FakeClock
from tests.support.network.ports import free_port
from tests.support.scanning.filtering import context
from tests.support.scanning.scorers import BUDGET_S, SHORT_S, scorer, weighed
from tests.support.scanning.scripted_scorer import (
    Hang,
    ScriptedScorer,
    hear_all,
    hear_request,
    http,
)

HEARS = {
    "cloudmark": hear_request,
    "dcc": hear_all,
    "rspamd": hear_request,
    "spamassassin": hear_all,
}
KINDS = sorted(HEARS)


def hang(_: bytes) -> bytes:
    raise Hang


GARBAGE = b"\xff\x00\r\n\r\n garbage \r\n" * 100
HUGE = b"x" * 300_000
FAULTS = {
    "slow": (hang, Outcome.TIMEOUT),
    "garbage": (lambda _: GARBAGE, Outcome.ERROR),
    "closes": (lambda _: b"", Outcome.ERROR),
    "huge": (lambda _: HUGE, Outcome.ERROR),
}
HALF = {
    "dcc": b"R\nR\nX-DCC-a-Metr",
    "cloudmark": b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"score": 99.0',
    "rspamd": b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"score": 99.0, "symbols": {',
    "spamassassin": b"SPAMD/1.1 0 EX_OK\r\nContent-length: 900\r\nSpam: True ; 99.0 / 5.0\r\n\r\n",
}
WRONG_CODE = {
    "dcc": b"T\nT\nX-DCC-a-Metrics: mx 1; bulk Body=many\n",
    "cloudmark": http(b'{"score": 99.0}', status="500 Internal Server Error"),
    "rspamd": http(b'{"score": 99.0}', status="503 Service Unavailable"),
    "spamassassin": b"SPAMD/1.1 75 EX_TEMPFAIL\r\nSpam: True ; 99.0 / 5.0\r\n\r\n",
}
HUGE_OF_ITS_KIND = {
    "dcc": b"A\nA\nX-DCC-a-Metrics: mx 1; bulk Body=many\n" + HUGE,
    "cloudmark": http(b'{"score": 99, "x": "' + HUGE + b'"}'),
    "rspamd": http(b'{"score": 1, "x": "' + HUGE + b'"}'),
    "spamassassin": b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9.0 / 5.0\r\n\r\n" + HUGE,
}
OF_EACH_KIND = {"half an answer": HALF, "wrong code": WRONG_CODE, "huge answer": HUGE_OF_ITS_KIND}


async def check(kind: str, address: str, outcome: Outcome, *, timeout_s: float = BUDGET_S) -> None:
    mail = plain_mail(weighed(kind))
    scene = Scene(mail=mail, outcomes=(outcome,))

    verdicts = await check_filter(
        lambda: scorer(kind, address, timeout_s=timeout_s, sessions_max=64), scene
    )

    assert [verdict.by for verdict in verdicts] == [kind]
    assert verdicts[0].detail  # it says what is wrong
    scoring = Scores(verdicts).of("x@acme.example")
    assert (scoring.total, scoring.allowed, scoring.blocked) == (0.0, None, None)
    assert [test.name for test in scoring.tests] == [f"{kind}_{outcome.value}".upper()]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_is_down_is_unavailable(kind: str) -> None:
    await check(kind, f"127.0.0.1:{free_port()}", Outcome.UNAVAILABLE)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_fails_gives_no_points(kind: str, fault: str) -> None:
    answer, outcome = FAULTS[fault]
    timeout_s = SHORT_S if outcome is Outcome.TIMEOUT else BUDGET_S
    async with ScriptedScorer(answer, hears=HEARS[kind], keeps=False) as server:
        await check(kind, server.address, outcome, timeout_s=timeout_s)


@pytest.mark.parametrize("fault", OF_EACH_KIND)
@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_cannot_be_believed_gives_no_points(kind: str, fault: str) -> None:
    answer = OF_EACH_KIND[fault][kind]
    async with ScriptedScorer(lambda _: answer, hears=HEARS[kind], keeps=False) as server:
        await check(kind, server.address, Outcome.ERROR)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_fails_is_followed_by_the_next(kind: str) -> None:
    async with ScriptedScorer(lambda _: b"", hears=HEARS[kind], keeps=False) as closes:
        down = f"127.0.0.1:{free_port()}"
        made = scorer(kind, down, addresses=[closes.address])

        (verdict,) = await made.examine(replace(plain_mail(weighed(kind))))

    assert verdict.outcome is Outcome.ERROR  # of the second one, which was asked
    assert closes.connections == 1


async def test_an_operator_hears_of_one_that_fails_for_several_messages_until_it_answers() -> None:
    answers = [b"", b"", b"", http(b'{"score": 1.0, "symbols": {}}')]
    async with ScriptedScorer(lambda _: answers.pop(0), hears=hear_request, keeps=False) as server:
        made = scorer("rspamd", server.address)
        filters = Filters([made], clock=FakeClock(), metrics=CollectorRegistry())
        told = []
        for _ in range(4):
            await made.examine(plain_mail(weighed("rspamd")))
            told.append(filters.problems())
        await filters.close()

    assert told[:2] == [(), ()]
    assert "the filter rspamd gives no points: " in told[2][0]
    assert told[3] == ()


async def test_one_that_keeps_silent_is_left_alone_and_costs_nobody_its_time() -> None:
    async with ScriptedScorer(hang) as server:
        metrics = CollectorRegistry()
        silent = scorer("rspamd", server.address, timeout_s=SHORT_S)
        filters = Filters(
            [lists.build(None, context()), silent], clock=FakeClock(), metrics=metrics
        )
        mail = plain_mail(weighed("rspamd"))

        verdicts = [(await filters.examine(mail))[1] for _ in range(5)]
        await filters.close()

    assert [verdict.outcome for verdict in verdicts] == [Outcome.TIMEOUT] * 3 + [
        Outcome.UNAVAILABLE
    ] * 2
    name = "borderscout_filter_breaker_open"
    assert metrics.get_sample_value(name, {"filter": "rspamd"}) == 1.0


async def test_who_waits_for_too_many_others_is_not_counted_as_silence() -> None:
    made = scorer("rspamd", "127.0.0.1:1", timeout_s=SHORT_S, sessions_max=1)
    assert isinstance(made, Scorer)
    await made._places.acquire()  # another message has the only one, for as long as it takes

    (verdict,) = await made.examine(plain_mail(weighed("rspamd")))

    assert (verdict.outcome, verdict.detail) == (
        Outcome.UNAVAILABLE,
        "too many other messages wait for it",
    )
