"""Which answers may still be believed?"""

from __future__ import annotations

from satellite.filtering.answers import TTL_S_MAX, TTL_S_MIN, Answers
from satellite.filtering.resolver import DnsAnswer


def test_an_answer_is_believed_for_as_long_as_it_says() -> None:
    answers = Answers()
    answer = DnsAnswer(("127.0.0.2",), 100.0)

    answers.keep("a", answer, now_s=0.0)

    assert answers.get("a", now_s=99.9) == answer
    assert answers.get("a", now_s=100.0) is None
    assert len(answers) == 0


def test_no_answer_is_believed_for_too_short_or_too_long() -> None:
    answers = Answers()

    answers.keep("short", DnsAnswer((), 0.0), now_s=0.0)
    answers.keep("long", DnsAnswer((), 1e9), now_s=0.0)

    assert answers.get("short", now_s=TTL_S_MIN - 1) is not None
    assert answers.get("long", now_s=TTL_S_MAX) is None


def test_the_oldest_answer_gives_way() -> None:
    answers = Answers(answers_max=2)
    for name in ("a", "b", "a", "c"):
        answers.keep(name, DnsAnswer((), 60.0), now_s=0.0)

    assert answers.get("b", now_s=0.0) is None
    assert answers.get("a", now_s=0.0) is not None
    assert len(answers) == 2
