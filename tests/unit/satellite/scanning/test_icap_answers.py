"""Every answer that is documented of a product, octet by octet: what it means, and never clean.

Sources of the rows: RFC 3507; rspamd's lualib/lua_scanners/icap.lua and its pull request 6117;
nextcloud/files_antivirus issue 303; a c-icap 0.5.10 with virus_scan 0.5.5 (Debian 12).
"""

from __future__ import annotations

import pytest

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.scanning.engine import EngineContext
from satellite.scanning.engines import icap as engine_of_icap
from satellite.scanning.helper import Helper
from satellite.scanning.icap.heads import REMEMBERED_BYTES_MAX, Malformed, head
from satellite.scanning.sample import Sample
from tests.support.scanning.messages import plain, sample_of
from tests.support.scanning.scripted_icap import CLEAN, OFFER, ScriptedIcap, icap, says

MESSAGE = plain(b"x" * 2_000)
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.0 200 OK\r\nContent-Type: message/rfc822\r\n\r\n"
PAGE = b"<html>blocked</html>"
INFECTED, ERROR, LIMITS = Outcome.INFECTED, Outcome.ERROR, Outcome.LIMITS

ESET = (
    b'ICAP/1.0 200 OK\r\nISTag: "970d18076ed48d79-1701775538"\r\n'
    b"Encapsulated: res-hdr=0, res-body=70\r\n"
    b"X-Infection-Found: Type=0; Resolution=0; Threat=Eicar;\r\nX-Virus-ID: Testdatei\r\n"
    b"X-Response-Info: Blocked\r\nX-Response-Description: Gel\xc3\xb6scht\r\n\r\n"
    + FORBIDDEN
    + b"0\r\n\r\n"
)
C_ICAP = (
    b"ICAP/1.0 200 OK\r\nServer: C-ICAP/0.5.10\r\nConnection: keep-alive\r\n"
    b'ISTag: "CI0001-L5CkDhq+qWNs+PZ5DxxXsAAA"\r\n'
    b"X-Infection-Found: Type=0; Resolution=2; Threat=Eicar-Test-Signature.UNOFFICIAL;\r\n"
    b"X-Violations-Found: 1\r\n\t-\r\n\tEicar-Test-Signature.UNOFFICIAL\r\n\t0\r\n\t0\r\n"
    b"Encapsulated: res-hdr=0, res-body=161\r\n\r\n"
    b"HTTP/1.0 403 Forbidden\r\nServer: C-ICAP\r\nConnection: close\r\nContent-Type: text/html\r\n"
    b"Content-Language: en\r\nVia: ICAP/1.0 vm (C-ICAP/0.5.10 Antivirus service )\r\n\r\n"
    b"14\r\n<html>VIRUS</html>\0\0\r\n0\r\n\r\n"
)


def blocked(*fields: str | bytes) -> bytes:
    return icap("200 OK", *fields, http=FORBIDDEN, body=PAGE)


def infection(text: str) -> str:
    return f"X-Infection-Found: {text}"


