"""Which documents of the preferences follow from an inventory?

Pure. Routes of all domains, and what engines and filters weigh: with the documents of the nodes the
first revision of a new core, and what ``apply`` publishes afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from io import BytesIO

from common.preferences.documents import Document, Kind, canonical_json
from inventory.model import EngineEntry, FilterEntry, Inventory, ScanServerEntry


def documents_of(inventory: Inventory) -> list[Document]:
    """Return every document, in the order of the kinds and then of the keys."""
    return list(each_document(inventory))


def each_document(inventory: Inventory) -> Iterator[Document]:
    """Yield every document, in the order of the kinds and then of the keys."""
    for customer, domain in inventory.domains():
        yield _document(
            Kind.ROUTE,
            domain.name,
            {
                "customer": customer.name,
                "deliver_to": list(domain.deliver_to),
                "hold_days": domain.hold_days,
                "recipients": domain.recipients,
            },
        )
    engines = (
        engine for site, node in inventory.nodes() for engine in inventory.engines_of(site, node)
    )
    yield from _weights(inventory, engines)


def documents_of_scan_server(inventory: Inventory, server: ScanServerEntry) -> list[Document]:
    """Return what a scanning server's own engines weigh, and the filters; whose mail it has no
    route says."""
    return _weights(inventory, inventory.engines_of_scan_server(server))


def _weights(inventory: Inventory, engines: Iterable[EngineEntry]) -> list[Document]:
    weighed = [
        _document(Kind.ENGINE, name, body) for name, body in sorted(_engines(engines).items())
    ]
    filters = [
        _document(Kind.FILTER, item.name, _filter_body(item))
        for item in sorted(inventory.filters, key=lambda item: item.name)
    ]
    return weighed + filters


def _engines(entries: Iterable[EngineEntry]) -> dict[str, dict[str, object]]:
    """Return for each engine whether it must answer, and how old its definitions may be.

    An engine is weighed once for the cluster. Where nodes disagree about one of the same name it is
    required, and the lowest age holds: silence and age then show.
    """
    required: dict[str, bool] = {}
    ages: dict[str, list[float]] = {}
    for engine in entries:
        required[engine.name] = required.get(engine.name, False) or engine.required
        if engine.definitions_age_max_h is not None:
            ages.setdefault(engine.name, []).append(engine.definitions_age_max_h)
    return {
        name: {"required": must} | _lowest_age(ages.get(name, []))
        for name, must in required.items()
    }


def _lowest_age(ages_h: list[float]) -> dict[str, object]:
    """Return the lowest of some ages, of which 0 is none at all."""
    limits = [age_h for age_h in ages_h if age_h]
    return {"definitions_age_max_h": min(limits, default=0.0)} if ages_h else {}


def _filter_body(item: FilterEntry) -> dict[str, object]:
    body: dict[str, object] = {"kind": item.kind, "enabled": item.enabled}
    if item.zone is not None:
        body["zone"] = item.zone
    if item.codes:
        body["codes"] = item.codes
    if item.is_document and item.options:
        body["options"] = item.options
    elif item.weights:
        body["options"] = item.weights
    return body


def _document(kind: Kind, key: str, body: dict[str, object]) -> Document:
    return Document(kind, key, 0, canonical_json(body))


def to_json(documents: Iterable[Document]) -> bytes:
    """Return the file that the core takes in, one document per line."""
    text = BytesIO()  # gives its octets away without a copy of them
    text.write(b"[\n")
    for number, one in enumerate(documents):
        kind, key = json.dumps(one.kind), json.dumps(one.key)
        text.write(b",\n" if number else b"")
        text.write(f'{{"kind":{kind},"key":{key},"body":'.encode())
        text.write(one.body)
        text.write(b"}")
    text.write(b"\n]\n")
    return text.getvalue()
