"""For how long is a certificate good, and is it high time?

Touches certificate files, for reading; of what the core tells of its own, pure. A rendering renews
what is nearly over, so a warning begins where a rendering would renew; what has only days left is a
fault, since a node without a certificate has no link and its senders no TLS.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cli.checks import DoctorCheck
from common.certificate import check_pair, not_after_s
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
    found = f"{days} days left, until {datetime.fromtimestamp(not_after_s, UTC):%Y-%m-%d}"
    if problem:
        found = f"{found}; its files hold what cannot be used: {problem}"
    if days < DAYS_MIN or problem:
        return DoctorCheck(name=name, ok=False, found=found, remedy=RENEW)
    if days < RENEWAL_DAYS:
        return DoctorCheck(name=name, ok=True, note=True, found=f"{found}; {RENEW}")
    return DoctorCheck(name=name, ok=True, found=found)
