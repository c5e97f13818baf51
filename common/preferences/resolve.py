"""What do the preferences say for this recipient, at one revision?

Pure. A ``Preferences`` never changes: applying documents makes a new one, so that a message is
judged against exactly one revision however long its scan takes.

Source: docs/design/link-guarantees.md, G2.

Long because all that is asked of one revision is asked of one object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from common.address import Domain, domain_of, fold
from common.preferences.bodies import (
    DEFINITIONS_AGE_H,
    EngineBody,
    FilterBody,
    HoldBody,
    PolicyBody,
    RouteBody,
    RuleBody,
    ThreatBody,
    WeightBody,
    YaraBody,
)
from common.preferences.digest import EMPTY_DIGEST, changed, document_hash
from common.preferences.documents import (
    NOTHING,
    CheckedDocument,
    Document,
    Kind,
    Position,
    check_document,
)
from common.preferences.list_entries import ListEntries
from common.preferences.list_search import ListSearch, MatchesHeader, never_matches
from common.preferences.packed_entries import KeptEntry
from common.preferences.policy import (
    DEFAULT_POLICY,
    CloudScan,
    Greylisting,
    LearningPolicy,
    Policy,
    ScanMoment,
    resolve_policy,
)
from common.preferences.scopes import Scope, ScopeLevel
from common.preferences.threats import NamedThreats
from common.preferences.unreadable import NONE_UNREADABLE, UnreadableDocuments
from common.preferences.weights import NO_WEIGHTS, AllWeights, Weights
from common.pushed_rules import PushedRules

ROUTES_MAX = 4_096  # kept ready, of a hundred thousand
DOMAINS_MAX = 4_096  # whose scopes are kept as text
POLICIES_MAX = 4_096  # likewise; one for all recipients for whom the same scopes speak
_CLUSTER = Scope(ScopeLevel.CLUSTER)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a domain's mail goes."""

    domain: Domain
    customer: str
    deliver_to: tuple[str, ...]
    hold_days: int
    lists_recipients: bool
    probes_recipients: bool = False


