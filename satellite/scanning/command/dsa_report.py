"""What does a report of Trend Micro's ``dsa_scan --json`` say?

Pure. Source: the driver of rophy/av-scanner, which reads the same fields in the same order. What is
no such report, or contradicts itself, is an error.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.verdict import Outcome, printable
from satellite.scanning.meaning import Meaning

NAMELESS = "unnamed"  # found, and the scanner does not say what


class _Infected(BaseModel):
    model_config = ConfigDict(extra="ignore")

    malwareName: str = ""  # noqa: N815  the report's own word


class _Report(BaseModel):
    model_config = ConfigDict(extra="ignore")

    numOfFileScanned: int = Field(ge=0)  # noqa: N815
    numOfFileSkipped: int = Field(default=0, ge=0)  # noqa: N815
    numOfFileInfected: int = Field(ge=0)  # noqa: N815
    errorCode: int = 0  # noqa: N815
    infectedFiles: list[_Infected] = Field(default_factory=list)  # noqa: N815


def meaning_of_report(text: str) -> Meaning:
    """Return what the report says."""
    try:
        report = _Report.model_validate_json(text)
    except ValidationError:
        return Meaning(Outcome.ERROR, detail=f"no report of dsa_scan: {printable(text)}")
    if report.numOfFileInfected or report.infectedFiles:
        names = dict.fromkeys(printable(one.malwareName) for one in report.infectedFiles)
        return Meaning(Outcome.INFECTED, tuple(name for name in names if name) or (NAMELESS,))
    if report.errorCode:
        return Meaning(Outcome.ERROR, detail=f"dsa_scan says error {report.errorCode}")
    if not report.numOfFileScanned:
        return Meaning(Outcome.ERROR, detail="dsa_scan scanned nothing")
    if report.numOfFileSkipped:
        return Meaning(Outcome.LIMITS, detail="dsa_scan passed over a part")
    return Meaning(Outcome.CLEAN)
