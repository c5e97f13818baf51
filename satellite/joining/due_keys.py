"""Is anything due of a member's keys?

Touches the node's folder, and the join door when it is asked to look there. It needs no library of
certificates, so that the node's parent may ask each minute.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from common.certificate import renewal_due_s
from common.errors import EnvironmentFailure
from common.joining import Joined, MemberAnswer, MemberQuestion
from satellite.joining.core_following import (
    WITHIN,
    doors_behind,
    generation_text,
    later_generation,
    latest_generation,
    objection_to_answer,
    tunnel_behind,
)
from satellite.joining.door_client import CoreDoor
from satellite.joining.staging import (
    AUTHORITY,
    CORE_GENERATION,
    FOLDER,
    JOINED,
    LINK,
    SMTP,
    SMTP_RSA,
    Staging,
)

ASKED = MemberQuestion(core_machines=True)


def joined_of(folder: Path) -> Joined | None:
    """Return what a node keeps of its joining; None: it has not joined.

    Raises:
        EnvironmentFailure: the file cannot be read, or holds something else.
    """
    path = folder / JOINED
    try:
        return Joined.model_validate_json(path.read_bytes()) if path.exists() else None
    except OSError as error:
        raise EnvironmentFailure(f"{path}: {error.strerror}") from None
    except ValidationError:
        raise EnvironmentFailure(
            f"{path}: holds something else", hint="restore it, or join again with a new token"
        ) from None


def due_certificates(folder: Path, *, now_s: float) -> list[str]:
    """Return which of a node's certificates have lived two thirds of their life.

    Args:
        folder: the node's.
        now_s: seconds since the epoch (UTC).

    Raises:
        EnvironmentFailure: one cannot be read.
    """
    due = []
    for place in (LINK, SMTP, SMTP_RSA):
        path = folder / f"{place}.crt"
        try:
            if renewal_due_s(path.read_bytes()) <= now_s:
                due.append(path.name)
        except OSError as error:
            raise EnvironmentFailure(f"{path}: {error.strerror}") from None
    return due


def member_door(folder: Path, joined: Joined, *, at: str = "") -> CoreDoor:
    """Return the core's join door, to a member with its certificate.

    Args:
        folder: the node's.
        joined: what it keeps of its joining.
        at: this door alone; empty: any of those that it knows.

    Raises:
        EnvironmentFailure: a file cannot be read.
    """
    try:
        authority = (folder / AUTHORITY).read_text(encoding="ascii")
        shown = (folder / f"{LINK}.crt", folder / f"{LINK}.key")
        return CoreDoor([at] if at else joined.doors, authority=authority, shown=shown)
    except OSError as error:
        raise EnvironmentFailure(
            f"{error.filename or folder}: {error.strerror or error}", hint="join again"
        ) from None


def standing_of_member(folder: Path, door: CoreDoor) -> MemberAnswer:
    """Return how the core sees a member: none that is earlier than one that answered before.

    A later one is kept in mind, so that the earlier one is not asked for keys once it is back.

    Raises:
        EnvironmentFailure: that cannot be kept.
        DoorNotReached, DoorNotTrusted, DoorRefused: no such core says so.
    """
    latest = latest_generation(folder)

    def objection(answer: MemberAnswer) -> str:
        return objection_to_answer(answer, latest=latest)

    answer = door.ask_followed("/member", MemberAnswer, body=ASKED, objection=objection)
    later = later_generation(answer, latest=latest)
    if later is not None:
        Staging(folder).replace(CORE_GENERATION, generation_text(later))
    return answer


def is_anything_due(folder: Path, *, now_s: float, within: Path = WITHIN) -> bool:
    """Say whether a renewal has to run: by the certificates, by what was begun, or by the core.

    Args:
        folder: the node's.
        now_s: seconds since the epoch (UTC).
        within: root's file of what the tunnel may lead to.

    Raises:
        TunnelNotFollowed: nothing else is due, and no renewal could do that.
        EnvironmentFailure, PeerError: nothing could be found out.
    """
    joined = joined_of(folder)
    if joined is None:
        return False
    if (folder / FOLDER).exists() or due_certificates(folder, now_s=now_s):
        return True
    door = member_door(folder, joined)
    standing = standing_of_member(folder, door)
    if standing.rotate or doors_behind(joined, standing, answered=door.answered) is not None:
        return True
    return tunnel_behind(folder, joined, standing, within=within) is not None
