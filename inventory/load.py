"""What does this inventory file say, and what is wrong with it?

Touches the files that it reads, and the packages of the kinds that it names. Every complaint is
given at once; complaints about one field hide none about another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from common.collector import uncollected
from common.errors import SettingsError
from common.settings.reading import Complaint, Source, what_and_remedy
from inventory.addressing import core_links, core_places, node_places
from inventory.check import check
from inventory.customers import CustomerChecks
from inventory.included import Included, unreadable
from inventory.kinds import check_kinds
from inventory.model import Customer, Head, Inventory
from inventory.raw import Raw, RawComplaint, core_machines, nodes_of
from inventory.render.node import core_settings, satellite_settings, scan_server_settings

STEP = 5000  # customers between two reports of progress

T = TypeVar("T")

_HEAD, _CUSTOMER = TypeAdapter(Head), TypeAdapter(Customer)

Progress = Callable[[str, int, int], None]  # what is done, how many are, of how many


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class Examined:
    """An inventory and all that is wrong with it; it is None when there are errors."""

    inventory: Inventory | None
    errors: list[Complaint]
    warnings: list[Complaint]


def load_inventory(path: Path, *, progress: Progress = no_progress) -> Inventory:
    """Read an inventory and the customers' files that it names.

    Raises:
        SettingsError: with every complaint; warnings are not among them.
    """
    examined = examine(path, progress=progress)
    if examined.inventory is None:
        raise SettingsError([str(complaint) for complaint in examined.errors])
    return examined.inventory


def examine(path: Path, *, progress: Progress = no_progress) -> Examined:
    """Read an inventory, and return it with errors and warnings; nothing is raised for those."""
    try:
        with uncollected():
            source = Source.read(path)
    except SettingsError as error:
        return Examined(None, unreadable(path, error), [])
    with uncollected():
        return _Examination(Included(source, path.parent)).run(progress)


@dataclass(slots=True)
class _Examination:
    """The work on one inventory: what was read, and what was complained about."""

    whole: Included
    errors: list[Complaint] = field(default_factory=list)
    warnings: list[Complaint] = field(default_factory=list)

    def run(self, progress: Progress) -> Examined:
        main = self.whole.read()
        self.errors += self.whole.complaints
        head = self._typed(main, _HEAD)
        customers = self._customers(main, progress)
        for one in (*check(main), *check_kinds(main)):
            self._note(one)
        if self.errors or head is None:
            return Examined(None, self._sorted(self.errors), self._sorted(self.warnings))
        whole = Inventory.model_construct(**dict(head), customers=tuple(customers))
        self._settings(main, whole)
        if self.errors:
            return Examined(None, self._sorted(self.errors), self._sorted(self.warnings))
        return Examined(whole, [], self._sorted(self.warnings))

    def _customers(self, main: Raw, progress: Progress) -> list[Customer]:
        """Type and check every customer, and keep nothing else of it."""
        found = []
        checks = CustomerChecks(main)
        count = self.whole.customers_count()
        for number, raw in enumerate(self.whole.take_customers()):
            if number % STEP == 0:
                progress("reading customers", number, count)
            typed = self._typed(raw, _CUSTOMER)
            for one in checks.of(raw, typed):
                self._note(one)
            if typed is not None:
                found.append(typed)
        return found

    def _typed(self, raw: Raw, shape: TypeAdapter[T]) -> T | None:
        try:
            return shape.validate_python(raw.value)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                at = Raw(raw.file, (*raw.path, *item["loc"]), None)
                self._complain(at, *what_and_remedy(item))
            return None

    def _settings(self, main: Raw, inventory: Inventory) -> None:
        """Complain about settings that are right one by one, and wrong together.

        What passes here is what rendering writes, but for the ports of a loopback.
        """
        machines = [inventory.core, *inventory.core.standbys]
        for raw, machine in zip(core_machines(main), machines, strict=True):
            with self._refusals(raw):
                places = core_places(machine, None)
                core_settings(inventory, places=places, loopback=False, machine=machine)
        links = core_links(inventory, None)
        for (_, raw), (site, node) in zip(nodes_of(main), inventory.nodes(), strict=True):
            with self._refusals(raw):
                mine = node_places(node, None)
                satellite_settings(inventory, site, node, places=mine, links=links, loopback=False)
        for raw, server in zip(main.items("scan_servers"), inventory.scan_servers, strict=True):
            with self._refusals(raw):
                scan_server_settings(inventory, server, loopback=False)

    @contextmanager
    def _refusals(self, at: Raw) -> Iterator[None]:
        """Complain at one place about what a validation refuses."""
        try:
            yield
        except ValidationError as error:
            for item in error.errors(include_url=False):
                self._complain(at, *what_and_remedy(item, below=("settings",)))

    def _note(self, one: RawComplaint) -> None:
        found = self.warnings if one.is_warning else self.errors
        what = one.what
        if one.first is not None:
            file, line, _ = self.whole.place(one.first)
            what = f"{what}, first at {file}:{line}"
        found.append(Complaint(*self.whole.place(one.at), what, one.remedy))

    def _complain(self, at: Raw, what: str, remedy: str) -> None:
        self.errors.append(Complaint(*self.whole.place(at), what, remedy))

    def _sorted(self, complaints: Sequence[Complaint]) -> list[Complaint]:
        order = {name: number for number, name in enumerate(self.whole.files)}
        return sorted(set(complaints), key=lambda one: (order.get(one.file, len(order)), one))


def counts_of(inventory: Inventory) -> dict[str, Any]:
    """Return how many of each there are, for people and programs."""
    return {
        "sites": len(inventory.sites),
        "nodes": len(inventory.nodes()),
        "customers": len(inventory.customers),
        "domains": inventory.domains_count,
    }
