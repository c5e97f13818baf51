"""Trend Vision One File Security: what its results mean, what it is shown, and where mail goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest

from common.clock import SystemClock
from common.errors import LocalError
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.scanning.engine import BARRED, EngineAnswersAtOnce, EngineContext
from satellite.scanning.engines.trend_v1fs import TrendV1fs, build
from satellite.scanning.file_security.exchange import READ_BYTES_MIN, READ_TIMES_MAX
from satellite.scanning.file_security.outcomes import UNNAMED, refused, result_of
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from tests.support.network.authority import Authority
from tests.support.network.ports import free_port
from tests.support.scanning.messages import file_sample, plain, sample_of
from tests.support.scanning.scripted_file_security import (
    Close,
    Hang,
    Refuse,
    ScriptedFileSecurity,
    concise,
    verbose,
)

DEADLINE_S = 20.0
MESSAGE = plain(b"hello")
DIGEST = sha256(MESSAGE).digest()
INFECTED, CLEAN, ERROR = Outcome.INFECTED, Outcome.CLEAN, Outcome.ERROR
LIMITS, UNAVAILABLE = Outcome.LIMITS, Outcome.UNAVAILABLE


def engine_at(address: str = "", **options: Any) -> TrendV1fs:
    clock = SystemClock()
    engine = build(
        EngineSettings(
            name="trend",
            kind="trend-v1fs",
            address=address,
            options={"tls": False, **options} if address else options,
        ),
        EngineContext(clock=clock, helper=Helper(clock=clock)),
    )
    assert isinstance(engine, TrendV1fs)
    return engine


def changed(text: str, **values: object) -> str:
    return json.dumps({**json.loads(text), **values})


def of_atse(**values: object) -> str:
    said = json.loads(verbose())
    said["result"]["atse"].update(values)
    return json.dumps(said)


RESULTS: Mapping[str, tuple[str, Outcome, tuple[str, ...]]] = {
    "clean": (verbose(), CLEAN, ()),
    "clean, concise": (concise(), CLEAN, ()),
    "clean, concise, 0": (concise(result=0), CLEAN, ()),
    "infected": (verbose("Eicar_test_file"), INFECTED, ("Eicar_test_file",)),
    "infected, concise": (concise("Eicar_test_file"), INFECTED, ("Eicar_test_file",)),
    "infected, not named": (concise(result=1), INFECTED, (UNNAMED,)),
    "two of one name": (verbose("A", "A", "B"), INFECTED, ("A", "B")),
    "by learning": (
        verbose(by_learning=("Ransom.Win32.TRX.XXPE1",)),
        INFECTED,
        ("Ransom.Win32.TRX.XXPE1",),
    ),
    "a count without names": (of_atse(malwareCount=1), INFECTED, (UNNAMED,)),
    "names without a count": (of_atse(malware=[{"name": "A"}]), INFECTED, ("A",)),
    "found, and an error": (verbose("A", error="ATSE_ZIP_RATIO_ERR"), INFECTED, ("A",)),
    "a limit": (verbose(error="ATSE_ZIP_RATIO_ERR"), LIMITS, ()),
    "a limit, in a list": (verbose(error=[{"code": "ATSE_EXTRACT_TOO_DEEP_ERR"}]), LIMITS, ()),
    "locked": (verbose(error="ATSE_FILE_ENCRYPTED"), Outcome.ENCRYPTED, ()),
    "an error": (verbose(error="out of memory"), ERROR, ()),
    "of another file": (changed(concise(), fileSHA256="sha256:" + "0" * 64), ERROR, ()),
    "of this file": (changed(concise(), fileSHA256=DIGEST.hex()), CLEAN, ()),
    "no engine by patterns": (changed(verbose(), result={"trendx": None}), ERROR, ()),
    "no engine": (changed(verbose(), result={}), ERROR, ()),
    "no count": (of_atse(malwareCount=None), ERROR, ()),
    "a count that is none": (of_atse(malwareCount="0"), ERROR, ()),
    "a count that is true": (of_atse(malwareCount=True), ERROR, ()),
    "a count below nothing": (of_atse(malwareCount=-1), ERROR, ()),
    "findings that are no list": (of_atse(malware="A"), ERROR, ()),
    "no result": (json.dumps({"scanId": "1"}), ERROR, ()),
    "no scan": (json.dumps({"scanResult": 0}), ERROR, ()),
    "an empty object": ("{}", ERROR, ()),
    "a list": ("[]", ERROR, ()),
    "a word": ('"clean"', ERROR, ()),
    "nothing": ("", ERROR, ()),
    "no JSON": ("stream: OK", ERROR, ()),
    "half": (verbose()[:-20], ERROR, ()),
    "deep": ("[" * 100_000, ERROR, ()),
    "long": (changed(concise(), fileName="x" * 2_000_000), ERROR, ()),
}


@pytest.mark.parametrize(("text", "outcome", "threats"), RESULTS.values(), ids=list(RESULTS))
def test_a_result_means(text: str, outcome: Outcome, threats: tuple[str, ...]) -> None:
    said = result_of(text, sha256=DIGEST)

    assert (said.meaning.outcome, said.meaning.threats) == (outcome, threats)


def test_a_result_tells_versions_of_scanner_engine_and_patterns() -> None:
    said = result_of(verbose(), sha256=DIGEST)

    assert said.version == "1.0.0-1 (23.57.0-1002)"
    assert said.definitions == (
        "lptvpn 301, macvpn 904, ssaptn 721, tmblack 253, tmwhite 227, trendx 331"
    )


# Each row of *Error Handling* in the README of the vendor's client that a service sends.
REFUSALS = [
    (16, "Invalid token or Api Key.", ERROR),
    (13, "Http Error Code: 429", UNAVAILABLE),
    (3, "Too many tags. Decrease to eight tags or less.", ERROR),
    (3, "SHA256 format from the SDK is incorrect. Contact Support.", ERROR),
    (5, "Customer ID not found. Contact Support.", ERROR),
    (7, "SDK feature is not enabled for this account.", ERROR),
    (8, "This account has performed five scans in the last hour.", UNAVAILABLE),
    (8, "file size 5000 is over maximum allowed size 1000", LIMITS),
    (8, "Cannot allocate resource. Try again later.", UNAVAILABLE),
    (9, "Incorrect stage 1 from the SDK. Contact Support.", ERROR),
    (12, "Predictive Machine Learning is not supported. Contact Support.", ERROR),
    (13, "Internal error. Try again later.", ERROR),
    (13, "Unclear scan result: x. Contact Support.", ERROR),
    (14, "failed to connect to all addresses", UNAVAILABLE),
    (4, "Deadline Exceeded", Outcome.TIMEOUT),
    (0, "", ERROR),
    (99, "what is this", ERROR),
]


@pytest.mark.parametrize(("status", "details", "outcome"), REFUSALS)
def test_a_refusal_means(status: int, details: str, outcome: Outcome) -> None:
    said = refused(status, details)

    assert said.outcome is outcome
    assert ("no licence" in said.detail) is (status in (5, 7, 16))


async def scan(engine: TrendV1fs, sample: Sample | None = None) -> Verdict:
    return await engine.scan(sample or sample_of(MESSAGE), deadline_s=DEADLINE_S)


async def test_what_is_said_of_a_message_is_its_number_its_size_and_no_more() -> None:
    async with ScriptedFileSecurity(lambda _: verbose()) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine)
        await engine.close()

    (first,) = peer.firsts
    assert verdict.outcome is CLEAN
    assert first.file_name == "01TEST.eml"
    assert first.file_bytes == len(MESSAGE)
    assert (first.file_sha1, first.file_sha256, list(first.tags)) == ("", "", [])
    assert first.bulk
    assert not first.feedback
    assert peer.metadata[0]["tm-app-name"] == "V1FS"
    assert "authorization" not in peer.metadata[0]


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_000])
async def test_it_gets_the_very_message(size: int, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def keep(content: bytes) -> str:
        seen.append(content)
        return verbose()

    body = bytes(n % 251 for n in range(size))
    async with ScriptedFileSecurity(keep) as peer:
        engine = engine_at(peer.address)
        outcomes = {
            (await scan(engine, sample)).outcome
            for sample in (sample_of(body), file_sample(tmp_path / "body", body))
        }
        await engine.close()

    assert outcomes == {CLEAN}
    assert seen == [body, body]


def over_and_over(size: int) -> list[tuple[int, int]]:
    return [(0, size)] * (READ_TIMES_MAX + READ_BYTES_MIN // size + 1)


ASKING: Mapping[str, Callable[[int], list[tuple[int, int]]]] = {
    "before it": lambda size: [(-1, size)],
    "beyond it": lambda size: [(size + 1, 1)],
    "nothing of it": lambda _: [(0, 0)],
    "less than nothing": lambda _: [(0, -5)],
    "more than a piece may have": lambda _: [(0, 1 << 30)],
    "it over and over": over_and_over,
}


@pytest.mark.parametrize("asks", ASKING.values(), ids=list(ASKING))
async def test_who_asks_for_what_is_not_there_gets_nothing(
    asks: Callable[[int], list[tuple[int, int]]],
) -> None:
    async with ScriptedFileSecurity(lambda _: verbose(), asks=asks) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine)
        await engine.close()

    assert verdict.outcome is ERROR
    assert "asks for" in verdict.detail


async def test_a_range_that_reaches_beyond_the_end_is_cut() -> None:
    async with ScriptedFileSecurity(lambda _: verbose(), asks=lambda size: [(0, size + 9)]) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine)
        await engine.close()

    assert verdict.outcome is CLEAN


async def test_an_end_without_a_result_is_an_error() -> None:
    def close(_: bytes) -> str:
        raise Close

    async with ScriptedFileSecurity(close) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine)
        await engine.close()

    assert verdict.outcome is ERROR


async def test_silence_is_late_and_costs_nobody_else() -> None:
    def hang(content: bytes) -> str:
        if b"hello" in content:
            raise Hang
        return verbose()

    async with ScriptedFileSecurity(hang) as peer:
        engine = engine_at(peer.address)
        late = asyncio.create_task(engine.scan(sample_of(MESSAGE), deadline_s=1.0))
        other = await scan(engine, sample_of(plain(b"other")))
        silent = await late
        await engine.close()

    assert other.outcome is CLEAN
    assert silent.outcome is Outcome.TIMEOUT


async def test_the_key_travels_by_tls_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    key = tmp_path / "key"
    key.write_text("tmfs-secret\n")
    certificate = authority.issue("127.0.0.1")
    async with (
        ScriptedFileSecurity(lambda _: verbose(), certificate=certificate) as encrypted,
        ScriptedFileSecurity(lambda _: verbose()) as plain_text,
    ):
        by_tls = engine_at(
            encrypted.address,
            tls=True,
            tls_authorities=str(authority.path),
            api_key_file=str(key),
        )
        openly = engine_at(plain_text.address, api_key_file=str(key))
        outcomes = [(await scan(engine)).outcome for engine in (by_tls, openly)]
        await by_tls.close()
        await openly.close()

    assert outcomes == [CLEAN, CLEAN]
    assert encrypted.metadata[0]["authorization"] == "ApiKey tmfs-secret"
    assert "authorization" not in plain_text.metadata[0]


async def test_who_cannot_prove_to_be_the_server_is_shown_nothing(tmp_path: Path) -> None:
    ours, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    certificate = stranger.issue("127.0.0.1")
    async with ScriptedFileSecurity(lambda _: verbose(), certificate=certificate) as peer:
        engine = engine_at(peer.address, tls=True, tls_authorities=str(ours.path))
        verdict = await scan(engine)
        await engine.close()

    assert verdict.outcome is UNAVAILABLE
    assert peer.firsts == []


async def test_a_key_that_is_refused_is_told_until_a_scan_succeeds() -> None:
    is_licensed = False

    def script(_: bytes) -> str:
        if not is_licensed:
            raise Refuse(grpc.StatusCode.UNAUTHENTICATED, "Invalid token or Api Key.")
        return verbose()

    async with ScriptedFileSecurity(script) as peer:
        engine = engine_at(peer.address)
        at_first = await engine.probe()
        refusal = await scan(engine)
        without = await engine.probe()
        is_licensed = True
        await scan(engine)
        again = await engine.probe()
        await engine.close()

    assert refusal.outcome is ERROR
    assert [one.answering for one in (at_first, without, again)] == [True, False, True]
    assert "no licence" in without.detail
    assert again.definitions.startswith("lptvpn 301")


async def test_the_cloud_is_shown_only_what_may_leave(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k")
    cloud = engine_at(region="eu-central-1", api_key_file=str(key))
    assert isinstance(cloud, EngineAnswersAtOnce)
    kept = sample_of(MESSAGE)
    free = Sample(id=kept.id, size=kept.size, sha256=kept.sha256, data=kept.data, may_leave=True)

    at_once, asked = cloud.scan_at_once(kept), await scan(cloud, kept)

    assert at_once is not None
    assert (at_once.outcome, at_once.detail) == (Outcome.SKIPPED, BARRED)
    assert (asked.outcome, asked.detail) == (Outcome.SKIPPED, BARRED)
    assert cloud.scan_at_once(free) is None
    assert engine_at("127.0.0.1:50051").scan_at_once(kept) is None
    by_address = engine_at(
        "antimalware.de-1.cloudone.TrendMicro.com:443", tls=True, api_key_file=str(key)
    )
    assert by_address.scan_at_once(kept) is not None


def test_wrong_settings_are_told_at_the_start(tmp_path: Path) -> None:
    key, empty = tmp_path / "key", tmp_path / "empty"
    key.write_text("k")
    empty.write_text("\n")
    wrong: list[tuple[str, dict[str, object]]] = [
        ("", {}),
        ("10.0.0.1:50051", {"region": "us-east-1", "api_key_file": str(key)}),
        ("unix:/run/scanner", {}),
        ("", {"region": "us-east-1"}),
        ("", {"region": "us-east-1", "api_key_file": str(key), "tls": False}),
        ("", {"region": "us-east-1", "api_key_file": str(tmp_path / "none")}),
        ("", {"region": "us-east-1", "api_key_file": str(empty)}),
        ("", {"region": "moon-1", "api_key_file": str(key)}),
        ("10.0.0.1:50051", {"tls_authorities": str(tmp_path / "none")}),
    ]
    for address, options in wrong:
        with pytest.raises(LocalError):
            engine_at(address, **options)


async def test_nobody_there_is_unavailable() -> None:
    engine = engine_at(f"127.0.0.1:{free_port()}")
    verdict = await scan(engine)
    await engine.close()

    assert verdict.outcome is UNAVAILABLE
