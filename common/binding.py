"""What should an operator look at when an address cannot be bound?

Pure. Source: bind(2), its errors.
"""

from __future__ import annotations

import errno

_HINTS = {
    errno.EADDRINUSE: "another program has the port",
    errno.EADDRNOTAVAIL: "no interface of this machine has the address; a tunnel that is not up?",
    errno.EACCES: "a port below 1024 needs the right to bind it",
}


def bind_hint(error: OSError) -> str:
    """Return what stands in the way of binding an address, as far as the error tells."""
    return _HINTS.get(error.errno or 0, "look at the address in the settings")
