"""In which formats can the records be written for DNS?

Touches the metadata of the installed packages, and loads from them the format that is asked for.
Ours and other people's are found the same way: by entry points, whose names are the formats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from common.errors import LocalError
from common.strangers import outcome_of_call
from inventory.mx.formats.rendered_files import FILE_NAME_MAX, MxFormat, RenderedFiles
from inventory.mx.records import MxRecords, Whose

GROUP = "borderscout.mx_formats"
_FILE_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{FILE_NAME_MAX - 1}}}")


def formats() -> Mapping[str, EntryPoint]:
    """Return all formats by their names, sorted."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    return dict(sorted(found.items()))


def rendered(name: str, records: MxRecords, *, whose: Whose) -> RenderedFiles:
    """Return records in a format.

    Args:
        name: one of ``formats()``.

    Raises:
        LocalError: the package that brings it is broken.
    """
    point = formats()[name]
    render = outcome_of_call(point.load)
    if isinstance(render, Exception):
        raise _broken(point, render)
    made = outcome_of_call(_call, render, records, whose)
    if isinstance(made, Exception):
        raise _broken(point, made)
    for file in made.files:
        if not _FILE_NAME.fullmatch(file):
            raise LocalError(
                f"format {name}: names a file {file[:80]!r}", hint=f"mend {point.value}"
            )
    return made


def _call(render: MxFormat, records: MxRecords, whose: Whose) -> RenderedFiles:
    made = render(records, whose=whose)
    if not isinstance(made, RenderedFiles):
        raise TypeError("it gives no RenderedFiles")
    return made


def _broken(point: EntryPoint, error: Exception) -> LocalError:
    what = " ".join(str(error).split())[:200]
    return LocalError(
        f"format {point.name}: {type(error).__name__}: {what}", hint=f"mend {point.value}"
    )
