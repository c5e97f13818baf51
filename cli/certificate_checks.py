"""For how long is a certificate good, and is it high time?

Touches certificate files, for reading; of what the core tells of its own, pure. A rendering renews
what is nearly over, so a warning begins where a rendering would renew; what has only days left is a
fault, since a node without a certificate has no link and its senders no TLS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.checks import DoctorCheck
from common.certificate import check_pair, not_after_s
from common.counted import counted
from common.errors import EnvironmentFailure
from inventory.certificates import RENEWAL_DAYS

DAYS_MIN = 3  # below it: a fault
DAY_S = 86_400.0
RENEW = (
    "renew it: borderscout inventory render FILE --out DIR, and copy the folder here;"
    " it is read within a minute, without a restart"
)


def certificate_of_files(name: str, *, certificate: Path, key: Path, now_s: float) -> DoctorCheck:
    """Return the check of a certificate and its key, as their files are now.

    Args:
        name: what the check is called.
        certificate, key: PEM files; they may be the same.
        now_s: seconds since the epoch.
    """
    try:
        content = certificate.read_bytes()
        ends_s = not_after_s(content)
        check_pair(content, key.read_bytes())
    except PermissionError as error:
        what = f"{error.filename}: not ours to read; run the doctor as the node's user"
        return DoctorCheck(name=name, ok=True, note=True, found=what)
    except (OSError, EnvironmentFailure) as error:
        what = error.what if isinstance(error, EnvironmentFailure) else str(error.strerror)
        return DoctorCheck(name=name, ok=False, found=f"{certificate}: {what}", remedy=RENEW)
    return certificate_check(name, not_after_s=ends_s, now_s=now_s)


def certificates_of_the_cluster(
    status: Mapping[str, Any], *, now_s: float
) -> Iterator[DoctorCheck]:
    """Yield the checks of the core's certificates, and of those that its nodes showed last.

    Args:
        status: what the core's API says of itself; one of an earlier version does not say all.
        now_s: seconds since the epoch.
    """
    for role, told in status["certificates"].items():
        yield certificate_check(
            f"{role} certificate of the core",
            not_after_s=told["not_after_s"],
            now_s=now_s,
            problem=told["problem"],
        )
    for node in status["nodes"]:
        ends_s = node.get("certificate_ends_s")
        if ends_s is not None:
            name = f"link certificate of {node['node']}"
            yield certificate_check(name, not_after_s=ends_s, now_s=now_s)


def certificate_check(
    name: str, *, not_after_s: float, now_s: float, problem: str = ""
) -> DoctorCheck:
    """Return the check of a certificate that ends at a time.

    Args:
        name: what the check is called.
        not_after_s, now_s: seconds since the epoch.
        problem: why what its files hold by now is not used.
    """
    days = int((not_after_s - now_s) // DAY_S)
    left = f"{counted(days, 'day')} left, until" if days >= 0 else "it is over since"
    found = f"{left} {datetime.fromtimestamp(not_after_s, UTC):%Y-%m-%d}"
    if problem:
        found = f"{found}; its files hold what cannot be used: {problem}"
    if days < DAYS_MIN or problem:
        return DoctorCheck(name=name, ok=False, found=found, remedy=RENEW)
    if days < RENEWAL_DAYS:
        return DoctorCheck(name=name, ok=True, note=True, found=f"{found}; {RENEW}")
    return DoctorCheck(name=name, ok=True, found=found)
