"""Is a message for nobody but spam traps, so that it may be reported as spam?

Pure. A trap is an address that nobody ever gave away. What is for a person as well is not reported:
it may be a letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from common.address import fold

TrapAddresses = Annotated[str, Field(max_length=4_000)]


def is_for_traps(recipients: Iterable[str], traps: str) -> bool:
    """Say whether all recipients are traps; False where there are none of either.

    Args:
        recipients: of the message.
        traps: addresses with blanks or commas between them.
    """
    known = {fold(word) for word in traps.replace(",", " ").split()}
    found = [fold(recipient) in known for recipient in recipients]
    return bool(found) and all(found)
