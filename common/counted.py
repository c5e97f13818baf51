"""How does a number stand with its noun?

Pure.
"""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun, such as ``1 message`` and ``2 messages``.

    Args:
        many: the noun of all other numbers; left out, ``one`` with an s. Either may go on, such as
            ``domain has`` and ``domains have``.
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
