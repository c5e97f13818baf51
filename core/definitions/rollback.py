"""To which set of definitions does one go back, and what must not come again by itself?

Pure. The mirror still has what was gone back from: it is refused from now on, or it would be in use
again a moment later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.definitions.candidate import content_of
from core.definitions.choice import ContentRefusal, DefinitionsChoice
from core.definitions.sets import StoredSet, UnknownSet

_HINT = "see: borderscout definitions list"


def target_of(stored: Sequence[StoredSet], serial: int | None, current: int) -> StoredSet:
    """Return the set that is meant.

    Args:
        stored: all sets, the newest first.
        serial: of the set; None: the newest that is older than the one in use.
        current: the serial in use; 0: none.

    Raises:
        UnknownSet: there is none.
    """
    for each in stored:
        found = each.manifest.serial
        if found == serial or (serial is None and found < current):
            return each
    if serial is None:
        raise UnknownSet("there are no definitions before those in use", hint=_HINT)
    raise UnknownSet(f"there are no definitions {serial}", hint=_HINT)


def gone_back(
    choice: DefinitionsChoice,
    stored: Sequence[StoredSet],
    target: StoredSet,
    *,
    seen: int,
    refusal: ContentRefusal,
) -> DefinitionsChoice:
    """Return what is decided once somebody went back.

    Args:
        choice: what was decided before.
        stored: all sets.
        target: the one to use.
        seen: the highest serial that any satellite speaks of.
        refusal: what is said of each newer content of the mirror.
    """
    wanted = _mirrored(target)
    choice = choice.without_refusal(wanted)
    for other in reversed(stored):
        content = _mirrored(other)
        is_newer = other.manifest.serial > target.manifest.serial
        if is_newer and content != wanted and choice.refusal(content) is None:
            version = other.manifest.version
            choice = choice.with_refusal(replace(refusal, content=content, version=version))
    return replace(
        choice,
        serial=target.manifest.serial,
        is_rollback=True,
        highest=max(choice.highest, seen, *(each.manifest.serial for each in stored)),
        signatures=0,
    )


def _mirrored(stored: StoredSet) -> str:
    return content_of(file for file in stored.manifest.files if not file.is_custom)
