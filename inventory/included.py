"""Which files does an inventory consist of, and what stands in them?

Touches the files that it reads. The inventory may name files in its own folder where it may list
sites, engines, filters, scanning servers or customers. What they hold takes the place of their
names; each value keeps its own place, so that a complaint names the file in which it stands. An
included file includes no other: there is no cycle, and one look at the inventory tells all files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from common.errors import SettingsError
from common.settings.reading import Complaint, Placed, Source, read_text
from inventory.raw import Raw
from inventory.table import Table

CUSTOMERS = "customers"
INCLUDING = ("sites", "engines", "filters", "scan_servers", CUSTOMERS)
TABLE_SUFFIX = ".csv"
FILES_MAX = 1000  # nobody keeps more by hand; each is read into memory

_COMPLAINT = re.compile(r".*?:(\d+):(\d+): (.*); (.*)", re.DOTALL)


@dataclass(slots=True)
class Included:
    """An inventory with the files that it names.

    Args:
        source: the inventory's own file.
        folder: where that file is, and where the others must be.
    """

    source: Source
    folder: Path
    files: dict[str, Placed] = field(default_factory=dict)  # in the order of reading
    complaints: list[Complaint] = field(default_factory=list)
    _customers: list[Raw | Table] = field(default_factory=list)
    _origins: dict[tuple[str, int], Raw] = field(default_factory=dict)
    _seen: set[Path] = field(default_factory=set)

    def read(self) -> Raw:
        """Read every file; return all but the customers as one mapping."""
        main = Raw(self.source.file, (), self.source.taken())
        self.files[self.source.file] = self.source
        tree = dict(main.value)
        for key in INCLUDING:
            if key == CUSTOMERS:
                self._collect_customers(main.get(key))
            elif _names_files(main.get(key).value):
                tree[key] = [self._entered(key, n, item) for n, item in self._items(main, key)]
        tree.pop(CUSTOMERS, None)
        return Raw(main.file, (), tree)

    def customers_count(self) -> int:
        """Return how many customers there are; right before they are taken."""
        return sum(one.count if isinstance(one, Table) else 1 for one in self._customers)

    def take_customers(self) -> Iterator[Raw]:
        """Yield every customer once, wherever it stands; nothing of it is kept."""
        while self._customers:
            one = self._customers.pop()  # they stand the other way round
            if isinstance(one, Table):
                yield from one.take_customers()
            else:
                yield one

    def place(self, at: Raw) -> tuple[str, int, int]:
        """Return the file, line and column (from 1) in which a value stands."""
        file, path = at.file, at.path
        match path:
            case (str(key), int(number), *rest) if (key, number) in self._origins:
                if file == self.source.file:
                    origin = self._origins[key, number]
                    file, path = origin.file, (*origin.path, *rest)
        return (file, *self.files[file].place(path))

    def complain(self, at: Raw, what: str, remedy: str) -> None:
        """Note what is wrong with a value."""
        self.complaints.append(Complaint(*self.place(at), what, remedy))

    def _collect_customers(self, stated: Raw) -> None:
        if not isinstance(stated.value, list | str):
            is_missing = stated.value is None
            what = f"missing key {CUSTOMERS!r}" if is_missing else f"{CUSTOMERS} is no list"
            self.complain(stated, what, "write a list of customers or of files of customers")
            return
        for item in stated.each():
            if item.text is None:
                self._customers.append(item)
                continue
            source = self._read_file(item, CUSTOMERS)
            if isinstance(source, Table):
                self._customers.append(source)
            elif source is not None:
                self._customers += self._of_file(source, CUSTOMERS)
        self._customers.reverse()

    def _items(self, main: Raw, key: str) -> Iterator[tuple[int, Raw]]:
        """Yield what a list holds, with its number, in the place of each file what that holds."""
        number = 0
        for item in main.get(key).each():
            source = None if item.text is None else self._read_file(item, key)
            if item.text is None:
                found = [item]
            else:  # a table is of customers alone
                found = self._of_file(source, key) if isinstance(source, Source) else []
            for one in found:
                yield number, one
                number += 1

    def _entered(self, key: str, number: int, item: Raw) -> Any:
        self._origins[key, number] = item
        return item.value

    def _read_file(self, item: Raw, key: str) -> Source | Table | None:
        path = self._inside(item, key)
        if path is None:
            return None
        try:
            source = read_table(path) if path.suffix == TABLE_SUFFIX else Source.read(path)
        except SettingsError as error:
            self.complaints += unreadable(path, error)
            return None
        self.files[source.file] = source
        if isinstance(source, Table):
            self.complaints += source.complaints
        return source

    def _inside(self, item: Raw, key: str) -> Path | None:
        """Return the path of a named file, when it is one that may be read."""
        name = str(item.text)
        if not name or not name.isprintable():
            self.complain(item, f"{name[:80]!r} is no file's name", "write one")
            return None
        pure, path = PurePath(name), self.folder / name
        if pure.is_absolute() or ".." in pure.parts:
            what = f"file {name[:80]!r} is not in the inventory's folder"
            self.complain(item, what, "put it there, and write its name from that folder")
            return None
        try:
            real = path.resolve()
            is_file = path.is_file()
        except (OSError, RuntimeError):  # a link that leads to itself, a name that is too long
            real, is_file = path, False
        if not is_file:
            what = f"no such file {name[:80]!r}"
            self.complain(item, what, "names are from this file's folder")
        elif not real.is_relative_to(self.folder.resolve()):
            what = f"file {name[:80]!r} is a link out of the inventory's folder"
            self.complain(item, what, "put the file itself there")
        elif real == Path(self.source.file).resolve():
            self.complain(item, f"file {name[:80]!r} is the inventory itself", "remove it")
        elif real in self._seen:
            self.complain(item, f"file {name[:80]!r} stands twice", "remove one")
        elif path.suffix == TABLE_SUFFIX and key != CUSTOMERS:
            self.complain(item, f"{key} cannot be read from CSV", f"write YAML with {key}: in it")
        elif len(self._seen) >= FILES_MAX:
            self.complain(item, f"more than {FILES_MAX} files", "put several into one")
        else:
            self._seen.add(real)
            return path
        return None

    def _of_file(self, source: Source, key: str) -> list[Raw]:
        """Return what an included YAML file lists."""
        tree = Raw(source.file, (), source.taken())
        for other in tree.value:
            if other != key:
                what = f"unknown key {other[:80]!r}"
                self.complain(tree.get(other), what, f"a file of {key} has none")
        stated = tree.get(key)
        if not isinstance(stated.value, list):
            self.complain(stated, f"missing list {key!r}", f"begin the file with {key}:")
            return []
        found = []
        for item in stated.each():
            if item.text is None:
                found.append(item)
            else:
                what = f"{item.text[:80]!r} stands in an included file"
                self.complain(item, what, "name files in the inventory itself")
        return found


def _names_files(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and any(isinstance(item, str) for item in value)
    )


def read_table(path: Path) -> Table:
    """Read a CSV file of customers.

    Raises:
        SettingsError: it cannot be read; a wrong row is among the table's complaints.
    """
    return Table(str(path), read_text(path, encoding="utf-8-sig"))


def unreadable(path: Path, error: SettingsError) -> list[Complaint]:
    """Return as complaints what was said of a file that could not be parsed."""
    found: list[Complaint] = []
    for text in error.complaints:
        match = _COMPLAINT.fullmatch(text)
        assert match is not None, text
        line, column, what, remedy = match.groups()
        found.append(Complaint(str(path), int(line), int(column), what, remedy))
    return found
