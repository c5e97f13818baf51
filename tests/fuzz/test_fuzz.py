"""Whatever octets come, a parser gives an answer of its own, within bounds.

``FUZZ_INPUTS`` and ``FUZZ_SEED`` in the environment change how many are tried, and which.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from satellite.scanning import mime
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.skeleton import Skeleton
from tests.fuzz.mutation import INPUT_BYTES_MAX, input_of
from tests.fuzz.running import Failure, failure_of, failures, minimised
from tests.fuzz.target import CORPUS, load, target_names
from tests.support.work import work_s

INPUTS = int(os.environ.get("FUZZ_INPUTS", "400"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))


def _kept() -> list[object]:
    """Return every kept input; what is known to fail must still do so, or its mark goes."""
    return [
        pytest.param(
            name,
            file,
            id=f"{name}/{file}",
            marks=pytest.mark.xfail(reason=load(name).known[file], strict=True)
            if file in load(name).known
            else (),
        )
        for name in target_names()
        for file in load(name).kept()
    ]


@pytest.mark.parametrize(("name", "file"), _kept())
def test_what_was_kept_breaks_nothing(name: str, file: str) -> None:
    target = load(name)

    target.run(target.kept()[file])


@pytest.mark.parametrize("name", target_names())
def test_inputs_that_nobody_would_write_break_nothing(name: str) -> None:
    target = load(name)

    found = next(failures(target, inputs=INPUTS // target.cost, seed=SEED), None)

    if found is not None:
        number, failure = found
        command = f"python -m tests.fuzz {name} --inputs {number + 1} --seed {SEED}"
        pytest.fail(f"{failure.text}keep it with: {command}", pytrace=False)


@pytest.mark.parametrize("name", target_names())
def test_every_target_has_seeds_of_its_own(name: str) -> None:
    assert load(name).kept()


def test_every_folder_of_the_corpus_belongs_to_a_target_and_names_what_is_known() -> None:
    assert sorted(path.name for path in CORPUS.iterdir()) == target_names()
    for name in target_names():
        target = load(name)
        assert target.known.keys() <= target.kept().keys()


def test_a_field_of_beginnings_of_encoded_words_costs_no_square() -> None:
    def reading_s(count: int) -> float:
        message = b"Subject: " + b"=?" * count + b"\r\n\r\nx\r\n"

        def read() -> None:
            budget = CpuBudget(60, cpu_s=time.thread_time)
            list(mime.by_fast_mail_parser(message, Skeleton.of(message), UnfoldingLimits(), budget))

        return min(work_s(read) for _ in range(3))

    # Four times as long: four times the work, or sixteen times.
    assert reading_s(32_000) < 8 * reading_s(8_000)


# ---- the machine itself


def _breaks_at(word: bytes) -> Callable[[bytes], None]:
    def run(octets: bytes) -> None:
        assert word not in octets

    return run


def test_the_same_seed_gives_the_same_inputs() -> None:
    def some(seed: int) -> list[bytes]:
        corpus = [b"MAIL FROM:<a@b.example>\r\n", b"RCPT"]
        return [input_of(n, seed=seed, corpus=corpus, dictionary=(b"SIZE=",)) for n in range(200)]

    assert some(1) == some(1)
    assert some(1) != some(2)
    assert len(set(some(1))) > 190
    assert max(map(len, some(1))) <= INPUT_BYTES_MAX


def test_what_breaks_is_found_and_made_small() -> None:
    run = _breaks_at(b"=?")
    found = failure_of(run, b"Subject: " + b"x" * 500 + b"=?utf-8?q?=?=" + b"y" * 500)

    assert isinstance(found, Failure)
    assert found.kind == "AssertionError in run"
    assert minimised(run, found).octets == b"=?"
    assert failure_of(run, b"harmless") is None


def test_endless_work_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter((0.0, 2.5))
    monkeypatch.setattr("tests.support.work.time.thread_time", lambda: next(ticks))

    found = failure_of(lambda _: None, b"x")

    assert found is not None
    assert found.kind == "TooMuchWork in failure_of"
