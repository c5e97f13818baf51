"""What have the sites measured to the customers' servers?

Pure: the text comes in. Round trip and success of each pair of site and domain, as
``GET /api/v1/probes`` of the core gives them; what a later version adds is passed over.

Source: docs/mx.md, *Measured in place of distance*.
"""

from __future__ import annotations

import hashlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from common.counted import counted
from common.errors import SettingsError
from common.settings.values import Name
from inventory.mx.json_fault import json_fault

RTT_US_MAX = 60_000_000  # what takes longer has failed
TRIES_MAX = 1_000_000_000

Count = Annotated[int, Field(ge=0, le=TRIES_MAX, strict=True)]


class Measured(NamedTuple):
    """What one site has measured to one domain's servers."""

    rtt_us: int | None  # the usual round trip; None: nothing came back
    tries: int
    failures: int


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore")

    rtt_us: Annotated[int, Field(ge=0, le=RTT_US_MAX, strict=True)] | None = None
    tries: Count = 0
    failures: Count = 0

    @model_validator(mode="after")
    def _no_more_failures_than_tries(self) -> _Entry:
        if self.failures > self.tries:
            failures = counted(self.failures, "failure")
            raise ValueError(f"{failures} of {counted(self.tries, 'try', 'tries')}; correct one")
        return self


def _time(value: object) -> object:
    if not isinstance(value, str) or not value.endswith("Z"):
        raise ValueError("is no time in UTC; write one such as 2026-11-30T06:00:00Z")
    return value


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore")

    made: Annotated[datetime, BeforeValidator(_time)]
    sites: dict[Name, dict[Annotated[str, Field(max_length=255)], _Entry]]


@dataclass(frozen=True, slots=True)
class Measurements:
    """All that was measured, by domain and site, and when that was."""

    made: datetime
    digest: str  # SHA-256 of the text that it was read from
    by_domain: Mapping[str, Mapping[str, Measured]]

    def of(self, domain: str) -> Mapping[str, Measured] | None:
        """Return what was measured to a domain's servers, by site; None when nothing was."""
        return self.by_domain.get(domain)

    def strangers(self, sites: Iterable[str]) -> list[str]:
        """Return the sites that measured and that the inventory does not have."""
        known = set(sites)
        return sorted({one for row in self.by_domain.values() for one in row if one not in known})


def parse_measurements(text: bytes, *, name: str) -> Measurements:
    """Return the measurements of a file.

    Args:
        text: the file, JSON.
        name: what complaints call it.

    Raises:
        SettingsError: with one complaint.
    """
    try:
        found = _File.model_validate_json(text.removeprefix(BOM_UTF8))
    except ValidationError as error:
        raise SettingsError([_complaint(error, text, name)]) from None
    by_domain: dict[str, dict[str, Measured]] = {}
    for site, row in found.sites.items():
        for domain, entry in row.items():
            if entry.tries or entry.rtt_us is not None:
                measured = Measured(entry.rtt_us, entry.tries, entry.failures)
                by_domain.setdefault(domain, {})[site] = measured
    return Measurements(found.made.astimezone(UTC), hashlib.sha256(text).hexdigest(), by_domain)


def _complaint(error: ValidationError, text: bytes, name: str) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        fault = json_fault(ValueError(first["msg"].removeprefix("Invalid JSON: ")), text)
        remedy = "write it anew, as mx measurements --out does"
        return f"{name}:{fault.line}:{fault.column}: no measurements: {fault.what}; {remedy}"
    where = ".".join(str(part) for part in first["loc"])
    label = f"{where!r}: " if where else ""
    what = first["msg"].removeprefix("Value error, ")
    return f"{name}:1:1: no measurements: {label}{what}; docs/mx.md has the shape"