# (profile, answer, outcome, threats)
NAMED = {
    "eset": ("eset", ESET, INFECTED, ("Eicar",)),
    "eset, a macro virus": (
        "eset",
        blocked(
            infection("Type=0; Resolution=0; Threat=VBA/TrojanDownloader.Agent.JOA;"),
            "X-Virus-ID: Trojaner",
        ),
        INFECTED,
        ("VBA/TrojanDownloader.Agent.JOA",),
    ),
    "eset, a category in eight bits": (
        "eset",
        blocked(b"X-Virus-ID: Sch\xe4dling"),
        INFECTED,
        ("found, and not named",),
    ),
    "trend": (
        "trend-iwsva",
        icap(
            "200 OK",
            "X-Virus-ID: TSPY_ONLINEG.MCS",
            infection("Type=0; Resolution=2; Threat=TSPY_ONLINEG.MCS;"),
            http=b"HTTP/1.1 403 Forbidden (TMWS Blocked)\r\n\r\n",
            body=PAGE,
        ),
        INFECTED,
        ("TSPY_ONLINEG.MCS",),
    ),
    "trend, that names nothing": (
        "trend-webgateway",
        icap("200 OK", http=b"HTTP/1.1 403 Forbidden (TMWS Blocked)\r\n\r\n", body=PAGE),
        INFECTED,
        ("blocked: 403 Forbidden (TMWS Blocked)",),
    ),
    "trend, the name alone": (
        "trend-iwsva",
        blocked("X-Virus-ID: TSPY_ONLINEG.MCS"),
        INFECTED,
        ("TSPY_ONLINEG.MCS",),
    ),
    "c-icap": ("squidclamav", C_ICAP, INFECTED, ("Eicar-Test-Signature.UNOFFICIAL",)),
    "c-icap, violations alone": (
        "generic",
        blocked("X-Violations-Found: 2", "\t-", "\tA.B", "\t0", "\t0", "\tf", "\tC", "\t1", "\t2"),
        INFECTED,
        ("A.B", "C"),
    ),
    "squidclamav, a redirection": (
        "squidclamav",
        icap("200 OK", http=b"HTTP/1.0 307 Temporary Redirect\r\nLocation: x\r\n\r\n", body=b""),
        INFECTED,
        ("blocked: 307 Temporary Redirect",),
    ),
    "symantec, without its last semicolon": (
        "generic",
        blocked(infection("Type=0; Resolution=2; Threat=EICAR Test String")),
        INFECTED,
        ("EICAR Test String",),
    ),
    "symantec, a container too large": (
        "generic",
        blocked(infection("Type=2; Resolution=2; Threat=Container size violation;")),
        LIMITS,
        ("Container size violation",),
    ),
    "symantec, an encrypted container": (
        "generic",
        blocked(infection("Type=2; Resolution=2; Threat=Encrypted container violation;")),
        Outcome.ENCRYPTED,
        ("Encrypted container violation",),
    ),
    "clearswift, a policy": (
        "generic",
        blocked(infection("Type=1; Resolution=2; Threat=Policy;")),
        INFECTED,
        ("Policy",),
    ),
    "kaspersky": (
        "generic",
        blocked(infection("Type=0; Resolution=0; Threat=EICAR-Test-File;")),
        INFECTED,
        ("EICAR-Test-File",),
    ),
    "an infection that cannot be read": (
        "generic",
        blocked(infection("something bad")),
        INFECTED,
        ("something bad",),
    ),
    "virus name": ("generic", blocked("X-Virus-Name: EICAR"), INFECTED, ("EICAR",)),
    "two threats": ("generic", blocked("X-Virus-ID: A.1, B.2"), INFECTED, ("A.1", "B.2")),
    "two infections": (
        "generic",
        blocked(
            infection("Type=2; Resolution=2; Threat=Container size violation;"),
            infection("Type=0; Resolution=2; Threat=B;"),
        ),
        INFECTED,
        ("B",),
    ),
    "f-secure": (
        "generic",
        blocked("X-FSecure-Scan-Result: infected", 'X-FSecure-Infection-Name: "Malware.Eicar"'),
        INFECTED,
        ("Malware.Eicar",),
    ),
    "f-secure, without a name": (
        "generic",
        blocked("X-FSecure-Scan-Result: infected"),
        INFECTED,
        ("infected",),
    ),
    "mcafee": ("generic", blocked("X-MWG-Block-Reason: Malware"), INFECTED, ("Malware",)),
    "blocked": ("generic", blocked("X-Blocked: EICAR"), INFECTED, ("EICAR",)),
    "block reason": (
        "generic",
        blocked("X-Block-Reason: Malware found"),
        INFECTED,
        ("Malware found",),
    ),
    "told in the HTTP head": (
        "generic",
        icap("200 OK", http=b"HTTP/1.0 403 No\r\nX-Virus-ID: EICAR\r\n\r\n", body=PAGE),
        INFECTED,
        ("EICAR",),
    ),
    "told with a 200 that has no answer in it": (
        "generic",
        icap("200 OK", "X-Virus-ID: EICAR"),
        INFECTED,
        ("EICAR",),
    ),
    "told with a 204": ("generic", icap("204 No", "X-Virus-ID: EICAR"), INFECTED, ("EICAR",)),
    "clamav's limits": (
        "squidclamav",
        blocked(infection("Type=0; Resolution=2; Threat=Heuristics.Limits.Exceeded.MaxFiles;")),
        LIMITS,
        ("Heuristics.Limits.Exceeded.MaxFiles",),
    ),
}

