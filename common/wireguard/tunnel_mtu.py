"""How large a packet does the path to a peer carry, when nobody tells what is too large?

Pure: whether a packet of some size comes back is asked of ``passes``. A router that drops what is
too large without a word (or whose word a firewall drops) leaves small things working and everything
long hanging: handshakes and greetings pass, mail does not.

Source: RFC 4821, *Packetization Layer Path MTU Discovery*; RFC 8899.
"""

from __future__ import annotations

from collections.abc import Callable

SMALL = 100  # octets of a packet that every path carries
LOWEST = 576  # RFC 791: what every host takes
CLOSE = 4  # octets that the answer may be below the truth


def path_mtu(passes: Callable[[int], bool], *, ceiling: int) -> int:
    """Return the size of the largest packet that comes back; 0 when not even a small one does.

    Args:
        passes: sends a packet of so many octets, and says whether its answer came.
        ceiling: the largest that is worth trying.
    """
    # The path may have gone altogether, or answer no echo: then nothing is known. And whoever asks
    # knows now how long an answer takes.
    if not passes(SMALL):
        return 0
    if passes(ceiling):
        return ceiling
    good, bad = LOWEST, ceiling
    while bad - good > CLOSE:
        middle = (good + bad) // 2
        if passes(middle):
            good = middle
        else:
            bad = middle
    # What was lost on the way may have been loss, or the tunnel's end: the answer has to pass.
    return good if passes(good) else 0
