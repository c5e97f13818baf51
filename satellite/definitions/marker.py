"""How is it seen which set of definitions an engine has loaded?

Pure. Each set gets one signature more, of a text that nobody will ever send: what clamd says of
that text tells which set it works with, whoever made it load one, and whether the folder that we
fill is the one that it reads. Its VERSION has a number only where a ``daily`` database is there.

Source: ClamAV's documentation, *Hash-based signatures* (``.hsb``: SHA-256, size, name).
"""

from __future__ import annotations

from hashlib import sha256

from satellite.definitions.set_name import SetName

# A name that no file of the core's sets can have: theirs begin with a letter or a digit.
MARKER = "_border-scout-marker.hsb"


def marker_text(name: SetName) -> bytes:
    """Return the text by which an engine that has loaded a set is known."""
    return f"Border Scout asks whether these definitions are in use: {name}\r\n".encode()


def marker_signature(name: SetName) -> str:
    """Return what an engine that has loaded a set calls that text."""
    return f"BorderScout.Definitions.{name.serial}-{name.digest[:16]}"


def marker_octets(name: SetName) -> bytes:
    """Return the database of one signature that stands beside a set's files."""
    text = marker_text(name)
    return f"{sha256(text).hexdigest()}:{len(text)}:{marker_signature(name)}\n".encode()


def is_marked(name: SetName, threats: tuple[str, ...]) -> bool:
    """Say whether an engine that named these threats in a set's text has loaded that set.

    clamd puts ``.UNOFFICIAL`` behind what its makers have not signed.
    """
    wanted = marker_signature(name)
    return any(threat.removesuffix(".UNOFFICIAL") == wanted for threat in threats)