class Preferences:
    """All documents at one revision, and the answers that they give."""

    __slots__ = (
        "_by_kind",
        "_domains",
        "_lists",
        "_outer_names",
        "_owned",
        "_policies",
        "_routes",
        "_rules",
        "_threats",
        "_weights",
        "digest",
        "position",
        "unreadable",
    )

    def __init__(self) -> None:
        self.position: Position = NOTHING
        self.digest: bytes = EMPTY_DIGEST
        self.unreadable = NONE_UNREADABLE
        self._by_kind: dict[str, dict[str, CheckedDocument]] = {kind: {} for kind in Kind}
        self._routes: dict[str, Route] = {}  # those asked for last: a message asks many times
        self._domains: dict[str, list[str]] | None = None  # by customer; made when it is asked for
        self._outer_names: dict[str, tuple[str, ...]] = {}  # by domain
        self._policies: dict[tuple[str, ...], Policy] = {}  # by the scopes that say something
        self._rules: dict[str, RuleBody] | None = None  # sorted once: each message asks for them
        self._threats: NamedThreats | None = None  # likewise
        self._weights: AllWeights | None = None  # likewise
        self._lists = ListEntries()  # those of the kind ``list``, which may be a million
        self._owned: set[str] = set()  # kinds whose documents no older revision shares

    @classmethod
    def from_documents(cls, documents: Iterable[Document], *, position: Position) -> Self:
        """Return the preferences that hold exactly these documents.

        Raises:
            DocumentRefused: one of them cannot be applied.
        """
        made = cls()
        made._owned.update(made._by_kind)
        made._lists = ListEntries.of(made._taken(documents, check_document))
        made.position = position
        return made

    @classmethod
    def read_back(cls, documents: Iterable[Document], *, position: Position) -> Self:
        """Return the preferences that those of the documents make that can be read.

        Once applied, a document may become unreadable: another version wrote it, or somebody did by
        hand. The rest stays in force, and what is ``unreadable`` has no part in the digest, by
        which whoever published the set finds that it has to be sent anew.
        """
        made = cls()
        found = UnreadableDocuments.collected()
        made._owned.update(made._by_kind)
        made._lists = ListEntries.of(made._taken(documents, found.checked))
        made.unreadable = found
        made.position = position
        return made

    def applied(self, documents: Iterable[Document], *, position: Position) -> Self:
        """Return new preferences with these documents set and tombstones' documents gone.

        It costs what is changed, however much there is besides, but for the kinds of document that
        a change touches: they are copied once, list entries apart.

        Raises:
            DocumentRefused: one of them cannot be applied; ``self`` stays as it is.
        """
        made = self._copy()
        made._lists = self._lists.changed(made._changes(documents, self._lists))
        made.position = position
        return made

    def is_quick(self, documents_count: int) -> bool:
        """Say whether applying so many documents takes less than a millisecond for each ten."""
        return self._lists.is_quick(documents_count)

    def documents(self, kind: Kind | None = None) -> list[CheckedDocument]:
        """Return the documents of one kind, or of all in the order of the kinds, sorted by key."""
        return list(self.each_document(kind))

    def each_document(self, kind: Kind | None = None) -> Iterator[CheckedDocument]:
        """Return the same one after the other: all at once they may take a gigabyte."""
        for wanted in [kind] if kind else Kind:
            if wanted is Kind.LIST:
                yield from map(_list_document, self._lists.since())
            else:
                found = self._by_kind[wanted]
                yield from (found[key] for key in sorted(found))

    def __iter__(self) -> Iterator[CheckedDocument]:
        """Return all documents one after the other, in the order of the kinds, sorted by key."""
        return self.each_document()

    def kept_singly(self) -> list[CheckedDocument]:
        """Return the documents of every kind that is not packed; whoever holds them keeps them."""
        return [document for found in self._by_kind.values() for document in found.values()]

    def list_documents(self, beginning: str, *, after: str = "") -> Iterator[CheckedDocument]:
        """Return list entries one after the other, sorted by key.

        Args:
            beginning: of their keys, such as ``white/cluster/``.
            after: only those with a greater key.
        """
        for entry in self._lists.since(max(beginning, after)):
            if not entry.key.startswith(beginning):
                return
            if entry.key != after:
                yield _list_document(entry)

    def header_entries(self) -> Mapping[str, int]:
        """Return how many header patterns each scope's lists have, where they have any."""
        return self._lists.header_counts()

    def document(self, kind: Kind, key: str) -> CheckedDocument | None:
        """Return one document; the key must be in canonical form."""
        if kind is Kind.LIST:
            entry = self._lists.get(key)
            return _list_document(entry) if entry is not None else None
        return self._by_kind[kind].get(key)

    def route(self, domain: str) -> Route | None:
        """Return where a domain's mail goes, or None when we do not take its mail.

        An operator's order for the domain stands above its route.
        """
        known = self._routes.get(domain)
        if known is not None:
            return known
        document = self._by_kind[Kind.ROUTE].get(domain)
        if document is None:
            return None
        body = document.body_as(RouteBody)
        order = self.hold_order(domain) or _NO_ORDER
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        route = self._routes[domain] = Route(
            Domain(domain),
            body.customer,
            order.deliver_to or body.deliver_to,
            order.hold_days or body.hold_days,
            body.recipients == "listed",
            body.recipients == "probe",
        )
        return route

    def domains(self, customer: str) -> list[str]:
        """Return the domains of a customer, sorted; the first question looks through all routes."""
        if self._domains is None:
            self._domains = {}
            for domain, document in sorted(self._by_kind[Kind.ROUTE].items()):
                owner = document.body_as(RouteBody).customer
                self._domains.setdefault(owner, []).append(domain)
        return self._domains.get(customer, [])

    def hold_order(self, domain: str) -> HoldBody | None:
        """Return what an operator ordered for the mail that is held for a domain, or None."""
        document = self._by_kind[Kind.HOLD].get(domain)
        return None if document is None else document.body_as(HoldBody)

    def accepts(self, recipient: str) -> bool:
        """Say whether a recipient of a domain of ours exists, as far as the preferences know."""
        route = self.route(domain_of(recipient))
        if route is None:
            return False
        return not route.lists_recipients or fold(recipient) in self._by_kind[Kind.RECIPIENT]

    def scopes(self, recipient: str) -> list[Scope]:
        """Return the scopes that a recipient stands in, the widest first."""
        outer = self._outer_scopes(domain_of(recipient))
        return [*outer, Scope(ScopeLevel.RECIPIENT, fold(recipient))]

    def _outer_scopes(self, domain: str) -> list[Scope]:
        found = [_CLUSTER]
        route = self._by_kind[Kind.ROUTE].get(domain)
        if route is not None:
            found.append(Scope(ScopeLevel.CUSTOMER, route.body_as(RouteBody).customer))
        found.append(Scope(ScopeLevel.DOMAIN, domain))
        return found

    def _scope_names(self, recipient: str) -> tuple[str, ...]:
        """Return the scopes that a recipient stands in, as text, the nearest first."""
        folded = fold(recipient)
        domain = folded.rpartition("@")[2]
        outer = self._outer_names.get(domain)
        if outer is None:
            if len(self._outer_names) >= DOMAINS_MAX:
                self._outer_names.clear()
            outer = tuple(map(str, reversed(self._outer_scopes(domain_of(recipient)))))
            self._outer_names[domain] = outer
        return (f"recipient/{folded}", *outer)

    def policy(self, recipient: str) -> Policy:
        """Return the policy for a recipient, with the scope that set each key."""
        if not self._by_kind[Kind.POLICY]:
            return DEFAULT_POLICY
        return self._policy(self.scopes(recipient))

    def _policy(self, scopes: Iterable[Scope]) -> Policy:
        policies = self._by_kind[Kind.POLICY]
        if not policies:
            return DEFAULT_POLICY
        saying = tuple(scope for scope in map(str, scopes) if scope in policies)
        known = self._policies.get(saying)
        if known is not None:
            return known  # the same scopes speak for most recipients
        made = resolve_policy(
            (scope, policies[scope].body_as(PolicyBody).settings) for scope in saying
        )
        if len(self._policies) >= POLICIES_MAX:
            self._policies.clear()
        self._policies[saying] = made
        return made

    def domain_policy(self, domain: str) -> Policy:
        """Return the policy for what holds for a domain as a whole: how its mail leaves."""
        return self._policy(self._outer_scopes(domain))

    def learns(self, customer: str) -> bool:
        """Say whether filters learn from a customer's mail: from that of one domain at least."""
        domains = self.domains(customer)
        return any(self.domain_policy(each).learning is LearningPolicy.ON for each in domains)

    def taught_by(self, recipients: Iterable[str]) -> str:
        """Return the customer whose lessons count for mail to these recipients.

        Empty: nobody's, since there are several customers, or one of the domains learns nothing.
        """
        customers: set[str] = set()
        for domain in {domain_of(recipient) for recipient in recipients}:
            route = self.route(domain)
            if route is None or self.domain_policy(domain).learning is LearningPolicy.OFF:
                return ""
            customers.add(route.customer)
        return customers.pop() if len(customers) == 1 else ""

    def _policy_values(self, attribute: str) -> Iterator[object]:
        """Yield what each policy says of a key, None where it says nothing."""
        for document in self._by_kind[Kind.POLICY].values():
            yield document.body_as(PolicyBody).settings.get(attribute)

    def scans_before(self) -> bool:
        """Say whether any policy asks for a scan before the answer; looks through all policies."""
        return any(value is ScanMoment.BEFORE for value in self._policy_values("scan"))

    def rejects_by_dns_lists(self) -> bool:
        """Say whether any policy refuses clients for what DNS lists say; looks through all."""
        return any(value is not None for value in self._policy_values("dnsbl_reject"))

    def cluster_policy(self) -> Policy:
        """Return the policy for what holds for a client before anybody is named: the cluster's."""
        return self._policy([_CLUSTER])

    def has_zero_hour(self) -> bool:
        """Say whether any policy keeps risky mail for later definitions; looks through all."""
        return any(value is not None for value in self._policy_values("zero_hour"))

    def has_greylisting(self) -> bool:
        """Say whether any policy has unknown senders come again; looks through all policies."""
        return any(value is Greylisting.ON for value in self._policy_values("greylisting"))

    def allows_cloud(self) -> bool:
        """Say whether any policy lets content leave the house; looks through all policies."""
        return any(value is CloudScan.ALLOW for value in self._policy_values("engine_cloud"))

    def yara_rules(self) -> tuple[PushedRules, ...]:
        """Return the pushed YARA rules, by their documents' keys."""
        pushed = self._by_kind[Kind.YARA]
        if not pushed:  # as nearly everywhere; it is asked for each message
            return ()
        bodies = ((key, pushed[key].body_as(YaraBody)) for key in sorted(pushed))
        return tuple(PushedRules(key, body.source, body.scope) for key, body in bodies)

    def engine_is_required(self, name: str) -> bool:
        """Say whether an engine's silence is weighed by the policy key ``unavailable``."""
        document = self._by_kind[Kind.ENGINE].get(name)
        if document is None:
            return True  # what nobody has weighed must answer
        return document.body_as(EngineBody).required

    def definitions_age_max_h(self, name: str) -> float:
        """Return the hours after which an engine's definitions are stale; 0: never."""
        document = self._by_kind[Kind.ENGINE].get(name)
        if document is None:
            return DEFINITIONS_AGE_H
        return document.body_as(EngineBody).definitions_age_max_h

    def filters(self, kind: str) -> Mapping[str, FilterBody]:
        """Return the enabled filter documents of one kind by name, sorted."""
        if not self._by_kind[Kind.FILTER]:  # as nearly everywhere; it is asked for each message
            return _NO_FILTERS
        found: dict[str, FilterBody] = {}
        for name, document in sorted(self._by_kind[Kind.FILTER].items()):
            body = document.body_as(FilterBody)
            if body.kind == kind and body.enabled:
                found[name] = body
        return found

    def rules(self) -> Mapping[str, RuleBody]:
        """Return all pattern rules by name, sorted."""
        if self._rules is None:
            self._rules = {
                name: document.body_as(RuleBody)
                for name, document in sorted(self._by_kind[Kind.RULE].items())
            }
        return self._rules

    def threats(self) -> NamedThreats:
        """Return what is said of threats by their names."""
        if self._threats is None:
            self._threats = NamedThreats(
                (key, document.body_as(ThreatBody))
                for key, document in self._by_kind[Kind.THREAT].items()
            )
        return self._threats

    def has_lists(self) -> bool:
        """Say whether there may be a list entry at all."""
        return self._lists.has_any()

    def weights(self, recipient: str) -> Weights:
        """Return the weights of tests that hold for a recipient."""
        if not self._by_kind[Kind.WEIGHT]:  # as nearly everywhere
            return NO_WEIGHTS
        if self._weights is None:
            self._weights = AllWeights(
                (key, document.body_as(WeightBody))
                for key, document in self._by_kind[Kind.WEIGHT].items()
            )
        return self._weights.of(self.scopes(recipient))

    def list_search(
        self,
        *,
        sender: str,
        client_address: str,
        now_us: int,
        matches_header: MatchesHeader = never_matches,
    ) -> ListSearch:
        """Return what finds the list entries that decide for the recipients of a message."""
        return ListSearch(
            self._lists,
            scopes=self._scope_names,
            sender=sender,
            client_address=client_address,
            now_us=now_us,
            matches_header=matches_header,
        )

    def _copy(self) -> Self:
        made = type(self)()
        made.digest = self.digest
        made.unreadable = self.unreadable
        made._by_kind = dict(self._by_kind)
        return made

    def _taken(
        self, documents: Iterable[Document], check: Callable[[Document], CheckedDocument | None]
    ) -> Iterator[KeptEntry]:
        """Take documents into an empty set, and return the list entries among them."""
        digest = 0
        for document in documents:
            if document.removed:
                continue
            checked = check(document)
            if checked is None:
                continue
            digest += document_hash(checked.kind, checked.key, checked.body)
            if checked.kind == Kind.LIST:
                yield KeptEntry(checked.key, checked.revision, checked.body)
            else:
                self._by_kind[checked.kind][checked.key] = checked
        self.digest = changed(self.digest, added=digest)

    def _changes(self, documents: Iterable[Document], lists: ListEntries) -> Iterator[KeptEntry]:
        """Take documents in or out, and return what becomes of the list entries among them."""
        before = 0
        after = 0
        said: dict[str, KeptEntry] = {}  # so far, by this change
        for document in documents:
            checked = check_document(document)
            kind, key = checked.kind, checked.key
            if kind == Kind.LIST:
                was = said.get(key) or lists.get(key)
                if was is not None and was.body:
                    before += document_hash(kind, key, was.body)
                said[key] = KeptEntry(key, checked.revision, checked.body)
            else:
                stood = self._own(kind).pop(key, None)
                if stood is not None:
                    before += document_hash(kind, key, stood.body)
                if not checked.removed:
                    self._by_kind[kind][key] = checked
            if not checked.removed:
                after += document_hash(kind, key, checked.body)
        self.digest = changed(self.digest, without=before, added=after)
        yield from said.values()

    def _own(self, kind: str) -> dict[str, CheckedDocument]:
        """Return the documents of a kind, copied once from the older revision that shares them."""
        if kind not in self._owned:
            self._by_kind[kind] = dict(self._by_kind[kind])
            self._owned.add(kind)
        return self._by_kind[kind]


def _list_document(entry: KeptEntry) -> CheckedDocument:
    return CheckedDocument(Kind.LIST, entry.key, entry.revision, entry.body)


_NO_ORDER = HoldBody()
_NO_FILTERS: Mapping[str, FilterBody] = {}
