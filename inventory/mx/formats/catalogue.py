"""In which formats can the MX plan be written for DNS?

Pure. A format is one file beside this one and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from inventory.model import Inventory
from inventory.mx.formats.bind import bind_text
from inventory.mx.names import Naming
from inventory.mx.plan import MxPlan


class Format(Protocol):
    """What a format is: the plan as text, the same for the same inventory."""

    def __call__(self, inventory: Inventory, plan: MxPlan, /, *, naming: Naming) -> str: ...


FORMATS: Mapping[str, Format] = {"bind": bind_text}
TO_COME = ("octodns", "dnscontrol", "terraform", "external-dns", "nsupdate")
