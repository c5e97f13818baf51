"""Which documents of the preferences follow from an inventory?

Pure. Routes of all domains, and what engines and filters weigh: the first revision of a new core,
and what ``apply`` publishes afterwards.
"""

from __future__ import annotations

import json

from common.preferences.documents import Document, Kind, canonical_json
from inventory.model import FilterEntry, Inventory


def documents_of(inventory: Inventory) -> list[Document]:
    """Return every document, in the order of the kinds and then of the keys."""
    routes = [
        _document(
            Kind.ROUTE,
            domain.name,
            {
                "customer": customer.name,
                "deliver_to": list(domain.deliver_to),
                "hold_days": domain.hold_days,
                "recipients": domain.recipients,
            },
        )
        for customer, domain in inventory.domains()
    ]
    engines = [
        _document(Kind.ENGINE, name, {"required": required})
        for name, required in sorted(_required(inventory).items())
    ]
    filters = [
        _document(Kind.FILTER, item.name, _filter_body(item))
        for item in sorted(inventory.filters, key=lambda item: item.name)
    ]
    return routes + engines + filters


def _required(inventory: Inventory) -> dict[str, bool]:
    """Return for each engine whether it must answer.

    An engine is weighed once for the cluster. Where nodes disagree about one of the same name it is
    required: silence then shows.
    """
    found: dict[str, bool] = {}
    for site, node in inventory.nodes():
        for engine in inventory.engines_of(site, node):
            found[engine.name] = found.get(engine.name, False) or engine.required
    return found


def _filter_body(item: FilterEntry) -> dict[str, object]:
    body: dict[str, object] = {"kind": item.kind, "enabled": item.enabled}
    if item.zone is not None:
        body["zone"] = item.zone
    if item.codes:
        body["codes"] = item.codes
    if item.is_dns_list and item.options:
        body["options"] = item.options
    return body


def _document(kind: Kind, key: str, body: dict[str, object]) -> Document:
    return Document(kind, key, 0, canonical_json(body))


def to_json(documents: list[Document]) -> str:
    """Return the file that the core takes in, one document per line."""
    lines = [
        f'{{"kind":{json.dumps(one.kind)},"key":{json.dumps(one.key)},"body":{one.body.decode()}}}'
        for one in documents
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"
