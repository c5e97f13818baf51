"""What the scanners that are programs answer, octet for octet, as far as somebody has written it.

Sources: amavisd.conf of amavisd-new 2.11.1, SweepViruses.pm of MailScanner 5 and of Baruwa,
haraka-plugin-esets, help.eset.com on odscan, the saphir project on its output, and rophy/av-scanner
on dsa_scan. ``@`` stands for the path of the message.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from common.verdict import Outcome

LOG = b'{\n  "type":0,\n  "session_id":6,\n  "log_name":"ndlnJ78oi"\n}\n'
EICAR = ("Eicar test file",)
UNNAMED = ("unnamed",)

LISTED = (
    b"Time,Scanner,Object URI,Threat,Action,Info\r\n"
    b"04/02/25 20:24:11,On-demand scanner,file:///srv/other,Win32/Other,retained,\r\n"
    b"04/02/25 20:24:12,On-demand scanner,file://@ \xc2\xbb MIME \xc2\xbb eicar.com,Eicar,"
    b"retained,\r\n"
)
LISTED_IN_GERMAN = (
    b'"04.02.25 20:24:12","On-Demand-Scanner","file://@","Eicar","beibehalten",""\r\n'
)
ESETS_4 = b'name="@ \xbb MIME \xbb eicar.com", threat="Eicar test file", action="", info=""\n'
ESETS_4_CLEAN = b'name="@", threat="is OK", action="", info=""\nTotal: files - 1, threats - 0\n'
ESETS_3 = b'object: action="blocked"\nobject: virus="Eicar test file"\n'
ESETS_3_CLEAN = b'object: action="accepted"\nobject: virus=""\n'
NOD32_2 = b'object="file", name="@", virus="Eicar test file", action="none", info=""\n'
NOD32_2_CLEAN = b'object="file", name="@", virus="is OK", action="", info=""\n'
NOD32_LFS = b'object=@, virus="Eicar test file", action="none"\n'
VSCAN = (
    b"Virus Scanner v3.1, VSAPI v5.500-0829\nTrend Micro Inc. 1996,1997\n"
    b"\tPattern version 329\n\tPattern number 43837\n"
)
VSCAN_FOUND = (
    b"# ^I./g72CdVd7018935/eicar.com\n*** Found virus Eicar_test_file in file @/eicar.com\n"
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One run of one scanner.

    Args:
        profile: which scanner.
        label: what happens, in words.
        said: what it prints.
        code: its exit code.
        outcome: what that is.
        threats: their names.
        others: what the other programs of the profile print, by their names.
    """

    profile: str
    label: str
    said: bytes
    code: int
    outcome: Outcome
    threats: tuple[str, ...] = ()
    others: dict[str, bytes] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.profile}, {self.label}"


def _dsa(**fields: object) -> bytes:
    report = {
        "traceID": "c1a3",
        "numOfFileScanned": 1,
        "numOfFileSkipped": 0,
        "numOfFileInfected": 0,
        "timeElapse": 0.2,
        "errorCode": 0,
        "infectedFiles": [],
    }
    return json.dumps(report | fields).encode()


def _row(
    profile: str,
    label: str,
    said: bytes,
    code: int,
    outcome: Outcome,
    *threats: str,
    **others: bytes,
) -> Answer:
    return Answer(
        profile=profile,
        label=label,
        said=said,
        code=code,
        outcome=outcome,
        threats=threats,
        others=others,
    )


CLEAN, INFECTED, ENCRYPTED = Outcome.CLEAN, Outcome.INFECTED, Outcome.ENCRYPTED
LIMITS, ERROR, UNAVAILABLE = Outcome.LIMITS, Outcome.ERROR, Outcome.UNAVAILABLE

