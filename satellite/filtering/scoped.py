"""Which recipients of a message stand in which scope?

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.address import fold
from satellite.filtering.filter import Mail


class ScopedRecipients:
    """The recipients of one message, by scope."""

    def __init__(self, mail: Mail) -> None:
        self._found: dict[str, list[str | None]] = {"cluster": [None]}
        # Two that fold to the same are one to the preferences, and a test that named it twice
        # would count twice.
        recipients = dict.fromkeys(map(fold, mail.envelope.recipients))
        for recipient in recipients:
            for scope in mail.preferences.scopes(recipient)[1:]:
                self._found.setdefault(str(scope), []).append(recipient)
        for name, found in self._found.items():
            if len(found) == len(recipients):
                self._found[name] = [None]  # all of them: said once

    def of(self, scope: str) -> Sequence[str | None]:
        """Return for whom a test of that scope counts: for all (None), for some, for nobody."""
        return self._found.get(scope, ())