# (answer, outcome, words of the detail)
UNNAMED = {
    "204": (CLEAN, Outcome.CLEAN, ""),
    "204 with «no threats»": (icap("204 No", "X-Virus-ID: no threats"), Outcome.CLEAN, ""),
    "204, f-secure's clean": (icap("204 No", "X-FSecure-Scan-Result: clean"), Outcome.CLEAN, ""),
    "200, the same octets": (icap("200 OK", http=OK, body=MESSAGE), Outcome.CLEAN, ""),
    "200, an octet less": (icap("200 OK", http=OK, body=MESSAGE[:-1]), ERROR, "changed"),
    "200, an octet more": (icap("200 OK", http=OK, body=MESSAGE + b"x"), ERROR, "changed"),
    "200, another octet": (icap("200 OK", http=OK, body=b"y" + MESSAGE[1:]), ERROR, "changed"),
    "200, no body": (icap("200 OK", http=OK), ERROR, "changed"),
    "200 and nothing in it": (icap("200 OK"), ERROR, "brings no answer"),
    "an empty name": (icap("204 No", "X-Virus-ID:"), ERROR, "x-virus-id is empty"),
    "a redirection": (icap("200 OK", http=b"HTTP/1.0 307 To\r\n\r\n", body=b""), ERROR, "HTTP 307"),
    "an error of HTTP": (icap("200 OK", http=b"HTTP/1.0 502 Bad\r\n\r\n", body=b""), ERROR, "502"),
    "partial content": (icap("206 Partial Content"), ERROR, "unknown status (206"),
    "trend, bad request": (icap("400 Bad request"), ERROR, "400 Bad request"),
    "no such service": (
        b"ICAP/1.0 404 Service not found\r\nServer: C-ICAP/0.5.10\r\nConnection: close\r\n\r\n",
        ERROR,
        "wrong service",
    ),
    "eset, that refuses a program": (icap("405 Forbidden"), ERROR, "wrong service"),
    "mcafee, bad composition": (icap("418 Bad composition"), ERROR, "418"),
    "c-icap without its clamd": (
        b"ICAP/1.0 500 Server error\r\nServer: C-ICAP/0.5.10\r\nConnection: close\r\n"
        b'ISTag: "CI0001-L5CkDhq+qWNs+PZ5DxxXsAAA"\r\n\r\n',
        ERROR,
        "it failed (500",
    ),
    "overloaded": (icap("503 Service overloaded"), Outcome.UNAVAILABLE, "overloaded"),
    "symantec, no licence": (
        icap("539 Aborted - No AV scanning license"),
        ERROR,
        "no licence (539 Aborted - No AV scanning license)",
    ),
    "a licence that has ended": (icap("500 Licence expired"), ERROR, "no licence"),
    "a licence, as a page": (
        blocked("X-Response-Desc: the license has expired"),
        ERROR,
        "no licence",
    ),
    "an unknown status": (icap("299 Fine"), ERROR, "an unknown status (299 Fine)"),
    "a second 100": (icap("100 Continue"), ERROR, "asked for the rest"),
    "half a head": (b"ICAP/1.0 204 Unmod", ERROR, "in the middle"),
    "half an HTTP head": (
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=90\r\n\r\nHTTP/1.0 200",
        ERROR,
        "in the middle",
    ),
    "half a body": (icap("200 OK", http=OK, body=MESSAGE)[:-900], ERROR, "in the middle"),
    "no last chunk": (icap("200 OK", http=OK, body=MESSAGE)[:-5], ERROR, "in the middle"),
    "a trailer": (
        icap("200 OK", http=OK, body=MESSAGE)[:-2] + b"X-Virus-ID: EICAR\r\n\r\n",
        ERROR,
        "longer than it said",
    ),
    "an HTTP answer": (b"HTTP/1.1 204 No Content\r\n\r\n", ERROR, "no ICAP answer"),
    "another language": (b"220 mail.example ESMTP\r\n\r\n", ERROR, "no ICAP answer"),
    "an endless head": (b"ICAP/1.0 204 No\r\n" + b"A: b\r\n" * 20_000, ERROR, "without an end"),
    "too many fields": (b"ICAP/1.0 204 No\r\n" + b"A: b\r\n" * 300 + b"\r\n", ERROR, "beyond"),
    "a line too long": (icap("204 No", "A: " + "b" * 20_000), ERROR, "beyond"),
    "no field": (icap("204 No", "what is this"), ERROR, "no field"),
    "a part that is not there": (icap("200 OK", "Encapsulated: req-hdr=0"), ERROR, "no part"),
    "parts that overlap": (
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=9\r\n\r\n" + OK + b"0\r\n\r\n",
        ERROR,
        "does not end where it should",
    ),
    "two sayings of parts": (
        icap("200 OK", "Encapsulated: null-body=0", http=OK, body=MESSAGE),
        ERROR,
        "no part",
    ),
    "a 204 that brings something": (icap("204 No", http=OK, body=MESSAGE), ERROR, "it says 204"),
    "no chunk": (
        icap("200 OK", http=OK, body=b"").replace(b"0\r\n\r\n", b"zz\r\n\r\n"),
        ERROR,
        "no chunk",
    ),
}


