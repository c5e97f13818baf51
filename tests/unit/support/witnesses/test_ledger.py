"""Does the ledger hold every line before anything else happens?"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.clock import FakeClock
from tests.support.witnesses.ledger import Ledger, parse, read_lines

DATA = b"X-BS-Test-Gid: g1\r\nSubject: a\r\n\r\nbody\r\n"


def _send(ledger: Ledger, gid: str = "g1") -> None:
    ledger.send(
        gid=gid,
        attempt=1,
        target="127.0.0.1:25",
        sender="a@sender.example",
        recipients=["b@acme.example"],
        data=DATA,
    )


def test_each_line_is_synced_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    path = tmp_path / "ledger.jsonl"
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(len(path.read_bytes())))

    with Ledger(path, clock=FakeClock()) as ledger:
        _send(ledger)
        ledger.answer(gid="g1", attempt=1, reply="250 Ok", dot_sent=True)

    first, second = path.read_bytes().splitlines(keepends=True)
    assert synced == [len(first), len(first) + len(second)]


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path, clock=FakeClock(now_us=5)) as ledger:
        _send(ledger)
        ledger.answer(
            gid="g1",
            attempt=1,
            reply="250 Ok",
            dot_sent=True,
            recipients=["b@acme.example"],
            refused={"c@acme.example": "550 no"},
        )

    (sending,), (answer,) = parse(read_lines(path))
    assert (sending.gid, sending.bytes, sending.time_us) == ("g1", len(DATA), 5)
    assert sending.header == ("X-BS-Test-Gid: g1\r\n", "Subject: a\r\n")
    assert answer.is_accepted
    assert answer.refused == (("c@acme.example", "550 no"),)


def test_a_later_run_adds_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for gid in ("g1", "g2"):
        with Ledger(path, clock=FakeClock()) as ledger:
            _send(ledger, gid)

    assert [line["gid"] for line in read_lines(path)] == ["g1", "g2"]


def test_a_line_cut_off_by_a_crash_is_left_out_and_damage_before_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"kind":"send"}\n{"kind":"rep')
    assert read_lines(path) == [{"kind": "send"}]

    path.write_bytes(b'{"kind":"se\n{"kind":"reply"}\n')
    with pytest.raises(json.JSONDecodeError):
        read_lines(path)


@pytest.mark.parametrize(
    ("reply", "dot_sent", "accepted", "uncertain"),
    [
        ("250 Ok", True, True, False),
        (None, True, False, True),
        (None, False, False, False),
        ("451 later", True, False, False),
        ("250 Ok", False, False, False),
    ],
)
def test_only_a_2xx_after_the_dot_is_an_acceptance(
    tmp_path: Path, reply: str | None, dot_sent: bool, accepted: bool, uncertain: bool
) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path, clock=FakeClock()) as ledger:
        ledger.answer(gid="g", attempt=1, reply=reply, dot_sent=dot_sent)

    _, (answer,) = parse(read_lines(path))
    assert (answer.is_accepted, answer.is_uncertain) == (accepted, uncertain)
