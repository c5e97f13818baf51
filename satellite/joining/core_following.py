"""What of a member's folder does not go by the machines that can be the core, as the core says?

Touches the node's folder, and reads root's bounds of the tunnel.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from common.errors import SettingsError
from common.joining import Joined, MemberAnswer
from common.wireguard.tunnel_bounds import NETWORKS_PLACE, Network, parse_networks
from satellite.joining.core_peers import TunnelNotFollowed, followed_doors, followed_text
from satellite.joining.staging import CORE_GENERATION, WIREGUARD_FILE

WITHIN = Path(NETWORKS_PLACE)
_GENERATION = re.compile(r"[0-9]{1,19}\n", re.ASCII)


def joined_text(joined: Joined) -> bytes:
    """Return the file that keeps what is known of a joining."""
    return joined.model_dump_json(indent=2).encode() + b"\n"


def latest_generation(folder: Path) -> int:
    """Return the latest generation of a core that has answered this member; 0: none is known."""
    try:
        text = (folder / CORE_GENERATION).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return 0
    return int(text) if _GENERATION.fullmatch(text) else 0


def generation_text(generation: int) -> bytes:
    """Return the file that keeps the latest generation."""
    return b"%d\n" % generation


def later_generation(answer: MemberAnswer, *, latest: int) -> int | None:
    """Return the generation of a core that is later than all before; None: it is not."""
    said = _generation_of(answer)
    return said if said > latest else None


def objection_to_answer(answer: MemberAnswer, *, latest: int) -> str:
    """Return why a core is not asked for anything; empty: it may be, or does not say which it is.

    What an earlier one signs, the core of now does not let in; and of machines, members and keys it
    knows what was so when the core was moved away from it.
    """
    said = _generation_of(answer)
    if not said or said >= latest:
        return ""
    return f"an earlier core answers there: its generation is {said}, ours is {latest}"


def doors_behind(joined: Joined, answer: MemberAnswer, *, answered: str) -> Joined | None:
    """Return what is kept of a joining once the core was followed; None: it is so already.

    Args:
        joined: what is kept now.
        answer: of the core.
        answered: the door at which it answered.
    """
    if answer.core_machines is None:
        return None
    doors = followed_doors(joined.doors, answer.core_machines.doors, answered=answered)
    return None if doors == joined.doors else joined.model_copy(update={"doors": doors})


def tunnel_behind(
    folder: Path, joined: Joined, answer: MemberAnswer, *, core: str = "", within: Path = WITHIN
) -> str | None:
    """Return a member's ``wg0.conf`` once the core was followed; None: it is so already.

    Args:
        folder: the node's.
        joined: what it keeps of its joining.
        answer: of the core; one of a version before says nothing of machines.
        core: the name that the node knows it by; empty: as it says, for who only looks.
        within: root's file of what the tunnel may lead to.

    Raises:
        TunnelNotFollowed: it cannot become so, or a file cannot be read.
    """
    if answer.core_machines is None or not joined.has_tunnel:
        return None
    path, said = folder / WIREGUARD_FILE, answer.core_machines
    try:
        text = path.read_text(encoding="utf-8")
        followed = followed_text(text, said, core=core or said.core, within=_networks(within))
    except OSError as error:
        raise TunnelNotFollowed(f"{error.filename}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TunnelNotFollowed(f"{path}: is no UTF-8", hint="join again") from None
    return None if followed == text else followed


def _generation_of(answer: MemberAnswer) -> int:
    """Return the generation of the core that answers; 0: it does not say."""
    return answer.core_machines.generation if answer.core_machines is not None else 0


def _networks(within: Path) -> Sequence[Network] | None:
    try:
        return parse_networks(within.read_text(encoding="utf-8"), file=str(within))
    except FileNotFoundError:
        return None
    except (SettingsError, UnicodeDecodeError):
        raise TunnelNotFollowed(
            f"{within}: holds something else than networks",
            hint="as root, run `sh install.sh` of this node's folder, rendered anew",
        ) from None