ANSWERS = (
    _row("odscan", "no threat", LOG, 0, CLEAN),
    _row("odscan", "no threat, and not a word", b"", 0, ERROR),
    _row("odscan", "found", LOG, 50, INFECTED, "Eicar", lslog=LISTED),
    _row("odscan", "found, in German", LOG, 50, INFECTED, "Eicar", lslog=LISTED_IN_GERMAN),
    _row("odscan", "found, and no log", b"", 50, INFECTED, *UNNAMED),
    _row("odscan", "found, another log", LOG, 50, INFECTED, *UNNAMED, lslog=b"Time,Scanner\r\n"),
    _row("odscan", "found and cleaned", LOG, 1, INFECTED, "Eicar", lslog=LISTED),
    _row("odscan", "not all scanned", LOG, 10, LIMITS),
    _row("odscan", "failed", b"Error: scan failed\n", 100, ERROR),
    _row("odscan", "no licence", b"Error: licence has expired\n", 100, UNAVAILABLE),
    _row("odscan", "not activated", LOG, 0, UNAVAILABLE, lic=b"Status: Not activated\n"),
    _row("esets_scan", "no threat", ESETS_4_CLEAN, 0, CLEAN),
    _row("esets_scan", "nothing said", b"", 0, ERROR),
    _row("esets_scan", "found", ESETS_4, 50, INFECTED, *EICAR),
    _row("esets_scan", "found and cleaned", ESETS_4, 1, INFECTED, *EICAR),
    _row("esets_scan", "found, whatever the code", ESETS_4, 0, INFECTED, *EICAR),
    _row("esets_scan", "not all scanned", ESETS_4_CLEAN, 10, LIMITS),
    _row("esets_scan", "failed", b"error\n", 100, ERROR),
    _row(
        "esets_scan",
        "a password",
        b'name="@ -> a.zip", threat="", action="", info="password protected"\n',
        0,
        ENCRYPTED,
    ),
    _row(
        "esets_scan",
        "a password in the place of a threat",
        b'name="@ -> a.zip", threat="password-protected file", action="", info=""\n',
        0,
        ENCRYPTED,
    ),
    _row(
        "esets_scan",
        "a damaged archive",
        b'name="@ -> a.zip", threat="archive damaged", action="", info=""\n',
        0,
        LIMITS,
    ),
    _row(
        "esets_scan",
        "an archive that cannot be read",
        b'name="@ -> a.zip", threat="", action="", info="error reading archive"\n',
        0,
        LIMITS,
    ),
    _row("esets_cli-4", "no threat", NOD32_2_CLEAN, 0, CLEAN),
    _row("esets_cli-4", "found (2)", NOD32_2, 2, INFECTED, *EICAR),
    _row("esets_cli-4", "found (3)", NOD32_2, 3, INFECTED, *EICAR),
    _row("esets_cli-4", "a soft failure (1)", b"cannot connect\n", 1, ERROR),
    _row("esets_cli-4", "a soft failure (4)", b"", 4, ERROR),
    _row("esets_cli", "no threat", ESETS_3_CLEAN, 0, CLEAN),
    *(_row("esets_cli", f"found ({code})", ESETS_3, code, INFECTED, *EICAR) for code in (1, 2, 3)),
    _row("esets_cli", "found by 2.71.12", NOD32_2, 1, INFECTED, *EICAR),
    _row("esets_cli", "found, unnamed", b"", 1, INFECTED, *UNNAMED),
    _row("esets_cli", "an unknown code", ESETS_3_CLEAN, 4, ERROR),
    *(
        row
        for name in ("nod32cli", "nod32cli-2.52")
        for row in (
            _row(name, "no threat", NOD32_2_CLEAN, 0, CLEAN),
            _row(name, "found (1)", NOD32_2, 1, INFECTED, *EICAR),
            _row(name, "found (2)", NOD32_2, 2, INFECTED, *EICAR),
            _row(name, "what two products disagree on (3)", NOD32_2_CLEAN, 3, LIMITS),
            _row(name, "an unknown code", NOD32_2_CLEAN, 5, ERROR),
        )
    ),
    _row("nod32-lfs", "no threat", NOD32_2_CLEAN, 0, CLEAN),
    _row("nod32-lfs", "found (1)", NOD32_LFS, 1, INFECTED, *EICAR),
    _row("nod32-lfs", "found (10)", NOD32_LFS, 10, INFECTED, *EICAR),
    _row("nod32-lfs", "an unknown code", NOD32_2_CLEAN, 2, ERROR),
    _row("vscan", "no threat", VSCAN, 0, CLEAN),
    _row("vscan", "nothing said", b"", 0, ERROR),
    _row("vscan", "found", VSCAN + VSCAN_FOUND, 0, INFECTED, "Eicar_test_file"),
    _row("vscan", "found, another code", VSCAN + VSCAN_FOUND, 1, INFECTED, "Eicar_test_file"),
    _row("vscan", "an unknown code", VSCAN, 1, ERROR),
    *(
        _row("vscan", f"definitions: {said.decode()}", said + b"\n", 1, UNAVAILABLE)
        for said in (
            b"read pattern failed",
            b"invalid pattern file",
            b"pattern file not found",
            b"incorrect pattern format",
            b"read error",
            b"out of memory",
        )
    ),
    _row("dsa_scan", "no threat", _dsa(), 0, CLEAN),
    _row(
        "dsa_scan",
        "found",
        _dsa(
            numOfFileInfected=1,
            infectedFiles=[{"fileName": "@", "malwareName": "Eicar_test_file"}],
        ),
        0,
        INFECTED,
        "Eicar_test_file",
    ),
    _row("dsa_scan", "found, unnamed", _dsa(numOfFileInfected=1), 0, INFECTED, *UNNAMED),
    _row("dsa_scan", "found, another code", _dsa(numOfFileInfected=1), 7, INFECTED, *UNNAMED),
    _row("dsa_scan", "passed over", _dsa(numOfFileScanned=0, numOfFileSkipped=1), 0, ERROR),
    _row("dsa_scan", "passed over in part", _dsa(numOfFileSkipped=1), 0, LIMITS),
    _row("dsa_scan", "nothing scanned", _dsa(numOfFileScanned=0), 0, ERROR),
    _row("dsa_scan", "failed", _dsa(errorCode=12), 0, ERROR),
    _row("dsa_scan", "half a report", _dsa()[:40], 0, ERROR),
    _row("dsa_scan", "nothing said", b"", 0, ERROR),
    _row("dsa_scan", "another code", _dsa(), 1, ERROR),
)
