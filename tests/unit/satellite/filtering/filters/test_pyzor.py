"""What is a Pyzor server asked, and what becomes of its counts?"""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest

from common.errors import LocalError
from common.verdict import Outcome, Verdict
from satellite.filtering.conformance import Scene, check_filter
from satellite.filtering.filter import AsksServers
from satellite.filtering.filters import pyzor
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.pyzor_digest import pyzor_digest
from satellite.filtering.servers.pyzor_protocol import counts
from satellite.judging.score import Scores
from tests.support.network.ports import free_port
from tests.support.scanning.filtering import context
from tests.support.scanning.scorers import BUDGET_S, SHORT_S, letter, scorer, weighed
from tests.support.scanning.scripted_datagrams import ScriptedDatagrams, fields_of, pyzor_reply

LETTER = b"Subject: hello\r\n\r\n" + b"You have won in the lottery\r\n" * 9


async def verdict_on(*, weights: dict[str, Any] | None = None, **said: Any) -> Verdict:
    async with ScriptedDatagrams(lambda asked: [pyzor_reply(asked, **said)]) as server:
        made = scorer("pyzor", server.address)
        (verdict,) = await made.examine(letter(weighed("pyzor", **(weights or {})), LETTER))
        return verdict


@pytest.mark.parametrize(
    ("count", "welcomes", "points"),
    [
        (0, 0, 0.0),
        (4, 0, 0.0),
        (5, 0, 1.5),
        (30, 10, 0.75),
        (10, 10, 0.0),
        (10, 99, 0.0),
        ("9" * 20, 0, 1.5),
    ],
)
async def test_reports_have_the_points_of_their_step(
    count: object, welcomes: int, points: float
) -> None:
    verdict = await verdict_on(count=count, welcomes=welcomes)

    assert verdict.outcome is Outcome.SCORED
    assert [(test.name, test.score) for test in verdict.tests] == (
        [("PYZOR", points)] if points else []
    )


async def test_the_document_names_the_steps() -> None:
    assert (await verdict_on(count=60, weights={"steps": "50=4"})).tests[0].score == 4.0


async def test_the_question_is_a_digest_and_signed() -> None:
    async with ScriptedDatagrams(lambda asked: [pyzor_reply(asked)]) as server:
        await scorer("pyzor", server.address).examine(letter(weighed("pyzor"), LETTER))

    (question,) = server.questions
    fields = fields_of(question)
    assert list(fields) == ["Op", "Op-Digest", "Thread", "PV", "User", "Time", "Sig"]
    assert (fields["Op"], fields["PV"], fields["User"]) == ("check", "2.1", "anonymous")
    assert fields["Op-Digest"] == pyzor_digest(LETTER)
    assert 1024 <= int(fields["Thread"]) < 65_536
    signed = question.partition(b"\nSig: ")[0]
    key = sha1(b"anonymous:", usedforsecurity=False).hexdigest()
    inner = sha1(signed, usedforsecurity=False).digest()
    signature = sha1(inner + f":{fields['Time']}:{key}".encode(), usedforsecurity=False)
    assert fields["Sig"] == signature.hexdigest()


async def test_a_message_without_words_is_not_asked_about() -> None:
    async with ScriptedDatagrams(lambda asked: [pyzor_reply(asked, count=99)]) as server:
        made = scorer("pyzor", server.address)
        (verdict,) = await made.examine(letter(weighed("pyzor"), b"Subject: x\r\n\r\nhi\r\n"))

    assert (verdict.outcome, verdict.tests, server.questions) == (Outcome.SKIPPED, (), [])


async def test_a_large_message_is_digested_as_well() -> None:
    async with ScriptedDatagrams(lambda asked: [pyzor_reply(asked, count=99)]) as server:
        made = scorer("pyzor", server.address)
        large = b"Subject: x\r\n\r\n" + b"".join(b"a line of %d\r\n" % n for n in range(9_999))
        (verdict,) = await made.examine(letter(weighed("pyzor"), large))

    assert verdict.tests[0].score == 1.5


async def operations(recipients: tuple[str, ...], **options: Any) -> list[str]:
    async with ScriptedDatagrams(lambda asked: [pyzor_reply(asked)]) as server:
        made = scorer("pyzor", server.address, **options)
        prefs = weighed("pyzor", traps="trap@acme.example")
        for _ in range(2):
            await made.examine(letter(prefs, LETTER, recipients=recipients))
        return [fields_of(question)["Op"] for question in server.questions]


async def test_what_is_for_traps_alone_is_reported_once_where_the_settings_say_so() -> None:
    trap = ("trap@acme.example",)

    assert await operations(trap) == ["check", "check"]
    assert await operations(trap, report=True) == ["check", "report", "check"]
    assert await operations((*trap, "x@acme.example"), report=True) == ["check", "check"]


