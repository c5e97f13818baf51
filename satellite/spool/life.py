"""In which life is a spool, how did it begin, and may it speak?

Pure, of what the spool's table of facts says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.chain import CHAIN_START, ChainPoint
from common.identity import LifeOrigin
from common.ids import is_ulid

FROM_NOTHING = LifeOrigin(former="")
NOTHING_DELETED = ChainPoint(0, CHAIN_START)


@dataclass(slots=True)
class SpoolLife:
    """What a spool knows of its life.

    Args:
        incarnation: its name.
        origin: how it began; None: not known, since a version before made it.
        deleted: the last record that was deleted since the core has it, and the chain there.
        forked: why the core does not hear this spool; empty: it does.
    """

    incarnation: str
    origin: LifeOrigin | None = FROM_NOTHING
    deleted: ChainPoint = NOTHING_DELETED
    forked: str = ""

    def facts(self) -> dict[str, int | str]:
        """Return what a spool has to keep of its beginning."""
        found: dict[str, int | str] = {"incarnation": self.incarnation}
        if self.origin is not None:
            found |= {"former": self.origin.former, "carried": self.origin.carried}
        return found


def read_life(meta: Mapping[str, Any], *, fresh: str) -> SpoolLife:
    """Return the life that the facts of a spool tell of.

    Args:
        meta: the facts.
        fresh: the name of a life that begins now.
    """
    acknowledged = int(meta.get("acknowledged", 0))
    return SpoolLife(
        incarnation=str(meta.get("incarnation") or fresh),
        origin=_origin(meta),
        deleted=ChainPoint(acknowledged, _digest(str(meta.get("chain", "")), acknowledged)),
        forked=str(meta.get("forked", "")),
    )


def written_chain(point: ChainPoint) -> str:
    """Return the fact that says the chain at a number; a version before writes only the number."""
    return f"{point.sequence}:{point.digest.hex()}"


def _origin(meta: Mapping[str, Any]) -> LifeOrigin | None:
    if "incarnation" not in meta and "former" not in meta:
        return FROM_NOTHING  # a new file
    former = str(meta.get("former", "?"))
    if former and not is_ulid(former):
        return None
    return LifeOrigin(former=former, carried=int(meta.get("carried", 0)))


def _digest(text: str, acknowledged: int) -> bytes:
    if not acknowledged:
        return CHAIN_START
    sequence, _, digest = text.partition(":")
    return bytes.fromhex(digest) if sequence == str(acknowledged) else b""
