"""Which customers are in a CSV file?

Pure: the text comes in. The result has the shape of a YAML file of customers, and knows the line
and column of each value, so that both are checked and complained about alike. A hundred thousand
rows take five seconds, and nine in YAML.

Columns: customer, domain, deliver_to (several, separated by blanks), and if wanted latitude,
longitude, hold_days, recipients, regions (several, separated by blanks), sites_min, pinned and
fewer_sites_reason. Source: RFC 4180.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from common.settings.reading import Complaint, Path_

REQUIRED = ("customer", "domain", "deliver_to")
OPTIONAL = (
    "latitude",
    "longitude",
    "hold_days",
    "recipients",
    "regions",
    "sites_min",
    "pinned",
    "fewer_sites_reason",
)
SEVERAL = ("regions",)  # values are separated by blanks

# What a column is called in the tree.
_COLUMN_OF = {"name": "domain", "deliver_to": "deliver_to"} | {name: name for name in OPTIONAL[2:]}


class Table:
    """A parsed CSV file of customers that knows where each value stands."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.tree: dict[str, Any] = {"customers": []}
        self.complaints: list[Complaint] = []
        self._header: list[str] = []
        self._lines: list[list[int]] = []  # customer number → domain number → line, from 1
        self._text = text.splitlines()
        try:
            self._parse(csv.reader(io.StringIO(text, newline=""), strict=True))
        except csv.Error as error:
            self._complain(1, 1, f"not valid CSV: {error}", "correct the file")

    def place(self, path: Path_) -> tuple[int, int]:
        """Return line and column (from 1) of a value; of its row when it is missing."""
        match tuple(path):
            case ("customers", int(customer), "domains", int(domain), *rest):
                line = self._lines[customer][domain]
                return line, self._column(line, _column_name(rest))
            case ("customers", int(customer), *_):
                return self._lines[customer][0], self._column(self._lines[customer][0], "customer")
        return 1, 1

    def _parse(self, reader: Any) -> None:
        customers: dict[str, int] = {}
        line = 1  # where the row begins: a quoted value may hold line ends
        for row in reader:
            begins, line = line, reader.line_num + 1
            if not row or not any(row) or row[0].startswith("#"):
                continue
            if not self._header:
                self._take_header(begins, [name.strip() for name in row])
                continue
            if len(row) != len(self._header):
                self._complain(
                    begins,
                    1,
                    f"{len(row)} columns where the header has {len(self._header)}",
                    "correct the row",
                )
                continue
            self._take_row(
                begins, dict(zip(self._header, map(str.strip, row), strict=True)), customers
            )
        if not self._header:
            self._complain(1, 1, "no header", f"begin with {','.join(REQUIRED)}")

    def _take_header(self, line: int, header: list[str]) -> None:
        self._header = header
        known = REQUIRED + OPTIONAL
        for number, name in enumerate(header):
            if name not in known:
                self._complain(
                    line,
                    self._column(line, name),
                    f"unknown column {name!r}",
                    f"there are {', '.join(known)}",
                )
            elif name in header[:number]:
                self._complain(line, 1, f"column {name!r} stands twice", "remove one")
        for name in REQUIRED:
            if name not in header:
                self._complain(line, 1, f"missing column {name!r}", "add it")

    def _take_row(self, line: int, row: dict[str, str], customers: dict[str, int]) -> None:
        name = row.get("customer", "")
        number = customers.setdefault(name, len(customers))
        if number == len(self._lines):
            self.tree["customers"].append({"name": name, "domains": []})
            self._lines.append([])
        self.tree["customers"][number]["domains"].append(_domain(row))
        self._lines[number].append(line)

    def _column(self, line: int, name: str) -> int:
        """Return where a column begins in a line; 1 where quotes make that a longer question."""
        text = self._text[line - 1] if line <= len(self._text) else ""
        if name not in self._header or '"' in text:
            return 1
        fields = text.split(",")[: self._header.index(name)]
        return sum(len(value) + 1 for value in fields) + 1

    def _complain(self, line: int, column: int, what: str, remedy: str) -> None:
        self.complaints.append(Complaint(self.file, line, column, what, remedy))


def _column_name(rest: list[Any]) -> str:
    match rest:
        case ["location", *numbers]:
            return OPTIONAL[1] if 1 in numbers else OPTIONAL[0]
        case [str(key), *_]:
            return _COLUMN_OF.get(key, "domain")
    return "domain"


def _domain(row: dict[str, str]) -> dict[str, Any]:
    """Return a row's domain as YAML would give it; what is empty is left out."""
    found: dict[str, Any] = {
        "name": row.get("domain", ""),
        "deliver_to": row.get("deliver_to", "").split(),
    }
    place = [row.get(name, "") for name in OPTIONAL[:2]]
    if any(place):
        found["location"] = place
    for name in OPTIONAL[2:]:
        if row.get(name):
            found[name] = row[name].split() if name in SEVERAL else row[name]
    return found
