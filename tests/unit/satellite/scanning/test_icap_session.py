"""Showing a message to an ICAP server: what is sent, what is kept, and whose answer it is."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from common.errors import LocalError
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.scanning.engine import EngineContext
from satellite.scanning.engines import icap as engine_of_icap
from satellite.scanning.engines.icap import Icap
from satellite.scanning.helper import Helper
from satellite.scanning.icap.offer import TTL_S_MIN
from satellite.scanning.icap.server import LOOKS_S
from satellite.scanning.sample import Sample
from tests.support.clock import FakeClock
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import file_sample, numbered_sample, plain, sample_of
from tests.support.scanning.scripted_icap import (
    CLEAN,
    ISTAG,
    OFFER,
    Hang,
    ScriptedIcap,
    icap,
    says,
)

HTTP_OK = b"HTTP/1.0 200 OK\r\nVia: ICAP/1.0 vm\r\n\r\n"
FOUND = icap("200 OK", "X-Virus-ID: Eicar", http=b"HTTP/1.0 403 Forbidden\r\n\r\n", body=b"page")
NO_PREVIEW = OFFER.replace(b"Preview: 1024\r\n", b"")
NO_204 = OFFER.replace(b"Allow: 204\r\n", b"")
DEADLINE_S = 20.0


def engine_at(
    address: str, clock: FakeClock | None = None, **options: str | int | list[str]
) -> Icap:
    clock = clock or FakeClock()
    engine = engine_of_icap.build(
        EngineSettings.model_validate(
            {"name": "nod32", "kind": "icap", "address": address, "options": options}
        ),
        EngineContext(clock=clock, helper=Helper(clock=clock)),
    )
    assert isinstance(engine, Icap)
    return engine


async def scan(engine: Icap, sample: Sample | None = None) -> Verdict:
    return await engine.scan(sample or sample_of(plain(b"hello")), deadline_s=DEADLINE_S)


async def test_what_is_sent_is_this_to_the_octet() -> None:
    sample = Sample(id=sample_of(b"").id, size=5, sha256=b"", data=b"hello", client="192.0.2.7")
    async with ScriptedIcap(says(CLEAN)) as peer:
        engine = engine_at(peer.address, profile="trend-iwsva")
        await scan(engine, sample)
        await engine.close()

    request = b"GET http://127.0.0.1/mail/01TEST HTTP/1.0\r\n\r\n"
    answer = b"HTTP/1.0 200 OK\r\nContent-Type: message/rfc822\r\nContent-Length: 5\r\n\r\n"
    assert peer.requests == [
        b"RESPMOD icap://%b/avscan ICAP/1.0\r\n" % peer.address.encode()
        + b"Host: %b\r\n" % peer.address.encode()
        + b"User-Agent: BorderScout\r\nAllow: 204\r\nPreview: 4\r\nX-Client-IP: 192.0.2.7\r\n"
        + b"Encapsulated: req-hdr=0, res-hdr=%d, res-body=%d\r\n\r\n"
        % (len(request), len(request) + len(answer))
        + request
        + answer
    ]


@pytest.mark.parametrize(
    ("profile", "service"),
    [
        ("eset", "scan"),
        ("trend-iwsva", "avscan"),
        ("trend-webgateway", "interscan"),
        ("squidclamav", "squidclamav"),
        ("generic", "avscan"),
    ],
)
async def test_each_product_has_its_service(profile: str, service: str) -> None:
    sample = Sample(id=sample_of(b"").id, size=1, sha256=b"", data=b"x", client="192.0.2.7")
    async with ScriptedIcap(says(CLEAN)) as peer:
        engine = engine_at(peer.address, profile=profile)
        assert (await scan(engine, sample)).outcome is Outcome.CLEAN
        await engine.close()

    (request,) = peer.requests
    assert request.startswith(f"RESPMOD icap://{peer.address}/{service} ICAP/1.0\r\n".encode())
    assert (b"X-Client-IP" in request) is profile.startswith("trend")


@pytest.mark.parametrize("offer", [OFFER, NO_PREVIEW, NO_204], ids=["all", "no preview", "no 204"])
@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"a\r\n0\r\n\r\nb" * 500, b"x" * 1024, b"x" * 1025, b"\0\xff" * 700_000],
    ids=["empty", "one octet", "ends of chunks", "a preview", "a preview and one", "large"],
)
async def test_the_server_gets_the_very_message(offer: bytes, content: bytes) -> None:
    def script(seen: bytes) -> bytes:
        return icap("200 OK", http=HTTP_OK, body=seen) if offer is NO_204 else CLEAN

    async with ScriptedIcap(script, offer=offer) as peer:
        engine = engine_at(peer.address)
        outcomes = [(await scan(engine, sample_of(content))).outcome for _ in range(2)]
        await engine.close()

    assert outcomes == [Outcome.CLEAN] * 2
    assert peer.contents == [content] * 2
    assert peer.connections == 1


async def test_a_body_in_a_file_is_compared_as_it_comes_back(tmp_path: Path) -> None:
    body = b"x" * 3_000_000
    async with ScriptedIcap(lambda seen: icap("200 OK", http=HTTP_OK, body=seen)) as peer:
        engine = engine_at(peer.address)
        same = await scan(engine, file_sample(tmp_path / "a", body))
        await engine.close()

    assert same.outcome is Outcome.CLEAN


async def test_a_body_that_shrinks_on_its_way_is_an_error(tmp_path: Path) -> None:
    sample = file_sample(tmp_path / "a", b"x" * 1_000_000)
    (tmp_path / "a").write_bytes(b"x" * 500_000)
    async with ScriptedIcap(says(CLEAN)) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine, sample)
        await engine.close()

    assert (verdict.outcome, verdict.detail) == (Outcome.ERROR, "the body is shorter than it was")


@pytest.mark.parametrize("size", [1, 500, 1024, 5_000_000])
@pytest.mark.parametrize("answer", [CLEAN, icap("200 OK", http=HTTP_OK, body=b"x")])
async def test_who_did_not_ask_for_the_rest_did_not_look_at_it(size: int, answer: bytes) -> None:
    """c-icap says 204 to what is larger than its MaxObjectSize, or of a kind that it skips."""
    async with ScriptedIcap(says(CLEAN), at_preview=answer) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine, sample_of(b"x" * size))
        await engine.close()

    assert verdict.outcome is Outcome.LIMITS
    assert "whole message" in verdict.detail


@pytest.mark.parametrize("answer", [CLEAN, icap("200 OK", http=HTTP_OK, body=b"x")])
async def test_who_does_not_look_at_our_own_text_either_looks_at_nothing(answer: bytes) -> None:
    """c-icap says 204 to all mail once it has lost its clamd."""
    async with ScriptedIcap(says(CLEAN), at_preview=answer, is_blind=True) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine)
        health = await engine.probe()
        await engine.close()

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert "looks at nothing" in verdict.detail
    assert not health.answering
    assert "looks at nothing" in health.detail


async def test_who_fails_at_our_own_text_does_not_answer() -> None:
    async with ScriptedIcap(says(icap("500 Server error"))) as peer:
        engine = engine_at(peer.address)
        health = await engine.probe()
        await engine.close()

    assert not health.answering


async def test_that_it_looks_is_asked_seldom_where_it_skips_much() -> None:
    clock = FakeClock()
    async with ScriptedIcap(says(CLEAN), at_preview=CLEAN) as peer:
        engine = engine_at(peer.address, clock)
        for _ in range(5):
            await scan(engine)
        at_first = len(peer.contents)
        await clock.advance(LOOKS_S)
        await scan(engine)
        await engine.close()

    assert (at_first, len(peer.contents)) == (1, 2)


async def test_it_opens_what_the_settings_say_and_they_say_only_what_there_is() -> None:
    engine, silent = engine_at("127.0.0.1:1", opens=["rar", "7z"]), engine_at("127.0.0.1:1")

    assert await engine.opens() == {"rar", "7z"}
    assert await silent.opens() == frozenset()
    with pytest.raises(LocalError, match="opens"):
        engine_at("127.0.0.1:1", opens=["rra"])


async def test_a_threat_in_the_preview_is_one() -> None:
    async with ScriptedIcap(says(CLEAN), at_preview=FOUND) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine)
        await engine.close()

    assert (verdict.outcome, verdict.threats) == (Outcome.INFECTED, ("Eicar",))


async def test_who_answers_before_he_has_all_did_not_look_at_it() -> None:
    async with ScriptedIcap(says(CLEAN), offer=NO_PREVIEW, read_bytes_max=1) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine, sample_of(b"x" * 20_000_000))
        await engine.close()

    assert verdict.outcome in {Outcome.LIMITS, Outcome.ERROR}


async def test_a_threat_that_is_told_too_early_is_one() -> None:
    async with ScriptedIcap(says(FOUND), offer=NO_PREVIEW, read_bytes_max=1) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine, sample_of(b"x" * 20_000_000))
        await engine.close()

    assert verdict.outcome is Outcome.INFECTED


async def test_a_connection_is_kept_and_closed_where_the_server_says_so() -> None:
    closing = CLEAN.replace(b"keep-alive", b"close")
    for offer, answer, connections in [
        (OFFER, CLEAN, 1),
        (OFFER, closing, 3),
        (OFFER.replace(b"Date:", b"Connection: close\r\nDate:"), CLEAN, 2),
    ]:
        async with ScriptedIcap(says(answer), offer=offer) as peer:
            engine = engine_at(peer.address)
            verdicts = [await scan(engine) for _ in range(3)]
            await engine.close()

        assert [v.outcome for v in verdicts] == [Outcome.CLEAN] * 3
        assert peer.connections == connections


async def test_what_comes_unasked_is_not_taken_for_the_next_answer() -> None:
    async with ScriptedIcap(says(CLEAN + CLEAN)) as peer:
        engine = engine_at(peer.address)
        first = await scan(engine)
        peer._script = says(FOUND)
        second = await scan(engine)
        await engine.close()

    assert (first.outcome, second.outcome) == (Outcome.CLEAN, Outcome.INFECTED)


async def test_a_server_that_was_restarted_is_asked_again() -> None:
    async with ScriptedIcap(says(CLEAN)) as peer:
        engine = engine_at(peer.address)
        await scan(engine)
        await peer.drop()
        verdict = await scan(engine)
        await engine.close()

    assert verdict.outcome is Outcome.CLEAN


async def test_no_more_connections_than_the_server_takes() -> None:
    offer = OFFER.replace(b"Preview", b"Max-Connections: 2\r\nPreview")
    open_now, most = 0, 0

    class Counting(ScriptedIcap):
        async def _serve(self, *pair: object) -> None:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            try:
                await super()._serve(*pair)  # type: ignore[arg-type]  # as it was given
            finally:
                open_now -= 1

    async with Counting(lambda seen: FOUND if EICAR in seen else CLEAN, offer=offer) as peer:
        engine = engine_at(peer.address)
        await scan(engine)
        verdicts = await asyncio.gather(
            *(scan(engine, numbered_sample(n, infected=n % 3 == 0)) for n in range(40))
        )
        await engine.close()

    assert [v.outcome is Outcome.INFECTED for v in verdicts] == [n % 3 == 0 for n in range(40)]
    # The first was opened before it said so, and those of the infected are closed as others open.
    assert most <= 2 * 2 + 1


async def test_the_offer_is_asked_for_again_when_it_is_old_or_the_tag_is_new() -> None:
    clock = FakeClock()
    async with ScriptedIcap(says(CLEAN)) as peer:
        engine = engine_at(peer.address, clock)
        asked, versions = [], []
        for answer, wait_s in [
            (CLEAN, 0.0),
            (CLEAN, 3_599.0),
            (CLEAN, 2.0),
            (CLEAN.replace(ISTAG.encode(), b"NEW"), 0.0),
            (CLEAN.replace(ISTAG.encode(), b"NEW"), TTL_S_MIN),
        ]:
            await clock.advance(wait_s)
            peer._script = says(answer)
            versions.append((await scan(engine)).definitions)
            asked.append(peer.offers_asked)
        await engine.close()

    assert asked == [1, 1, 2, 2, 3]
    assert [re.sub(".*/", "", version) for version in versions[2:]] == [
        ISTAG,
        "NEW",
        "NEW",
    ]


@pytest.mark.parametrize(
    ("offer", "outcome", "words"),
    [
        (icap("404 Service not found", "Connection: close"), Outcome.ERROR, "wrong service"),
        (icap("405 Forbidden", "Connection: close"), Outcome.ERROR, "wrong service"),
        (icap("539 no license"), Outcome.ERROR, "no licence"),
        (icap("503 Busy"), Outcome.UNAVAILABLE, "overloaded"),
        (OFFER.replace(b"RESPMOD, ", b""), Outcome.ERROR, "it offers REQMOD, and no RESPMOD"),
        (OFFER.replace(b"Methods", b"X"), Outcome.ERROR, "it offers nothing, and no RESPMOD"),
        (b"nonsense\r\n\r\n", Outcome.ERROR, "no ICAP answer"),
        (b"", Outcome.ERROR, "in the middle"),
    ],
)
async def test_a_service_that_cannot_scan_says_why(
    offer: bytes, outcome: Outcome, words: str
) -> None:
    async with ScriptedIcap(says(CLEAN), offer=offer) as peer:
        engine = engine_at(peer.address)
        verdict, health = await scan(engine), await engine.probe()
        await engine.close()

    assert verdict.outcome is outcome
    assert words in verdict.detail
    assert not health.answering
    assert words in health.detail
    assert peer.contents == []


async def test_eset_is_told_of_by_name_when_it_refuses_us() -> None:
    async with ScriptedIcap(says(icap("405 Forbidden"))) as peer:
        engine = engine_at(peer.address, profile="eset")
        verdict = await scan(engine)
        await engine.close()

    assert "ESET" in verdict.detail


async def test_who_never_answers_is_late() -> None:
    def hang(_: bytes) -> bytes:
        raise Hang

    async with ScriptedIcap(hang) as peer:
        engine = engine_at(peer.address)
        late = await engine.scan(sample_of(b"x"), deadline_s=0.2)
        await engine.close()

    assert late.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("unix:/run/icap", {}),
        ("127.0.0.1:1344", {"profile": "norton"}),
        ("127.0.0.1:1344", {"service": "a b"}),
        ("127.0.0.1:1344", {"sessions_max": 0}),
        ("127.0.0.1:1344", {"speed": 1}),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(
    address: str, options: dict[str, str | int]
) -> None:
    with pytest.raises(LocalError):
        engine_at(address, None, **options)


async def test_a_connection_that_ends_over_a_message_is_a_death_and_over_the_offer_is_none() -> (
    None
):
    async with ScriptedIcap(says(b"")) as peer:
        engine = engine_at(peer.address)
        over_message = await scan(engine)
        await engine.close()
    async with ScriptedIcap(says(CLEAN), offer=b"") as peer:
        engine = engine_at(peer.address)
        over_offer = await scan(engine)
        await engine.close()

    assert (over_message.outcome, over_message.died) == (Outcome.ERROR, True)
    assert (over_offer.outcome, over_offer.died) == (Outcome.ERROR, False)


@pytest.mark.parametrize(("profile", "is_alone"), [("generic", True), ("trend-iwsva", False)])
async def test_a_product_that_is_told_the_client_may_judge_by_more_than_the_content(
    profile: str, is_alone: bool
) -> None:
    assert engine_at("127.0.0.1:1", profile=profile).judges_content_alone is is_alone
