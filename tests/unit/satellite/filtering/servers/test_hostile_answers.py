"""Can any answer at all do more than be refused?

Whatever a server says, what is read of it is finite, bounded and printable, or it is Nonsense.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.verdict import Outcome, Test, Verdict
from satellite.filtering.filter import check_verdicts
from satellite.filtering.servers import (
    cloudmark_score,
    dccifd_protocol,
    pyzor_protocol,
    rspamd_answer,
    spamd_protocol,
)
from satellite.filtering.servers.failures import Nonsense
from satellite.filtering.servers.http_messages import HttpReply
from satellite.filtering.servers.mail_leaves import leaves
from satellite.filtering.servers.pyzor_digest import pyzor_digest
from satellite.filtering.servers.taken_over import Symbol, TakenOverWeights, as_tests

FEW = settings(max_examples=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=10,
)
SYMBOLS = st.dictionaries(
    st.text(max_size=90), st.fixed_dictionaries({"score": JSON, "options": JSON}) | JSON
)
RSPAMD = st.fixed_dictionaries({"score": JSON | st.floats(), "symbols": SYMBOLS | JSON})


def check_symbols(symbols: tuple[Symbol, ...], total: float) -> None:
    tests: tuple[Test, ...] = as_tests(
        "it", symbols, total=total, weights=TakenOverWeights(points_max=9, points_min=-9)
    )
    check_verdicts((Verdict(by="it", outcome=Outcome.SCORED, tests=tests),))
    assert len(tests) < 100
    assert all(test.detail.isprintable() for test in tests)
    assert abs(sum(test.score for test in tests)) < 9.1


@FEW
@given(RSPAMD | JSON)
def test_an_answer_of_rspamd(said: object) -> None:
    with suppress(Nonsense):
        found = rspamd_answer.answer(HttpReply(status=200, body=json.dumps(said).encode()))
        assert found.action.isprintable()
        check_symbols(found.symbols, found.score)


@FEW
@given(st.fixed_dictionaries({"score": JSON, "analysis": JSON, "appendHeaders": JSON}) | JSON)
def test_an_answer_of_cloudmark(said: object) -> None:
    reply = HttpReply(status=200, body=json.dumps(said).encode())
    limit = cloudmark_score.size_limit(reply)
    assert limit is None or limit > 0
    with suppress(Nonsense):
        found = cloudmark_score.score(reply)
        assert 0 <= found.score <= 100
        assert math.isfinite(found.score)
        assert found.analysis.isprintable()


@FEW
@given(
    st.from_regex(
        rb"SPAMD/1.1 [0-9]{1,3} [A-Z_]{0,9}\r\nSpam: [A-Za-z]{4,5} ; [0-9.einf-]{1,8} / 5\r\n\r\n"
        rb"( ?-?[0-9.]{1,9} [A-Z_a-z]{1,9} [ -~]{0,9}\n){0,5}"
    )
)
def test_an_answer_of_spamd(said: bytes) -> None:
    with suppress(Nonsense):
        found = spamd_protocol.reply(said)
        check_symbols(found.symbols, found.score)


@FEW
@given(
    st.from_regex(rb"[A-Z]\n[A-Z]*\nX-DCC-a-Metrics: ((Body|Fuz1|rep)=([0-9]+|many|ok)%? ){0,4}\n?")
)
def test_an_answer_of_dccifd(said: bytes) -> None:
    with suppress(Nonsense):
        found = dccifd_protocol.counts(said)
        assert 0 <= found.count <= dccifd_protocol.COUNT_MAX
        assert found.reputation is None or 0 <= found.reputation <= 100
        assert found.metrics.isprintable()


@FEW
@given(st.from_regex(rb"(Code: [0-9]{1,3}\n|PV: [0-9.]{1,4}\n|(WL-)?Count: [0-9-]{1,30}\n){1,6}"))
def test_an_answer_of_pyzord(said: bytes) -> None:
    with suppress(Nonsense):
        found = pyzor_protocol.counts(said)
        assert min(found.reports, found.welcomes) >= 0
        assert max(found.reports, found.welcomes) <= pyzor_protocol.COUNT_MAX


@pytest.mark.parametrize(
    "read",
    [
        spamd_protocol.reply,
        spamd_protocol.pong,
        dccifd_protocol.counts,
        pyzor_protocol.counts,
        pyzor_protocol.thread_of,
        lambda said: rspamd_answer.answer(HttpReply(status=200, body=said)),
        lambda said: cloudmark_score.score(HttpReply(status=200, body=said)),
    ],
)
@FEW
@given(said=st.binary(max_size=300))
def test_octets_of_any_kind(read: Callable[[bytes], object], said: bytes) -> None:
    with suppress(Nonsense):
        read(said)


HEADS = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n",
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Type: text/plain; charset=big5\r\n\r\n",
        b"\r\n--a--\r\n",
        b"\r\n--a\r\n",
        b"<!-- <script> &#x; & \"'>",
    ]
)


@FEW
@given(st.lists(HEADS | st.binary(max_size=40), max_size=8).map(b"".join))
def test_a_message_of_any_kind_has_a_digest_or_none(octets: bytes) -> None:
    digest = pyzor_digest(octets)

    assert digest is None or len(digest) == 40
    assert sum(len(leaf.payload) for leaf in leaves(octets)) <= len(octets)
