"""What does this inventory file say, and what is wrong with it?

Touches the files that it reads, and the packages of the kinds that it names. Every complaint is
given at once; complaints about one field hide none about another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from common.errors import SettingsError
from common.settings.reading import (
    FILE_BYTES_MAX,
    Complaint,
    Placed,
    Source,
    findings_of,
    what_and_remedy,
)
from inventory.addressing import core_places, node_places
from inventory.check import check
from inventory.kinds import check_kinds
from inventory.model import Customer, Head, Inventory
from inventory.raw import Raw, RawComplaint, nodes_of
from inventory.render.node import core_settings, satellite_settings, scan_server_settings
from inventory.table import Table

STEP = 5000  # customers between two reports of progress

_COMPLAINT = re.compile(r".*?:(\d+):(\d+): (.*); (.*)")

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
        source = Source.read(path)
    except SettingsError as error:
        return Examined(None, _unreadable(path, error), [])
    return _Examination(source).run(path.parent, progress)


@dataclass(slots=True)
class _Examination:
    """The work on one inventory: what was read, and what was complained about."""

    source: Source
    files: dict[str, Placed] = field(default_factory=dict)
    customers: list[Raw] = field(default_factory=list)
    errors: list[Complaint] = field(default_factory=list)
    warnings: list[Complaint] = field(default_factory=list)

    def run(self, folder: Path, progress: Progress) -> Examined:
        self.files[self.source.file] = self.source
        main = Raw(self.source.file, (), self.source.tree)
        self._collect(main, folder)
        head = self._head(main)
        customers = self._typed_customers(progress)
        for one in (*check(main, self.customers), *check_kinds(main)):
            self._note(one)
        if self.errors or head is None:
            return Examined(None, self._sorted(self.errors), self._sorted(self.warnings))
        whole = Inventory.model_construct(**dict(head), customers=tuple(customers))
        self._settings(main, whole)
        if self.errors:
            return Examined(None, self._sorted(self.errors), self._sorted(self.warnings))
        return Examined(whole, [], self._sorted(self.warnings))

    def _collect(self, main: Raw, folder: Path) -> None:
        """Gather the customers from the inventory and from the files that it names."""
        stated = main.get("customers")
        if not isinstance(stated.value, list):
            what = "missing key 'customers'" if stated.value is None else "customers is no list"
            self._complain(stated, what, "write a list of customers or of files of customers")
            return
        seen: set[Path] = set()
        for item in stated.each():
            if item.text is None:
                self.customers.append(item)
                continue
            path = folder / item.text
            if path in seen:
                self._complain(item, f"file {item.text!r} stands twice", "remove one")
                continue
            seen.add(path)
            self._collect_file(item, path)

    def _collect_file(self, item: Raw, path: Path) -> None:
        if not path.is_file():
            self._complain(item, f"no such file {item.text!r}", "names are from this file's folder")
            return
        try:
            source = _read_table(path) if path.suffix == ".csv" else Source.read(path)
        except SettingsError as error:
            self.errors += _unreadable(path, error)
            return
        self.files[source.file] = source
        if isinstance(source, Table):
            self.errors += source.complaints
        tree = Raw(source.file, (), source.tree)
        for key in tree.value:
            if key != "customers":
                self._complain(
                    tree.get(key), f"unknown key {key!r}", "a file of customers has none"
                )
        stated = tree.get("customers")
        if not isinstance(stated.value, list):
            self._complain(stated, "missing list 'customers'", "begin the file with customers:")
            return
        self.customers += stated.each()

    def _head(self, main: Raw) -> Head | None:
        tree = {key: value for key, value in main.value.items() if key != "customers"}
        try:
            return Head.model_validate(tree)
        except ValidationError as error:
            self.errors += findings_of(self.source, error)
            return None

    def _typed_customers(self, progress: Progress) -> list[Customer]:
        found = []
        for number, raw in enumerate(self.customers):
            if number % STEP == 0:
                progress("reading customers", number, len(self.customers))
            try:
                found.append(Customer.model_validate(raw.value))
            except ValidationError as error:
                self.errors += findings_of(self.files[raw.file], error, below=raw.path)
        return found

    def _settings(self, main: Raw, inventory: Inventory) -> None:
        """Complain about settings that are right one by one, and wrong together.

        What passes here is what rendering writes, but for the ports of a loopback.
        """
        places = core_places(inventory.core, None)
        with self._refusals(main.get("core")):
            core_settings(inventory, places=places, loopback=False)
        for (_, raw), (site, node) in zip(nodes_of(main), inventory.nodes(), strict=True):
            with self._refusals(raw):
                mine = node_places(node, None)
                satellite_settings(
                    inventory, site, node, places=mine, link=places.grpc, loopback=False
                )
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
        found.append(self._placed(one.at, one.what, one.remedy))

    def _complain(self, at: Raw, what: str, remedy: str) -> None:
        self.errors.append(self._placed(at, what, remedy))

    def _placed(self, at: Raw, what: str, remedy: str) -> Complaint:
        return Complaint(at.file, *self.files[at.file].place(at.path), what, remedy)

    def _sorted(self, complaints: Sequence[Complaint]) -> list[Complaint]:
        order = {name: number for number, name in enumerate(self.files)}
        return sorted(set(complaints), key=lambda one: (order.get(one.file, len(order)), one))


def _read_table(path: Path) -> Table:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SettingsError([f"{path}:1:1: file too large; split it"])
        return Table(str(path), path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}:1:1: cannot be read: {error}; check it"]) from None


def _unreadable(path: Path, error: SettingsError) -> list[Complaint]:
    """Return as complaints what was said of a file that could not be parsed."""
    found: list[Complaint] = []
    for text in error.complaints:
        match = _COMPLAINT.fullmatch(text)
        assert match is not None, text
        line, column, what, remedy = match.groups()
        found.append(Complaint(str(path), int(line), int(column), what, remedy))
    return found


def counts_of(inventory: Inventory) -> dict[str, Any]:
    """Return how many of each there are, for people and programs."""
    return {
        "sites": len(inventory.sites),
        "nodes": len(inventory.nodes()),
        "customers": len(inventory.customers),
        "domains": sum(len(customer.domains) for customer in inventory.customers),
    }