async def test_a_report_that_is_refused_changes_no_verdict() -> None:
    def answers(asked: bytes) -> list[bytes]:
        is_report = fields_of(asked)["Op"] == "report"
        return [pyzor_reply(asked, count=9, code="403" if is_report else "200", Diag="Forbidden")]

    async with ScriptedDatagrams(answers) as server:
        made = scorer("pyzor", server.address, report=True)
        prefs = weighed("pyzor", traps="x@acme.example")
        (verdict,) = await made.examine(letter(prefs, LETTER))

    assert (verdict.outcome, verdict.tests[0].score) == (Outcome.SCORED, 1.5)
    assert verdict.detail.endswith("; not reported: the Pyzor server refuses: 403 Forbidden")


async def test_what_is_no_answer_to_this_question_is_passed_over() -> None:
    def answers(asked: bytes) -> list[bytes]:
        return [pyzor_reply(asked, count=99, Thread="7"), pyzor_reply(asked, count=0)]

    async with ScriptedDatagrams(answers) as server:
        (verdict,) = await scorer("pyzor", server.address).examine(letter(weighed("pyzor"), LETTER))

    assert (verdict.outcome, verdict.tests) == (Outcome.SCORED, ())


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (lambda asked: [], Outcome.TIMEOUT),
        (lambda asked: [b"\xff\x00garbage"], Outcome.ERROR),
        (lambda asked: [pyzor_reply(asked, count=99)[:-30]], Outcome.ERROR),
        (lambda asked: [pyzor_reply(asked, count=99, code="500")], Outcome.ERROR),
        (lambda asked: [pyzor_reply(asked, count="-99")], Outcome.ERROR),
        (lambda asked: [pyzor_reply(asked, count="nan")], Outcome.ERROR),
        (lambda asked: [pyzor_reply(asked, count=99, PV="1.0")], Outcome.ERROR),
        (lambda asked: [b"x" * 60_000], Outcome.ERROR),
        (lambda asked: [pyzor_reply(asked, Thread="9", count=99)] * 50, Outcome.TIMEOUT),
    ],
    ids=["slow", "garbage", "half", "code", "negative", "nan", "version", "huge", "foreign"],
)
async def test_a_server_that_fails_gives_no_points(answers: Any, outcome: Outcome) -> None:
    """The fault table of ``pyzor``."""
    timeout_s = SHORT_S if outcome is Outcome.TIMEOUT else BUDGET_S
    scene = Scene(mail=letter(weighed("pyzor"), LETTER), outcomes=(outcome,))
    async with ScriptedDatagrams(answers) as server:
        address = server.address
        verdicts = await check_filter(
            lambda: scorer("pyzor", address, timeout_s=timeout_s, sessions_max=64), scene
        )

    scoring = Scores(verdicts).of("x@acme.example")
    assert (scoring.total, scoring.allowed, scoring.blocked) == (0.0, None, None)
    assert [test.name for test in scoring.tests] == [f"PYZOR_{outcome.value.upper()}"]


async def test_a_server_that_is_down_is_unavailable_and_the_next_one_is_asked() -> None:
    down = f"127.0.0.1:{free_port()}"
    mail = letter(weighed("pyzor"), LETTER)

    await check_filter(
        lambda: scorer("pyzor", down), Scene(mail=mail, outcomes=(Outcome.UNAVAILABLE,))
    )
    async with ScriptedDatagrams(lambda asked: [pyzor_reply(asked, count=9)]) as server:
        (verdict,) = await scorer("pyzor", down, addresses=[server.address]).examine(mail)

    assert verdict.tests[0].score == 1.5


@pytest.mark.parametrize("said", [b"", b"Code: 200\n", b"Code: 200\nPV: 2.1\nCount: 1\n"])
def test_what_has_no_counts_is_refused(said: bytes) -> None:
    with pytest.raises(Nonsense):
        counts(said)


async def test_it_says_how_it_is() -> None:
    async with ScriptedDatagrams(lambda asked: [pyzor_reply(asked)]) as server:
        made = scorer("pyzor", server.address, addresses=[f"127.0.0.1:{free_port()}"])
        assert isinstance(made, AsksServers)

        assert [health.is_answering for health in await made.probe()] == [True, False]


def test_a_wrong_setting_stops_the_start(tmp_path: Path) -> None:
    empty, key = tmp_path / "empty", tmp_path / "key"
    empty.write_text("")
    key.write_text("0011,AAbb\n")
    wrong: list[dict[str, Any]] = [
        {"user": "scout"},
        {"user": "a b"},
        {"user": "scout", "key_file": str(tmp_path / "none")},
        {"user": "scout", "key_file": str(empty)},
    ]
    for options in wrong:
        with pytest.raises(LocalError):
            scorer("pyzor", "127.0.0.1:24441", **options)
    with pytest.raises(LocalError, match="datagrams"):
        scorer("pyzor", "unix:/run/pyzor")
    with pytest.raises(LocalError):
        pyzor.build(None, context())
    assert scorer("pyzor", "127.0.0.1:24441", user="scout", key_file=str(key)).name == "pyzor"
