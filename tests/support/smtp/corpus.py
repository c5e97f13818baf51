"""Which real messages can a test send, and what must become of each?

Touches the files of ``tests/mail``. What is not committed (large ones, and what a virus scanner
would take away) is made when asked for.
"""

from __future__ import annotations

from tests.mail import automatic, everyday
from tests.mail.make import ALL, FOLDER
from tests.mail.specimens import Expectation, Specimen

__all__ = ["Expectation", "Specimen", "everyday_names", "expectation", "message", "names"]


def names(*expected: Expectation) -> list[str]:
    """Return the names of all messages, or of those of which one of ``expected`` is expected."""
    return [one.name for one in ALL.values() if not expected or one.expectation in expected]


def everyday_names() -> list[str]:
    """Return the names of the messages that people and programs send all day."""
    return [one.name for module in (everyday, automatic) for one in module.SPECIMENS]


def specimen(name: str) -> Specimen:
    """Return what is known of a message.

    Raises:
        KeyError: there is none of that name.
    """
    return ALL[name]


def message(name: str) -> bytes:
    """Return a message with CRLF, as it stands between DATA and the final dot.

    Raises:
        KeyError: there is none of that name.
    """
    one = ALL[name]
    return (FOLDER / f"{name}.eml").read_bytes() if one.in_file else one.make()


def expectation(name: str) -> Expectation:
    """Return what must become of it by the default policy, with the built-in engine alone.

    Raises:
        KeyError: there is none of that name.
    """
    return ALL[name].expectation
