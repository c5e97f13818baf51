"""Which kinds of engines and filters do the installed packages bring, and what may each be told?

Touches the metadata of the installed packages, and loads from them what is asked for. Ours and
other people's are found the same way: by their entry points, whose names are the kinds. What a kind
may be told stands with the function that builds it, so that it is known without building one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import (
    EntryPoint,
    PackageNotFoundError,
    distribution,
    entry_points,
    requires,
)
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from common.errors import LocalError, SettingsError
from common.settings.reading import Path_, what_and_remedy
from common.strangers import outcome_of_call

PRODUCT = "border-scout"
SATELLITE_EXTRA = "satellite"

Factory = Callable[..., Any]
_PACKAGE = re.compile(r"[A-Za-z0-9._-]+")

FactoryT = TypeVar("FactoryT", bound=Factory)
OptionsT = TypeVar("OptionsT", bound=BaseModel)


class Group(StrEnum):
    """What a kind is one of: the group of its entry point."""

    ENGINES = "borderscout.engines"
    FILTERS = "borderscout.filters"

    @property
    def noun(self) -> str:
        """What one of them is called."""
        return "engine" if self is Group.ENGINES else "filter"


class Options(BaseModel):
    """The base of every model of options: frozen, and unknown ones are complaints."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class NoOptions(Options):
    """What a kind may be told that has no options."""


class KindSettings(Protocol):
    """The settings of one engine or filter, as far as its kind is concerned."""

    @property
    def kind(self) -> str: ...

    @property
    def options(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class KindFault:
    """What is wrong with an engine's or a filter's settings.

    Args:
        place: where, from the entry of the settings.
    """

    place: Path_
    what: str
    remedy: str


class KindUnknown(LocalError):
    """No installed package brings the kind."""


def takes(
    options: type[BaseModel], *, of_document: type[BaseModel] | None = None
) -> Callable[[FactoryT], FactoryT]:
    """Declare what the kind that a function builds may be told in its ``options``.

    Without it a kind takes what it likes, and nobody knows before it is built.

    Args:
        options: of the settings; ``NoOptions`` where there is none.
        of_document: of the filter's document, where the inventory says those.
    """

    def declared(build: FactoryT) -> FactoryT:
        build.options = options  # type: ignore[attr-defined]  # read by `options_taken`
        build.document_options = of_document  # type: ignore[attr-defined]
        return build

    return declared


def options_taken(build: Factory, *, of_document: bool = False) -> type[BaseModel] | None:
    """Return what a function declared with ``takes``, or None."""
    found = getattr(build, "document_options" if of_document else "options", None)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def factory_of(group: Group, kind: str) -> Factory:
    """Return the function that builds a kind.

    Raises:
        KindUnknown: no installed package brings it.
        LocalError: several do, or the one that does cannot be loaded.
    """
    points = _points(group, tuple(sys.path))
    found = {point.value: point for point in points if point.name == kind}
    if not found:
        known = ", ".join(sorted({point.name for point in points})) or "none"
        raise KindUnknown(
            f"no {group.noun} of kind {kind!r} is installed", hint=f"there are {known}"
        )
    if len(found) > 1:
        places = ", ".join(sorted(found))
        raise LocalError(
            f"several packages bring {group.noun}s of kind {kind!r}: {places}",
            hint="remove all but one",
        )
    return _loaded(group, next(iter(found.values())))


@cache
def _points(group: Group, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Return what the packages on a path bring; each is opened for that, which takes 3 ms."""
    del path  # what was found is true of it alone
    return tuple(entry_points(group=group))


def load_kinds(group: Group, kinds: Iterable[str]) -> None:
    """Import what brings some kinds, where that may take its time.

    One that cannot be had is passed over: whoever builds it says what is wrong.
    """
    for kind in kinds:
        with suppress(LocalError):
            factory_of(group, kind)


def load_our_own() -> None:
    """Load the kinds that come with the product, for processes that are forked afterwards.

    Other people's are loaded where they are used: what an import of theirs begins, such as a
    thread, must not stand in the way of a fork.
    """
    for group in Group:
        for point in _points(group, tuple(sys.path)):
            if point.dist is not None and point.dist.name == PRODUCT:
                outcome_of_call(point.load)  # what is wrong is told by whoever uses it


def checked_factory_of(group: Group, settings: KindSettings) -> Factory:
    """Return the function that builds a kind, once it is known to take the options.

    Raises:
        LocalError: the kind cannot be had.
        SettingsError: an option is wrong; with a line for each.
    """
    build = factory_of(group, settings.kind)
    declared = options_taken(build)
    if declared is not None:
        options_of(settings, declared)
    return build


def options_of(settings: KindSettings, model: type[OptionsT]) -> OptionsT:
    """Return the options of an engine or a filter as their own typed object.

    Raises:
        SettingsError: an option is unknown or out of bounds; with a line for each.
    """
    try:
        return model.model_validate(settings.options)
    except ValidationError as error:
        faults = _faults_of_options(model, error)
        raise SettingsError([f"{fault.what}; {fault.remedy}" for fault in faults]) from None


def complaints_of(prefix: str, error: LocalError) -> list[str]:
    """Return a line for each thing that an error says of one engine or filter."""
    said = error.complaints if isinstance(error, SettingsError) else [str(error)]
    return [f"{prefix}: {one}" for one in said]


def faults_of(
    group: Group, kind: str, options: object, *, of_document: bool = False
) -> list[KindFault]:
    """Return what is wrong with an engine or a filter: its kind, or the options of it.

    Args:
        kind: as the settings or the inventory have it.
        options: likewise, None where there are none; what is no mapping is passed over.
        of_document: whether they are those of the filter's document.
    """
    try:
        model = options_taken(factory_of(group, kind), of_document=of_document)
        if model is not None and isinstance(options, dict | None):
            model.model_validate(options or {})
    except LocalError as error:
        return [KindFault(("kind",), error.what, error.hint)]
    except ValidationError as error:
        assert model is not None
        return _faults_of_options(model, error)
    return []


def satellite_is_installed() -> bool:
    """Return whether the packages are here that the satellite's own kinds stand on.

    Without them none of those can be loaded, and what other packages the nodes have is unknown.
    """
    try:
        stated = requires(PRODUCT) or ()
    except PackageNotFoundError:
        return False  # a source tree that nobody installed: none of our kinds is known either
    needed = (
        _PACKAGE.match(line)
        for line in stated
        if f"extra == '{SATELLITE_EXTRA}'" in line.replace('"', "'")
    )
    return all(_is_installed(match[0]) for match in needed if match is not None)


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def _loaded(group: Group, point: EntryPoint) -> Factory:
    # A stranger's module may raise anything.
    build: Factory | Exception = outcome_of_call(point.load)
    if isinstance(build, Exception):
        raise LocalError(
            f"the {group.noun} {point.value} cannot be loaded: {build}",
            hint="repair or remove the package that brings it",
        ) from build
    if not callable(build):
        raise LocalError(
            f"{point.value} is no factory of {group.noun}s",
            hint="its package has to name a function `build(settings, context)`",
        )
    return build


def _faults_of_options(model: type[BaseModel], error: ValidationError) -> list[KindFault]:
    return [_fault(model, item) for item in error.errors(include_url=False)]


def _fault(model: type[BaseModel], item: ErrorDetails) -> KindFault:
    place = ("options", *item["loc"])
    if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
        known = ", ".join(sorted(model.model_fields)) or "none"
        return KindFault(place, f"unknown option {item['loc'][0]!r}", f"there are {known}")
    return KindFault(place, *what_and_remedy(item, below=("options",)))
