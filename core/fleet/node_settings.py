"""Which settings does a node work with, and may it be told to take others?

Pure. A node is told by its shards together: what one of them does not know, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from common.preferences import CheckedDocument, Position
from common.preferences.bodies import NodeBody
from common.reports import NodeReport, SettingsState

_SPEAKS_FIRST = (
    SettingsState.TRYING,
    SettingsState.ROLLED_BACK,
    SettingsState.REFUSED,
    SettingsState.OTHER,
    SettingsState.STEADY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsStanding:
    """How a node stands with its settings.

    Args:
        in_force: the digest of those that it works with; empty: unknown.
        told: the digest of those that it was told to take last; empty: it never was.
        state: how it stands with those; None: it does not say.
        problem: why those are not in force; empty: they are.
    """

    in_force: str = ""
    told: str = ""
    state: SettingsState | None = None
    problem: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether the node did not take what it was told."""
        return self.state in (SettingsState.REFUSED, SettingsState.ROLLED_BACK)


def settings_standing(reports: Iterable[NodeReport]) -> SettingsStanding:
    """Return how a node stands whose shards report this."""
    said = [report for report in reports if report.settings_state is not None]
    if not said:
        return SettingsStanding()
    digests = {report.settings_digest for report in said}
    speaker = min(said, key=lambda r: _SPEAKS_FIRST.index(r.settings_state or SettingsState.STEADY))
    return SettingsStanding(
        in_force=digests.pop() if len(digests) == 1 else "",
        told=speaker.settings_told,
        state=speaker.settings_state,
        problem=speaker.settings_problem,
    )


def why_not_told(
    digest: str,
    document: CheckedDocument | None,
    *,
    standing: SettingsStanding,
    agreed: Position | None,
) -> tuple[str, str] | None:
    """Return why a node that is heard cannot be told to take settings, and what to do.

    Args:
        digest: theirs.
        document: the node's, in force at the core; None: there is none.
        standing: how it stands.
        agreed: what it has applied of the core's preferences.
    """
    if document is None:
        return "no settings are published for it", "publish its document, of the kind node"
    if document.body_as(NodeBody).digest != digest:
        return (
            "the settings that are published for it have another digest",
            "somebody published others meanwhile: make a new plan",
        )
    if standing.state is None:
        return (
            "it does not say how it stands with its settings",
            "try again in some seconds; a node of a version before takes none over the link",
        )
    if standing.state is SettingsState.TRYING and standing.told != digest:
        return "it is trying other settings", "wait until that has ended, within minutes"
    if agreed is None or agreed.revision < document.revision:
        return (
            f"it has not applied revision {document.revision} yet, in which they were published",
            "try again when borderscout status shows that it has",
        )
    return None
