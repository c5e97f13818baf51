"""What does a domain's MTA-STS record and policy say?

Pure. A policy that cannot be read is none; a mode that is not known is an error, not ``none``.

Source: RFC 8461 sections 3.1 (record), 3.2 (policy) and 4.1 (which hosts it names).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_AGE_S_MAX = 31_557_600  # RFC 8461 section 3.2: a year
POLICY_BYTES_MAX = 65_536  # RFC 8461 section 3.3 suggests 64 KiB
HOSTS_MAX = 1_000  # patterns of one policy

_VERSION = "STSv1"
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_PATTERN = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+")


class StsMode(StrEnum):
    """What a failure leads to."""

    ENFORCE = "enforce"  # the host gets no mail
    TESTING = "testing"  # it is reported, and the mail goes
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class StsPolicy:
    """A domain's policy."""

    mode: StsMode
    max_age_s: int
    hosts: tuple[str, ...]  # names in lower case, or ``*.`` for one label more

    def names(self, host: str) -> bool:
        """Say whether a host is one that the policy names."""
        name = host.lower().removesuffix(".")
        parent = name.partition(".")[2]
        return name in self.hosts or (bool(parent) and f"*.{parent}" in self.hosts)


def record_id(texts: Sequence[str]) -> str | None:
    """Return the id in a domain's TXT records; None: it publishes no policy."""
    found = [text for text in texts if re.match(rf"v={_VERSION}\s*(;|$)", text)]
    if len(found) != 1:
        return None
    fields = dict(_field(part, "=") for part in found[0].split(";") if part.strip())
    identity = fields.get("id", "")
    return identity if _ID.fullmatch(identity) else None


def parse_sts_policy(data: bytes) -> StsPolicy:
    """Return the policy of a document.

    Raises:
        ValueError: it is none; says why.
    """
    try:
        lines = data.decode("ascii", "strict").splitlines()
    except UnicodeDecodeError:
        raise ValueError("it is not ASCII") from None
    pairs = [_field(line, ":") for line in lines if line.strip()]
    first: dict[str, str] = {}
    for key, value in pairs:
        first.setdefault(key, value)
    if first.get("version") != _VERSION:
        raise ValueError("its version is not STSv1")
    try:
        mode = StsMode(first.get("mode", ""))
    except ValueError:
        raise ValueError("its mode is not one of enforce, testing and none") from None
    age = first.get("max_age", "")
    if not re.fullmatch(r"[0-9]{1,10}", age):
        raise ValueError("it has no max_age")
    hosts = tuple(value.lower().removesuffix(".") for key, value in pairs if key == "mx")
    if len(hosts) > HOSTS_MAX or not all(map(_PATTERN.fullmatch, hosts)):
        raise ValueError("an mx of it is no host name")
    if mode is not StsMode.NONE and not hosts:
        raise ValueError("it names no mx")
    return StsPolicy(mode=mode, max_age_s=min(int(age), MAX_AGE_S_MAX), hosts=hosts)


def _field(text: str, separator: str) -> tuple[str, str]:
    key, _, value = text.partition(separator)
    return key.strip(), value.strip()
