"""Which set of definitions is in use, and which of a mirror's are not to be taken?

Touches one file. It is small, and written whole; one that cannot be read is never guessed at, since
a set that was rolled back is on the disk still.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from common.definitions import SERIAL_MAX
from common.durable import write_file
from common.errors import LocalError

REFUSALS_MAX = 50
_BYTES_MAX = 262_144


class ChoiceLost(LocalError):
    """Which set is in use is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRefusal:
    """Definitions of the mirror that are not taken, whenever it shows them.

    Args:
        content: what stands for the mirror's files, a SHA-256 in hex.
        version: of them, for people.
        reason: why not.
        time_us: since when, microseconds since the epoch.
    """

    content: str
    version: str
    reason: str
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsChoice:
    """What is decided of one family.

    Args:
        serial: of the set that is to be in use everywhere; 0: none yet.
        is_rollback: whether somebody went back to it.
        highest: the highest serial that was ever given out, or that somebody said not to mind.
        signatures: how many the set in use has; 0: unknown.
        refused: what is not to be taken, the newest last.
    """

    serial: int = 0
    is_rollback: bool = False
    highest: int = 0
    signatures: int = 0
    refused: tuple[ContentRefusal, ...] = ()

    def refusal(self, content: str) -> ContentRefusal | None:
        """Return why a mirror's content is not taken, None when it may be."""
        return next((one for one in self.refused if one.content == content), None)

    def with_refusal(self, refusal: ContentRefusal) -> Self:
        """Return the choice with one more refusal; of one content the newest counts."""
        others = [one for one in self.refused if one.content != refusal.content]
        return replace(self, refused=(*others, refusal)[-REFUSALS_MAX:])

    def without_refusal(self, content: str) -> Self:
        """Return the choice without the refusal of a content."""
        return replace(self, refused=tuple(o for o in self.refused if o.content != content))


def load_choice(path: Path, serials: Collection[int]) -> DefinitionsChoice:
    """Return what was decided; nothing where there never was a set.

    Args:
        path: of the file.
        serials: of the sets that are there.

    Raises:
        ChoiceLost: the file cannot be read, or is missing beside sets.
    """
    try:
        octets = path.read_bytes()
        told = json.loads(octets[:_BYTES_MAX])
        return _choice(told)
    except FileNotFoundError:
        if not serials:
            return DefinitionsChoice()
        raise ChoiceLost("which definitions are in use was never written down") from None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ChoiceLost(
            f"which definitions are in use cannot be read from {path}: {error!r}"
        ) from None


def save_choice(path: Path, choice: DefinitionsChoice) -> None:
    """Write down what is decided, durably.

    Raises:
        OSError: what the disk said; what was decided before still stands.
    """
    told = {
        "serial": choice.serial,
        "is_rollback": choice.is_rollback,
        "highest": choice.highest,
        "signatures": choice.signatures,
        "refused": [
            {
                "content": one.content,
                "version": one.version,
                "reason": one.reason,
                "time_us": one.time_us,
            }
            for one in choice.refused
        ],
    }
    write_file(path, (json.dumps(told, indent=1) + "\n").encode())


def _choice(told: Mapping[str, Any]) -> DefinitionsChoice:
    return DefinitionsChoice(
        serial=_number(told["serial"]),
        is_rollback=bool(told["is_rollback"]),
        highest=_number(told["highest"]),
        signatures=_number(told["signatures"]),
        refused=tuple(
            ContentRefusal(
                content=str(one["content"]),
                version=str(one["version"]),
                reason=str(one["reason"]),
                time_us=_number(one["time_us"]),
            )
            for one in told["refused"]
        ),
    )


def _number(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= SERIAL_MAX:
        raise ValueError(f"{value!r:.40} is no number of ours")
    return value
