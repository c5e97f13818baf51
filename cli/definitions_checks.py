"""Can a node take virus definitions from the core, and which ones does it use?

Touches the folders that its engines read, and changes nothing there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cli.checks import DoctorCheck
from common.errors import EnvironmentFailure
from common.settings.satellite import NodeDefinitionsSettings

if TYPE_CHECKING:
    from satellite.definitions.kept_sets import Standing

REMEDY = "make the folder, and let the satellite's user write there and the engine's user read"


def definitions_of_the_node(found: Iterable[NodeDefinitionsSettings]) -> Iterator[DoctorCheck]:
    """Yield a check for each family of definitions that the settings name."""
    for one in found:
        name = f"definitions of {one.family}"
        try:
            yield _of_folder(name, Path(one.folder))
        except OSError as error:
            yield DoctorCheck(
                name=name, ok=False, found=f"{one.folder}: {error.strerror}", remedy=REMEDY
            )
        except EnvironmentFailure as error:
            yield DoctorCheck(name=name, ok=False, found=error.what, remedy=error.hint)


def _of_folder(name: str, folder: Path) -> DoctorCheck:
    from satellite.definitions.kept_sets import recorded

    if not folder.is_dir():
        return DoctorCheck(name=name, ok=False, found=f"there is no {folder}", remedy=REMEDY)
    if not os.access(folder, os.W_OK | os.X_OK):
        return DoctorCheck(
            name=name, ok=False, found=f"nothing can be written in {folder}", remedy=REMEDY
        )
    return DoctorCheck(name=name, ok=True, found=_in_use(recorded(folder), folder))


def _in_use(standing: Standing, folder: Path) -> str:
    if standing.trying is not None:
        return f"the set {standing.trying.serial} is being tried in {folder}"
    if standing.current is None:
        return f"none of the core's in {folder} yet"
    return f"the set {standing.current.serial} in {folder}"
