"""Does the product do with each message of the corpus what its expectation says?

The front end's reading of the data, the built-in engine in its real helper process, and the
default policy: everything that decides, without sockets and spool.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from common.clock import SystemClock
from common.ids import MessageId
from common.preferences.policy import resolve_policy
from common.settings.satellite import EngineSettings
from satellite.headers import HeaderBlock, KeptHeader, render
from satellite.judging.disposition import Done, Scoring, dispose
from satellite.judging.findings import findings
from satellite.scanning.engine import Engine, EngineContext
from satellite.scanning.engines import yara
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from satellite.smtp.data import DataLimits, DataScanner
from tests.support.smtp import corpus, octets
from tests.support.smtp.anatomy import digest, take_apart
from tests.support.smtp.corpus import Expectation
from tests.support.smtp.sink import Arrival
from tests.support.smtp.smtp_client import stuffed
from tests.support.witnesses.history import arrivals
from tests.support.witnesses.ledger import Sending
from tests.support.witnesses.load import marked

LIMITS = DataLimits(message_bytes_max=50 * 1024 * 1024, line_bytes_max=1024 * 1024)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    helper = Helper(clock=SystemClock())
    settings = EngineSettings(name="yara", kind="yara")
    built = yara.build(settings, EngineContext(clock=SystemClock(), helper=helper))
    yield built
    await built.close()
    await helper.close()


@pytest.mark.parametrize("name", corpus.names())
def test_the_front_end_takes_what_it_should_and_refuses_the_rest(name: str) -> None:
    data = marked(corpus.message(name), "g")
    scanner = DataScanner(LIMITS)

    taken = scanner.feed(stuffed(data) + b".\r\n")

    assert scanner.ended
    refused = corpus.expectation(name) is Expectation.REFUSE
    assert (scanner.fault is not None) is refused
    if not refused:
        assert taken == data


async def test_the_built_in_engine_and_the_default_policy_do_what_is_expected(
    engine: Engine,
) -> None:
    policy = resolve_policy([])
    wrong: dict[str, str] = {}
    for name in corpus.names(Expectation.DELIVER, Expectation.MARK, Expectation.QUARANTINE):
        data = marked(corpus.message(name), "g")
        sample = Sample(id=MessageId(name), size=len(data), sha256=sha256(data).digest(), data=data)
        verdict = await engine.scan(sample, deadline_s=60)
        found = findings([verdict], required={"yara": True})
        disposed = dispose(findings=found, scoring=Scoring(), policy=policy)
        done = _as_expectation(disposed.disposition, marked=disposed.marked)
        kinds = {finding.kind.value for finding in found} or {""}
        specimen = corpus.specimen(name)
        if specimen.finding == "score":
            continue  # by a filter, which a whole node is tried with
        if done is not specimen.expectation or kinds != {specimen.finding}:
            wrong[name] = f"{done} {sorted(kinds)} {verdict.detail}"

    assert wrong == {}


@pytest.mark.parametrize("tag", ["", "[SPAM]"])
@pytest.mark.parametrize("name", corpus.names(Expectation.DELIVER, Expectation.MARK))
def test_a_delivered_copy_is_the_message_with_our_lines_on_top(name: str, tag: str) -> None:
    """The product writes the copy; the checker, which shares no code with it, must agree."""
    data = marked(corpus.message(name), "g")
    copy = render(
        KeptHeader(HeaderBlock.parse(data), mail_domain="mx.scout.example"),
        trace=b"Received: from load.example\r\n\tby mx.scout.example; now\r\n",
        id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        node="lon1",
        revision=4,
        disposition_word="deliver",
        verdicts=(),
        scanned_us=0,
        score=6.0,
        required=5.0,
        tests=(),
        spam=True,
        subject_tag=tag,
    )
    arrival = Arrival(
        session=1,
        helo="lon1",
        sender="",
        recipients=("x@acme.example",),
        parameters="",
        data=copy.head + data[copy.skip :],
        answered=True,
    )
    (arrived,) = arrivals([arrival.line(1)])
    sending = sending_of(data)

    assert octets.difference(sending, arrived) is None
    assert octets.forged(sending, arrived) is None
    assert arrived.header[1].startswith("X-BorderScout: id=01ARZ3NDEKTSV4RRFFQ69G5FAV; node=lon1")


def sending_of(data: bytes) -> Sending:
    anatomy = take_apart(data)
    return Sending(
        gid="g",
        attempt=1,
        target="t",
        sender="",
        recipients=("x@acme.example",),
        sha256=digest(data),
        below_sha256=digest(anatomy.below),
        bytes=len(data),
        header=tuple(field.decode("latin-1") for field in anatomy.fields),
        time_us=1,
    )


def _as_expectation(done: Done, *, marked: bool) -> Expectation | None:
    if done is Done.QUARANTINE:
        return Expectation.QUARANTINE
    if done is Done.DELIVER:
        return Expectation.MARK if marked else Expectation.DELIVER
    return None
