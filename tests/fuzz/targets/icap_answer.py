"""Is an answer of an ICAP server clean only when its head says so and nothing speaks against it?

Pure.
"""

from __future__ import annotations

from contextlib import suppress

from common.verdict import Outcome
from satellite.scanning.icap.heads import AnswerHead, Malformed, chunk_bytes, encapsulated, head
from satellite.scanning.icap.meaning import IcapAnswer, meaning
from satellite.scanning.icap.offer import offer
from satellite.scanning.icap.profiles import PROFILES

WORDS = (
    b"ICAP/1.0 204 Unmodified\r\n",
    b"ICAP/1.0 200 OK\r\n",
    b"HTTP/1.0 403 Forbidden\r\n",
    b"Encapsulated: res-hdr=0, res-body=70\r\n",
    b"X-Infection-Found: Type=0; Resolution=2; Threat=",
    b"X-Violations-Found: 1\r\n\t-\r\n\t",
    b"X-Virus-ID: ",
    b"no threats",
    b"\r\n\r\n",
    b"\r\n ",
)


def target(data: bytes) -> None:
    """Read a head as that of each protocol, and what it means to each product."""
    with suppress(Malformed):
        chunk_bytes(data)
    heads = [one for protocol in ("ICAP", "HTTP") if (one := _head(data, protocol)) is not None]
    for one in heads:
        assert one.line.isascii()
        offered = offer(one)
        assert (offered.service + offered.tag).isascii()
        _means(one)


def _head(data: bytes, protocol: str) -> AnswerHead | None:
    try:
        return head(data, protocol=protocol)
    except Malformed as error:
        assert error.what.isascii()
        return None


def _means(one: AnswerHead) -> None:
    try:
        encapsulated(one)
    except Malformed as error:
        assert error.what.isascii()
    for profile in PROFILES.values():
        for saw_all in (True, False):
            said = meaning(IcapAnswer(icap=one, saw_all=saw_all), profile)
            assert said is not None
            assert said.outcome is not Outcome.CLEAN or (one.status == 204 and saw_all)
            assert (said.outcome is not Outcome.INFECTED) or said.threats
            assert all(name.isascii() and name.isprintable() for name in said.threats)
