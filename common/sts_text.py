"""What does the MTA-STS policy say that our nodes serve for the customers' domains?

Pure. It is the same for every domain: the names that our MX records lead to. So its id,
which stands in each customer's DNS, changes with the policy and never otherwise.

Source: RFC 8461 sections 3.1 (record) and 3.2 (policy).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

StsModeName = Literal["testing", "enforce", "none"]

MAX_AGE_S = 604_800  # a week: RFC 8461 section 3.2 advises weeks, and a mistake lives as long
MAX_AGE_S_MAX = 31_557_600  # RFC 8461 section 3.2: a year
POLICY_HOST = "mta-sts"  # the label below each domain
POLICY_PATH = "/.well-known/mta-sts.txt"
_ID_LENGTH = 16  # RFC 8461 section 3.1 allows 32


def sts_policy_text(*, mode: StsModeName, max_age_s: int, hosts: Sequence[str]) -> str:
    """Return the document.

    Args:
        hosts: names, or ``*.`` and a name for one label more; without a final dot.
    """
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts)]
    return "".join(f"{line}\r\n" for line in [*lines, f"max_age: {max_age_s}"])


def sts_record_text(policy: str) -> str:
    """Return the TXT record below ``_mta-sts`` that tells of a policy."""
    return f"v=STSv1; id={hashlib.sha256(policy.encode()).hexdigest()[:_ID_LENGTH]};"
