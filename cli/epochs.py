"""Which nodes take nothing from the core that was asked, and which command mends it?

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cli.checks import DoctorCheck

RENEW = "borderscout core renew-epoch"


def other_epochs(status: Mapping[str, Any]) -> Iterator[DoctorCheck]:
    """Yield each node that follows another core, or a later state of this one.

    Args:
        status: what the core's API says of itself; one of an earlier version does not say this.
    """
    for other in status.get("other_epochs", ()):
        command = RENEW
        if not other["near"]:
            command += f" --generation {other['generation'] + 1}"
        yield DoctorCheck(
            name=f"epoch of {other['node']}",
            ok=False,
            found=f"{other['problem']}, so nothing of this one is taken there",
            remedy=f"where this core shall go on, type: {command}; if not, stop it",
        )
