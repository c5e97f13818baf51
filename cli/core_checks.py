"""What does a core say that is wrong with itself, and what mends it?

Pure, of what its API tells. One of an earlier version tells less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cli.callers import refused_callers
from cli.checks import DoctorCheck, judged
from cli.epochs import other_epochs
from common.counted import counted

ROOM = (
    "free some space there: df -h; until then nothing can be changed, and records and quarantined"
    " mail wait at the nodes, whose mail goes on"
)

SETTINGS = "nothing of it was taken: mend core.yaml at the core, which looks again by itself"


def checks_of_the_core(status: Mapping[str, Any]) -> Iterator[DoctorCheck]:
    """Yield what ``status`` and ``doctor`` say of the core itself.

    Args:
        status: what its API says.
    """
    disk = status.get("disk")
    if disk is not None:
        yield judged("disk of the core", ((bool(disk["problem"]), disk["problem"]),), ROOM)
    settings = status.get("settings_file")
    if settings is not None:
        wrong = tuple((True, line) for line in settings["complaints"])
        yield judged("settings file of the core", wrong, SETTINGS)
        for name in settings["restart_needed"]:
            found = f"{name} was changed in the file and holds from the core's next start on"
            yield DoctorCheck(name="settings file of the core", ok=True, note=True, found=found)
    for line in status.get("joining", {}).get("problems", ()):
        yield DoctorCheck(
            name="nodes that join",
            ok=False,
            found=line,
            remedy="see who is in, until when: borderscout inventory members",
        )
    for line in status.get("unused_filters", ()):
        yield DoctorCheck(name="filters", ok=True, note=True, found=line)
    for place, copies in status.get("lost", {}).items():
        yield DoctorCheck(
            name=f"lost mail of {place}",
            ok=False,
            found=f"{counted(copies, 'accepted copy', 'accepted copies')} died with its spool,"
            " seen by nobody",
            remedy="see it: borderscout report lost, and say so:"
            f" borderscout report lost --seen {place}",
        )
    yield from other_epochs(status)
    yield from refused_callers(status)
