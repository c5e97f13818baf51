"""Everything the core pushes, and how it resolves into one answer for one recipient.

Pure. ``documents`` says what there is, ``bodies`` what may stand in it, ``scopes`` to whom it
applies, ``policy`` the policy keys, ``resolve`` the answer, ``digest`` how two sets are compared.
"""

from common.preferences.documents import (
    CheckedDocument,
    Document,
    DocumentRefused,
    Epoch,
    Kind,
    Position,
)
from common.preferences.list_keys import ListColour
from common.preferences.list_search import ListHit
from common.preferences.policy import POLICY_KEYS, Action, Policy
from common.preferences.resolve import Preferences, Route
from common.preferences.scopes import Scope, ScopeLevel

__all__ = [
    "POLICY_KEYS",
    "Action",
    "CheckedDocument",
    "Document",
    "DocumentRefused",
    "Epoch",
    "Kind",
    "ListColour",
    "ListHit",
    "Policy",
    "Position",
    "Preferences",
    "Route",
    "Scope",
    "ScopeLevel",
]
