"""Which documents of filters does a node not go by, and why?

Touches the installed packages, through ``common.kinds``: a document's options are its kind's. The
core takes each document, since it does not know which packages and settings a node has; so whoever
has them says which ones do nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from common.frozen import dataclass
from common.kinds import Group, faults_of
from common.preferences import Kind, Preferences
from common.preferences.bodies import FilterBody
from common.settings.satellite import FilterSettings
from common.verdict import DETAIL_LENGTH_MAX, printable
from satellite.filtering.catalogue import BUILT_IN

PROBLEMS_MAX = 8  # documents that are told by name
ONE_ALONE = "authentication"  # the built-in kind that goes by its first document that is right


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleDocument:
    """An enabled document of a filter that does nothing.

    Args:
        key: the document's.
        why: for people, one line.
        is_wrong: it says what its kind does not know; else only this node has no use for it.
    """

    key: str
    why: str
    is_wrong: bool

    def __str__(self) -> str:
        return f"the filter document {self.key} does nothing: {self.why}"


def idle_documents(
    preferences: Preferences, settings: Iterable[FilterSettings]
) -> tuple[IdleDocument, ...]:
    """Return the enabled documents that a node does not go by, by their keys.

    Args:
        preferences: that have the documents.
        settings: the filters that the node's settings name.
    """
    kinds = {each.name: each.kind for each in settings}
    return tuple(_idle(preferences, kinds))


class WatchedDocuments:
    """The documents of the preferences in force, for whoever tells an operator of them.

    Args:
        settings: the filters that the node's settings name.
        preferences: gives those in force.
    """

    def __init__(
        self, settings: Sequence[FilterSettings], preferences: Callable[[], Preferences]
    ) -> None:
        self._settings = settings
        self._preferences = preferences
        self._known: Preferences | None = None
        self._told: tuple[str, ...] = ()

    def problems(self) -> tuple[str, ...]:
        """Return which documents say what their kind does not know, a sentence each.

        One that this node alone has no filter for is none: others may have it.
        """
        current = self._preferences()
        if current is not self._known:
            wrong = [each for each in idle_documents(current, self._settings) if each.is_wrong]
            told = [str(each) for each in wrong[:PROBLEMS_MAX]]
            more = len(wrong) - len(told)
            self._known, self._told = current, (*told, *[f"{more} more do nothing"] * bool(more))
        return self._told


def _idle(preferences: Preferences, kinds: Mapping[str, str]) -> Iterator[IdleDocument]:
    of_one = ""
    for document in sorted(preferences.documents(Kind.FILTER), key=lambda one: one.key):
        body = document.body_as(FilterBody)
        if not body.enabled:
            continue
        if body.kind not in BUILT_IN and document.key not in kinds:
            why = f"this node's settings have no filter of that name (kind {body.kind})"
            yield IdleDocument(key=document.key, why=why, is_wrong=False)
            continue
        what = _fault(body, kinds.get(document.key, body.kind))
        if not what and body.kind == ONE_ALONE:
            what = f"the kind {ONE_ALONE} goes by {of_one} alone" if of_one else ""
            of_one = of_one or document.key
        if what:
            why = printable(what, length_max=DETAIL_LENGTH_MAX)
            yield IdleDocument(key=document.key, why=why, is_wrong=True)


def _fault(body: FilterBody, kind: str) -> str:
    """Return what is wrong with a document; empty when nothing is."""
    if body.kind not in BUILT_IN and body.kind != kind:
        return f"it is of the kind {body.kind}, and the node's settings say {kind}"
    faults = faults_of(Group.FILTERS, body.kind, dict(body.options), of_document=True)
    return "; ".join(f"{fault.what}; {fault.remedy}" for fault in faults)