async def verdict_of(
    answer: bytes, *, profile: str = "generic", sample: Sample | None = None, offer: bytes = OFFER
) -> Verdict:
    """Return what a server means that gives an answer, and closes behind it."""

    class Closing(ScriptedIcap):
        async def _send(self, *said: object) -> bool:
            await super()._send(*said)  # type: ignore[arg-type]  # as it was given
            return said[1] is self.offer

    async with Closing(says(answer), offer=offer) as peer:
        engine = engine_of(peer, profile)
        verdict = await engine.scan(sample or sample_of(MESSAGE), deadline_s=20)
        await engine.close()
    return verdict


def engine_of(peer: ScriptedIcap, profile: str = "generic") -> engine_of_icap.Icap:
    clock = SystemClock()
    settings = EngineSettings(
        name="icap", kind="icap", address=peer.address, options={"profile": profile}
    )
    context = EngineContext(clock=clock, helper=Helper(clock=clock))
    engine = engine_of_icap.build(settings, context)
    assert isinstance(engine, engine_of_icap.Icap)
    return engine


@pytest.mark.parametrize("row", NAMED)
async def test_what_a_product_finds_is_named(row: str) -> None:
    profile, answer, outcome, threats = NAMED[row]

    verdict = await verdict_of(answer, profile=profile)

    assert (verdict.outcome, verdict.threats) == (outcome, threats), verdict


@pytest.mark.parametrize("row", UNNAMED)
async def test_only_what_says_so_is_clean(row: str) -> None:
    answer, outcome, words = UNNAMED[row]

    verdict = await verdict_of(answer)

    assert verdict.outcome is outcome, verdict
    assert words in verdict.detail, verdict
    assert verdict.threats == ()


@pytest.mark.parametrize("row", NAMED)
async def test_an_answer_that_breaks_off_behind_its_verdict_is_a_verdict(row: str) -> None:
    profile, answer, outcome, threats = NAMED[row]
    heads = answer[: answer.rfind(b"\r\n\r\n", 0, -5) + 4] if b"HTTP/" in answer else answer

    verdict = await verdict_of(heads, profile=profile)

    assert (verdict.outcome, verdict.threats) == (outcome, threats), verdict


@pytest.mark.parametrize("answer", [CLEAN, ESET, C_ICAP, icap("200 OK", http=OK, body=MESSAGE)])
async def test_no_beginning_of_an_answer_is_clean(answer: bytes) -> None:
    for end in [*range(0, min(len(answer), 600), 7), len(answer) - 1]:
        verdict = await verdict_of(answer[:end])

        assert verdict.outcome in {ERROR, INFECTED}, (end, verdict)


async def test_what_was_said_of_it_is_shown_and_can_be_printed() -> None:
    verdict = await verdict_of(ESET, profile="eset")

    assert verdict.detail == "Gel?scht; Blocked"
    assert verdict.version == "C-ICAP/0.5.10 server - Antivirus service"
    assert verdict.definitions == "970d18076ed48d79-1701775538"


def test_a_head_that_comes_again_is_read_once_unless_it_is_long() -> None:
    short = b'ICAP/1.0 204 Unmodified\r\nISTag: "1"\r\n\r\n'
    long = short.replace(b'"1"', b'"%b"' % (b"1" * REMEMBERED_BYTES_MAX))

    assert head(short, protocol="ICAP") is head(bytes(bytearray(short)), protocol="ICAP")
    with pytest.raises(Malformed):
        head(short, protocol="HTTP")
    assert head(long, protocol="ICAP") is not head(long, protocol="ICAP")
