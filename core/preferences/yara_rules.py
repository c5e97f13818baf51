"""Are there YARA rules among changed documents that no satellite could use?

Touches nothing but the rule engine: it compiles what was changed, half a second for the largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from common.errors import LocalError
from common.preferences import Kind, Preferences
from common.preferences.bodies import YARA_DOCUMENTS_MAX, YARA_LENGTH_MAX, YaraBody
from common.preferences.documents import CheckedDocument, DocumentRefused
from common.yara_compiling import compiled


def refuse_unusable_rules(made: Preferences, changed: Iterable[CheckedDocument]) -> None:
    """Refuse a change with rules that do not compile or match slowly, or with too many of them.

    Args:
        made: the preferences with the change in them.
        changed: what the change sets and removes.

    Raises:
        DocumentRefused: the first such document, with the reason.
    """
    for document in changed:
        if document.kind != Kind.YARA or document.removed:
            continue
        try:
            rules = [(document.key, document.body_as(YaraBody).source)]
            compiled(rules, refuse_slow=True)
        except LocalError as error:
            raise DocumentRefused(document.kind, document.key, error.what) from None
        complaint = _too_much([rules.text for rules in made.yara_rules()])
        if complaint:
            raise DocumentRefused(document.kind, document.key, complaint)


def _too_much(texts: Sequence[str]) -> str:
    if len(texts) > YARA_DOCUMENTS_MAX:
        return f"there are {YARA_DOCUMENTS_MAX} of the kind at most; join some"
    if sum(map(len, texts)) > YARA_LENGTH_MAX:
        return f"all of the kind together have {YARA_LENGTH_MAX} characters at most"
    return ""
