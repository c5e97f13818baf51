"""Which documents of filters would do nothing, since their kind or an option is unknown?

Touches the installed packages, through ``common.kinds``. The core takes such a document: which
packages the nodes have, it does not know. So whoever publishes it is told here, if a satellite is
installed beside the command line; if none is, nothing is said, since all may be right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from common.kinds import Group, faults_of, satellite_is_installed
from common.preferences import Kind

WARNINGS_MAX = 20  # in one answer, as the core's


def filter_warnings(documents: Iterable[Any]) -> list[str]:
    """Return what is wrong with filter documents as a node would see it, a line each.

    Args:
        documents: as ``documents_in`` gives them; what is no filter's is passed over.
    """
    filters = [one for one in documents if one["kind"] == Kind.FILTER and not one.get("removed")]
    if not filters or not satellite_is_installed():
        return []
    return list(islice(_told(filters), WARNINGS_MAX))


def _told(filters: Iterable[Any]) -> Iterator[str]:
    for one in filters:
        body = one.get("body")
        if not isinstance(body, dict) or not isinstance(kind := body.get("kind"), str):
            continue  # the core refuses it
        for fault in faults_of(Group.FILTERS, kind, body.get("options"), of_document=True):
            yield f"filter {one['key']}: {fault.what}; {fault.remedy}"
