"""What does a filter make of what its servers say of lessons?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import LocalError
from common.lessons import NOBODY, Lesson, LessonOutcome, Truth
from common.preferences import Kind, Preferences
from satellite.filtering.filter import AsksServers, Filter, FilterLearns, Learned
from satellite.filtering.servers import learning_scorer, rspamd_learning
from satellite.filtering.servers.http_messages import HttpReply
from tests.support.core.preferences import document, preferences, route
from tests.support.core.rooms import made_id
from tests.support.scanning.scorers import letter, scorer
from tests.support.scanning.scripted_scorer import Hang, ScriptedScorer, http

LESSON = Lesson(
    id=made_id(1), customer="Jörg", truth=Truth.HAM, octets=b"Subject: x\r\n\r\nhello\r\n"
)
CLASSIFIER = b'{"statfiles": [{}]}'
SPAMD_LEARNED = b"SPAMD/1.1 0 EX_OK\r\nDidSet: local\r\n\r\n\r\n"


def rspamd_says(*, stat: bytes = CLASSIFIER, learn: bytes) -> Callable[[bytes], bytes]:
    def answers(question: bytes) -> bytes:
        return http(stat if question.startswith(b"GET /stat") else learn)

    return answers


async def learned_by(kind: str, answers: Any, **options: Any) -> tuple[Learned, list[bytes]]:
    async with ScriptedScorer(answers) as server:
        more = {"controllers": [server.address]} if kind == "rspamd" else {"learns": True}
        made = scorer(kind, server.address, **(more | options))
        assert isinstance(made, FilterLearns)
        learned = await made.learn(LESSON)
        await made.close()
        return learned, server.questions


async def test_rspamd_is_told_message_customer_and_password(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(" s3cret\n")

    learned, (_, told) = await learned_by(
        "rspamd", rspamd_says(learn=b'{"success":true}'), password_file=str(password)
    )

    assert learned.outcome is LessonOutcome.LEARNED
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /learnham HTTP/1.1\r\n")
    assert b"\r\nCustomer: customer-" in head and b"\r\nPassword: s3cret" in head
    assert body == LESSON.octets


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ({"learn": b'{"error":"<x> has been already learned as ham, ignore it"}'}, "known"),
        ({"learn": b'{"error":"all learn conditions are denied"}'}, "refused"),
        ({"learn": b'{"error":"invalid command"}'}, "away"),
        ({"learn": b'{"symbols":{}}'}, "away"),
        ({"learn": b"[]"}, "failed"),
        ({"learn": b"<html>"}, "failed"),
        ({"learn": b'{"success":true}', "stat": b'{"statfiles":[]}'}, "away"),
        ({"learn": b'{"success":true}', "stat": b"{}"}, "away"),
        ({"learn": b'{"success":true}', "stat": b"nonsense"}, "failed"),
    ],
)
async def test_what_rspamd_says_of_a_lesson(answers: dict[str, bytes], outcome: str) -> None:
    learned, _ = await learned_by("rspamd", rspamd_says(**answers))

    assert learned.outcome == outcome, learned
    assert (learned.reason == "") is (outcome == "known")


def test_what_rspamd_skips_is_no_lesson() -> None:
    reply = HttpReply(status=204, body=b"")  # as rspamd 3.4 says of the GTUBE mark

    assert rspamd_learning.learned(reply).outcome is LessonOutcome.REFUSED


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (SPAMD_LEARNED, "learned"),
        (b"SPAMD/1.1 0 EX_OK\r\n\r\n\r\n", "known"),
        (b"SPAMD/1.0 69 Service Unavailable: TELL commands are not enabled\r\n", "away"),
        (b"SPAMD/1.0 74 EX_IOERR\r\n", "failed"),
        (b"220 mail.example ESMTP\r\n", "failed"),
    ],
)
async def test_what_spamd_says_of_a_lesson(said: bytes, outcome: str) -> None:
    learned, (told,) = await learned_by("spamassassin", lambda _: said)

    assert learned.outcome == outcome, learned
    head, _, body = told.partition(b"\r\n\r\n")
    assert b"\r\nMessage-class: ham\r\nSet: local\r\nUser: customer-" in head
    assert body == LESSON.octets


async def test_a_lesson_is_learned_only_when_each_server_has_it() -> None:
    async with ScriptedScorer(lambda _: SPAMD_LEARNED) as server:
        made = scorer("spamassassin", server.address, learns=True, addresses=["127.0.0.1:1"])
        assert isinstance(made, FilterLearns) and isinstance(made, AsksServers)
        learned = await made.learn(LESSON)
        healths = await made.probe()
        await made.close()

    assert learned.outcome is LessonOutcome.AWAY, learned
    assert [health.address.endswith(" (learns)") for health in healths] == [
        False,
        False,
        True,
        True,
    ]


async def test_a_server_that_hangs_over_a_lesson_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learning_scorer, "LEARN_S", 0.02)

    def hangs(_: bytes) -> bytes:
        raise Hang

    learned, _ = await learned_by("spamassassin", hangs)

    assert learned.outcome is LessonOutcome.FAILED


def asking() -> Preferences:
    return preferences(
        route("acme.example", "acme"),
        route("off.example", "off"),
        document(Kind.POLICY, "customer/acme", learning="on"),
        *(document(Kind.FILTER, kind, kind=kind) for kind in ("rspamd", "spamassassin")),
    )


async def asked(made: Filter, server: ScriptedScorer, recipient: str) -> bytes:
    await made.examine(letter(asking(), recipients=(recipient,)))
    return server.questions[-1]


async def test_only_what_learns_is_told_the_customer() -> None:
    async with ScriptedScorer(lambda _: b"") as server:
        for options in ([], [server.address]):
            made = scorer("rspamd", server.address, controllers=options)
            learns = bool(options)
            assert (
                b"\r\nCustomer: acme\r\n" in await asked(made, server, "x@acme.example")
            ) is learns
            assert b"Customer" not in await asked(made, server, "x@off.example")
            await made.close()
        made = scorer("spamassassin", server.address, learns=True)
        assert b"\r\nUser: acme\r\n" in await asked(made, server, "x@acme.example")
        nobody = f"\r\nUser: {NOBODY}\r\n".encode()
        assert nobody in await asked(made, server, "x@off.example")
        await made.close()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("rspamd", {"password_file": "/etc/hostname"}),
        ("rspamd", {"controllers": ["x:1"], "password_file": "/nowhere"}),
        ("rspamd", {"controllers": ["x:1"], "password_file": "/dev/null"}),
        ("spamassassin", {"learns": True, "user": "gateway"}),
    ],
)
def test_settings_that_cannot_work_are_refused(kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        scorer(kind, "127.0.0.1:1", **options)
