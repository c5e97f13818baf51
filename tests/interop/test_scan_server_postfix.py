"""A real Postfix passes its mail through the scanning server, in each way that the page tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.node.scan_server import (
    CLEAN,
    DEADLINE_S,
    EICAR,
    HEAD,
    INFECTED,
    LMTP,
    MILTER,
    PROXY,
    RULE,
    TAG,
    WAYS,
    House,
    Ports,
    header_of,
    house,
    is_rejected,
)
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
BYTES_MAX = 1 << 20


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WAYS.values(), ids=WAYS.keys())
async def here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    ports = Ports.free()
    smtp = {"listen": [f"127.0.0.1:{ports.ours}"], "message_bytes_max": BYTES_MAX}
    milter = {"listen": [f"127.0.0.1:{ports.milter}"], "message_bytes_max": BYTES_MAX}
    small = {"milter": milter} if request.param == MILTER else {"smtp": smtp}
    folder = tmp_path_factory.mktemp("scan")
    utf8 = "smtputf8_enable = yes"
    async with house(
        folder, request.param, utf8, ports=ports, documents=[RULE, TAG], **small
    ) as running:
        yield running


def with_mark(content: bytes, mark: bytes) -> bytes:
    """Return a message that is told from all others by a line of its header."""
    return b"X-Mark: %b\r\n" % mark + content


async def test_clean_mail_passes_with_our_lines_and_without_forged_ones(here: House) -> None:
    answer = await here.send(with_mark(CLEAN, b"clean"))
    arrival = await here.arrived(b"X-Mark: clean")

    assert answer[0] == 250
    assert arrival.recipients == ("x@acme.example",)
    header = header_of(arrival)
    assert "X-BorderScout-Virus: clean; yara=clean" in header
    assert header.count("X-BorderScout-Virus") == 1
    assert "forged" not in header
    assert arrival.data.endswith(b"\r\n\r\nwords\r\n.a dot\r\n")
    line = (await here.scanning.passed(1))[-1]
    assert line["way"] == {LMTP: "lmtp", MILTER: "milter"}.get(here.heading, "smtp")
    assert line["answers"][0].startswith("250 ")


async def test_a_virus_goes_no_further(here: House) -> None:
    answer = await here.send(INFECTED)
    await here.send(with_mark(CLEAN, b"behind it"))  # by the same way
    await here.arrived(b"X-Mark: behind it")
    if here.heading not in (PROXY, MILTER):  # Postfix may have brought both at once

        async def look() -> bool:
            return bool(here.scanning.kept)

        await until(look, "the virus is kept")

    assert not any(EICAR in arrival.data for arrival in here.sink.arrivals)
    assert is_rejected(answer) if here.heading == PROXY else answer[0] == 250, answer
    assert len(here.postfix.held()) == (here.heading == MILTER)
    if here.heading in (PROXY, MILTER):
        assert here.scanning.kept == []
    else:
        (kept,) = here.scanning.kept
        assert kept["recipients"][0]["address"] == "x@acme.example"
        assert "virus: yara Eicar-Test-Signature" in kept["recipients"][0]["reason"]


async def test_suspicious_mail_is_marked(here: House) -> None:
    await here.send(with_mark(CLEAN.replace(b"hello", b"a prize"), b"prize"))

    header = header_of(await here.arrived(b"X-Mark: prize"))
    assert "Subject: [SPAM] a prize" in header
    assert "X-BorderScout-Spam: yes; score=6.0" in header


async def test_filters_see_the_client_that_postfix_has_the_mail_from(here: House) -> None:
    before = len(await here.scanning.passed(0))
    await here.send(with_mark(CLEAN, b"far"), source="127.0.0.7")
    await here.arrived(b"X-Mark: far")

    lines = await here.scanning.passed(before + 1)
    assert lines[-1]["client"] == "127.0.0.7"


async def test_letters_beyond_ascii_and_octets_of_eight_bit_pass(here: House) -> None:
    content = "From: <a@sender.example>\r\nSubject: grüße\r\n\r\nmäuse\r\n".encode()
    answer = await here.send(
        with_mark(content, b"wide"),
        recipients=["müller@acme.example"],
        mail=["SMTPUTF8", "BODY=8BITMIME", "RET=HDRS", "ENVID=4711"],
        rcpt=["NOTIFY=FAILURE", "ORCPT=utf-8;m\\x{FC}ller@acme.example"],
    )
    arrival = await here.arrived(b"X-Mark: wide")

    assert answer[0] == 250
    assert arrival.recipients == ("müller@acme.example",)
    assert "SMTPUTF8" in arrival.parameters
    assert "BODY=8BITMIME" in arrival.parameters
    assert "Subject: grüße" in header_of(arrival)
    assert arrival.data.endswith("\r\n\r\nmäuse\r\n".encode())


async def test_many_at_once_arrive_once_each(here: House) -> None:
    numbers = list(range(24))
    contents = [HEAD + b"\r\nnumber %d" % number + b"x" * 70_000 for number in numbers]
    before = len(here.sink.arrivals)
    answers = await asyncio.gather(*(here.send(content + b"\r\n") for content in contents))
    arrivals = (await here.sink.wait_for(before + len(numbers), deadline_s=DEADLINE_S))[before:]

    assert {answer[0] for answer in answers} == {250}
    found = [int(one.data.split(b"number ")[1].split(b"x")[0]) for one in arrivals]
    assert sorted(found) == numbers


async def test_a_message_that_is_too_large_is_not_taken(here: House) -> None:
    answer = await here.send(with_mark(CLEAN, b"large") + b"words\r\n" * (BYTES_MAX // 7))

    if here.heading in (PROXY, MILTER):
        assert answer[0] == 552
    else:
        assert answer[0] == 250  # and then Postfix sends it back, by the SIZE that we said
        assert b"MAILER-DAEMON" in (await here.arrived(b"%d" % BYTES_MAX)).data


async def test_metrics_and_readiness_are_served(here: House) -> None:
    await here.send(with_mark(CLEAN, b"counted"))
    await here.arrived(b"X-Mark: counted")

    ready = await asyncio.to_thread(here.scanning.page, "/readyz")
    metrics = await asyncio.to_thread(here.scanning.page, "/metrics")

    assert ready == "ready\n"
    way = {LMTP: "lmtp", MILTER: "milter"}.get(here.heading, "smtp")
    counted = f'borderscout_passed_recipients_total{{disposition="deliver",way="{way}"}}'
    assert counted in metrics
    assert 'borderscout_engine_up{engine="yara"} 1.0' in metrics
