"""What is said of a node beside Postfix with rspamd, and is their mail really signed?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dkim
import pytest

from tests.bench import signed_mail
from tests.bench.authenticated import OURS, THEIRS, Ratios, ratios_of, said_of
from tests.bench.loads import DEFAULT_LOADS, LOADS, SIGNED
from tests.bench.peers.rspamd import looks_in

KEY_BITS = 1024  # quickly made; the bench's are longer


def record(peer: str, round_: int, *, rate: float, cpu_s: float = 1.0) -> dict[str, Any]:
    return {
        "peer": peer,
        "load": SIGNED.name,
        "round": round_,
        "rate": rate,
        "accept_rate": rate,
        "accept_ms": None,
        "e2e_ms": None,
        "accepted": 1000,
        "rejected_5xx": 0,
        "tempfail_4xx": 0,
        "errors": 0,
        "missing": 0,
        "duplicates": 0,
        "foreign_cpus": 0.0,
        "cpu_s": {"all": cpu_s},
        "apart_cpu_s": {},
        "pss_mib": {"all": 100.0},
    }


def test_the_ratios_are_those_of_rounds_that_both_were_measured_in() -> None:
    records = [
        record(OURS.name, 1, rate=200),
        record(THEIRS.name, 1, rate=100, cpu_s=2.0),
        record(OURS.name, 2, rate=90),
        record(THEIRS.name, 2, rate=100, cpu_s=4.0),
        record(OURS.name, 3, rate=900),
    ]

    assert ratios_of(records) == Ratios(rates=(2.0, 0.9), rate=1.45, cpu=0.375)
    assert "1.45 (goal 1, reached; rounds 2.00, 0.90)" in said_of(records)
    assert "**not reached**" in said_of(records[2:4])
    assert ratios_of(records[4:]) is None


def test_messages_with_a_virus_are_no_proof_that_nobody_was_asked() -> None:
    log = "x rspamd_task_write_log a\ny rspamd_task_write_log CLAM_VIRUS(0.00)\nanother line\n"

    assert looks_in(log) == ["x rspamd_task_write_log a"]


def test_the_load_of_signed_mail_is_for_those_who_have_somebody_to_ask() -> None:
    assert SIGNED.name in LOADS
    assert SIGNED.name not in DEFAULT_LOADS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    patch = pytest.MonkeyPatch()
    patch.setattr(signed_mail, "KEY_BITS", KEY_BITS)
    patch.setattr(signed_mail, "VARIANTS", {"plain4k": 2, "eicar": 1})
    patch.setattr(signed_mail, "DOMAINS", signed_mail.DOMAINS[:2])
    made = tmp_path_factory.mktemp("signed")
    try:
        signed_mail.ready(made)
        yield made
    finally:
        patch.undo()


def test_each_signed_message_verifies_whatever_its_number_is(folder: Path) -> None:
    for name in ("plain4k-0", "plain4k-1", "eicar-0"):
        octets = (folder / f"{name}.eml").read_bytes().replace(b"BENCHID0", b"12345678")
        assert octets.count(b"12345678") == 1

        def key(asked: bytes, timeout: int = 5) -> bytes:
            selector, _, domain = asked.rstrip(b".").partition(b"._domainkey.")
            zone = (folder / f"{domain.decode()}.zone").read_text()
            (line,) = (one for one in zone.splitlines() if one.startswith(selector.decode()))
            return line.partition('"')[2].rstrip('"').replace('" "', "").encode()

        assert dkim.verify(octets, dnsfunc=key)


def test_each_message_is_sent_by_the_one_who_signed_it(folder: Path) -> None:
    files = {one.file.name: one.sender for one in signed_mail.ready(folder)}

    assert files == {
        "plain4k-0.eml": "sender@sender00.test",
        "plain4k-1.eml": "sender@sender01.test",
        "eicar-0.eml": "sender@sender00.test",
    }
