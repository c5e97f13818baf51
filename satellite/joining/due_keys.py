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
from satellite.joining.core_following import WITHIN, doors_behind, tunnel_behind
from satellite.joining.door_client import CoreDoor
from satellite.joining.staging import AUTHORITY, FOLDER, JOINED, LINK, SMTP, SMTP_RSA

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


def member_door(folder: Path, joined: Joined) -> CoreDoor:
    """Return the core's join door, to a member with its certificate.

    Raises:
        EnvironmentFailure: a file cannot be read.
    """
    try:
        authority = (folder / AUTHORITY).read_text(encoding="ascii")
        shown = (folder / f"{LINK}.crt", folder / f"{LINK}.key")
        return CoreDoor(joined.doors, authority=authority, shown=shown)
    except OSError as error:
        raise EnvironmentFailure(
            f"{error.filename or folder}: {error.strerror or error}", hint="join again"
        ) from None


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
    standing = door.ask("/member", ASKED, MemberAnswer)
    if standing.rotate or doors_behind(joined, standing, answered=door.answered) is not None:
        return True
    return tunnel_behind(folder, joined, standing, within=within) is not None
