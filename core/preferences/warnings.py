"""Which published changes do nothing, since nobody has that name or nobody asks there?

Pure. A customer, a domain, a recipient or an engine that nobody has is taken all the same: a policy
may be there before its customer is. But it is said, since most such names are slips of the hand. So
is a key in a recipient's policy that is asked for the domain as a whole. Which engines there are is
what nodes say; as long as none has said anything, no name is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from common.address import domain_of
from common.errors import LocalError
from common.preferences import (
    POLICY_KEYS,
    CheckedDocument,
    Document,
    Kind,
    Preferences,
    Scope,
    ScopeLevel,
)
from common.preferences.bodies import PolicyBody, RouteBody
from common.preferences.documents import canonical_key
from common.preferences.virus_rule import VirusRule
from common.reports import FilterReport
from core.preferences.ledger import scope_of
from core.preferences.unused_filters import without_filter

WARNINGS_MAX = 20  # in one answer; a change may have a hundred thousand documents

ENGINES_SHOWN_MAX = 16
_MEANT = "if it is meant, say so: --force"

_BEYOND_DOUBT = (Kind.ROUTE, Kind.ENGINE, Kind.FILTER)  # a route makes its domain ours


def warnings(
    current: Preferences,
    documents: Iterable[Document],
    *,
    engines: Collection[str] = (),
    filters: Collection[FilterReport] = (),
) -> list[str]:
    """Return what is odd about documents that were just published, a line each.

    Args:
        current: the preferences with the documents in them.
        documents: as they were published; each was taken, so that its kind and key are right.
        engines, filters: those that nodes have; none: nobody knows.
    """
    documents = list(documents)
    found = without_filter(_filters(current, documents), filters)[:WARNINGS_MAX]
    known = _Known(current)
    for scope in dict.fromkeys(_scopes(current, documents)):
        for what in (
            known.complaint(scope),
            _without_effect(current, scope),
            _unknown_engines(_rule(current, scope), engines),
        ):
            if what and len(found) == WARNINGS_MAX:
                return [*found, "there are more of this kind"]
            if what:
                found.append(f"{scope}: {what}")
    return found


def _filters(current: Preferences, documents: Iterable[Document]) -> Iterator[CheckedDocument]:
    """Yield those of the documents that are of filters and stand."""
    for document in documents:
        if document.kind == Kind.FILTER and not document.removed:
            stands = current.document(Kind.FILTER, canonical_key(Kind.FILTER, document.key))
            if stands is not None:
                yield stands


class NobodyHas(LocalError):
    """A change was asked for with a name that nobody has, and not said to be meant."""


def refuse_unknown(current: Preferences, scope: Scope) -> None:
    """Refuse a change for a scope that nobody has.

    Raises:
        NobodyHas: with the reason.
    """
    what = _Known(current).complaint(scope)
    if what:
        raise NobodyHas(f"{scope}: {what}", hint=_MEANT)


def refuse_unknown_engines(document: CheckedDocument, engines: Collection[str]) -> None:
    """Refuse a policy by whose ``virus.rule`` engines decide that no node has.

    Args:
        document: of the kind policy.
        engines: those that nodes have; none: nobody knows, and nothing is refused.

    Raises:
        NobodyHas: with the reason.
    """
    what = _unknown_engines(document.body_as(PolicyBody).settings.get("virus_rule"), engines)
    if what:
        raise NobodyHas(f"{document.key}: {what}", hint=_MEANT)


def _rule(current: Preferences, scope: Scope) -> object:
    document = current.document(Kind.POLICY, str(scope))
    return document.body_as(PolicyBody).settings.get("virus_rule") if document is not None else None


def _unknown_engines(rule: object, engines: Collection[str]) -> str:
    """Return which engines a ``virus.rule`` names that no node has; empty when it names none."""
    if not isinstance(rule, VirusRule) or not engines:
        return ""
    unknown = sorted(rule.engines.difference(engines))
    if not unknown:
        return ""
    has = ", ".join(sorted(engines)[:ENGINES_SHOWN_MAX])
    return f"virus.rule: no node has an engine {', '.join(unknown)}; there are {has}"


def _without_effect(current: Preferences, scope: Scope) -> str:
    """Return which keys a recipient's policy sets for nothing; empty when there are none."""
    document = current.document(Kind.POLICY, str(scope))
    if scope.level is not ScopeLevel.RECIPIENT or document is None:
        return ""
    body = document.body_as(PolicyBody)
    keys = [
        key.name
        for key in POLICY_KEYS.values()
        if key.is_of_domain and key.attribute in body.settings
    ]
    if not keys:
        return ""
    return (
        f"{', '.join(keys)} is asked for the domain as a whole, and does nothing here;"
        f" set it with: borderscout policy set domain/{domain_of(scope.name)}"
    )


def _scopes(current: Preferences, documents: Iterable[Document]) -> Iterator[Scope]:
    for document in documents:
        kind = Kind(document.kind)
        if document.removed or kind in _BEYOND_DOUBT:
            continue
        key = canonical_key(kind, document.key)
        stands = current.document(kind, key)
        if stands is not None:  # somebody may have removed it already
            yield Scope.parse(scope_of(kind, key, stands.parsed))


class _Known:
    """Whom the routes and recipients name."""

    def __init__(self, current: Preferences) -> None:
        self._current = current
        self._customers: set[str] | None = None  # of all routes: read when somebody asks

    def complaint(self, scope: Scope) -> str:
        """Return why nobody has this scope; empty when somebody does."""
        match scope.level:
            case ScopeLevel.CUSTOMER if scope.name not in self._all_customers():
                return (
                    "no domain belongs to a customer of this name;"
                    " see whose they are with: borderscout policy show --kind route"
                )
            case ScopeLevel.DOMAIN if self._current.route(scope.name) is None:
                return _no_route(scope.name)
            case ScopeLevel.RECIPIENT if self._current.route(domain_of(scope.name)) is None:
                return _no_route(domain_of(scope.name))
            case ScopeLevel.RECIPIENT if not self._current.accepts(scope.name):
                return (
                    f"{domain_of(scope.name)} lists its recipients, and this is none of them;"
                    " see them with: borderscout policy show --kind recipient"
                )
            case _:
                return ""

    def _all_customers(self) -> set[str]:
        if self._customers is None:
            routes = self._current.documents(Kind.ROUTE)
            self._customers = {document.body_as(RouteBody).customer for document in routes}
        return self._customers


def _no_route(domain: str) -> str:
    return (
        f"we take no mail for {domain}; see the domains with: borderscout policy show --kind route"
    )
