"""What stands for a domain's held mail once an operator has ordered something more?

Pure. One document holds all orders for a domain: days, another server, and up to when mail goes
back to its senders. A new order goes on top of what stands; what is not named stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.preferences import CheckedDocument, Kind
from common.preferences.bodies import HoldBody
from common.preferences.documents import new_document, new_tombstone


def ordered(domain: str, standing: HoldBody | None, given: Mapping[str, Any]) -> CheckedDocument:
    """Return the document to publish: the new order on top of the standing one, or its removal.

    Args:
        domain: in canonical form.
        standing: what was ordered before, or None.
        given: fields of the body that the new order names; a default takes that part back.
    """
    before = {} if standing is None else standing.model_dump(exclude_defaults=True)
    body = {name: value for name, value in {**before, **given}.items() if value}
    if not body.keys() - {"reason"}:  # why nothing is ordered is no order
        return new_tombstone(Kind.HOLD, domain)
    return new_document(Kind.HOLD, domain, body)
