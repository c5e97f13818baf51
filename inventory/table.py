"""Which customers are in a CSV file?

Pure: the text comes in. A customer has the shape that it has in a YAML file, and the table knows
the line and column of each value, so that both are checked and complained about alike. Rows are
given away as they are asked for: a hundred thousand are read in a second, and leave little behind.

Columns: customer, domain, deliver_to (several, separated by blanks), and if wanted latitude,
longitude, hold_days, recipients, regions (several, separated by blanks), sites_min, pinned and
fewer_sites_reason. Source: RFC 4180.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from common.counted import counted
from common.settings.reading import Complaint, Path_
from inventory.raw import Raw

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

_Row = list[str]


class Table:
    """A parsed CSV file of customers that knows where each value stands."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.complaints: list[Complaint] = []
        self._header: list[str] = []
        self._numbers: dict[str, int] = {}  # customer → its number
        self._rows: list[list[_Row]] = []  # customer number → its rows
        self._lines: list[list[int]] = []  # customer number → domain number → line, from 1
        self._text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
        self._split: list[str] | None = None
        self._is_header_wrong = False
        self._customer_at = 0
        self._parse()

    @property
    def count(self) -> int:
        """How many customers there are."""
        return len(self._lines)

    def take_customers(self) -> Iterator[Raw]:
        """Yield every customer once, as YAML would give it; what is empty is left out."""
        columns = {name: number for number, name in enumerate(self._header)}
        rest = [(name, columns[name]) for name in OPTIONAL[2:] if name in columns]
        places = [columns.get(name) for name in OPTIONAL[:2]]
        name_at, domain_at, deliver_at = (columns.get(name, 0) for name in REQUIRED)

        def domain(row: _Row) -> dict[str, Any]:
            found: dict[str, Any] = {
                "name": row[domain_at].strip(),
                "deliver_to": row[deliver_at].split(),
            }
            place = ["" if column is None else row[column].strip() for column in places]
            if any(place):
                found["location"] = place
            for name, column in rest:
                if value := row[column].strip():
                    found[name] = value.split() if name in SEVERAL else value
            return found

        for number, rows in enumerate(self._rows):
            self._rows[number] = []
            name = rows[0][name_at].strip()
            value = {"name": name, "domains": [domain(row) for row in rows]}
            yield Raw(self.file, ("customers", number), value)

    def place(self, path: Path_) -> tuple[int, int]:
        """Return line and column (from 1) of a value; of its row when it is missing."""
        match tuple(path):
            case ("customers", int(customer), "domains", int(domain), *rest):
                line = self._lines[customer][domain]
                return line, self._column(line, _column_name(rest))
            case ("customers", int(customer), *_):
                return self._lines[customer][0], self._column(self._lines[customer][0], "customer")
        return 1, 1

    def _parse(self) -> None:
        reader = csv.reader(_lines(self._text), strict=True)
        begins = 1  # where the row begins: a quoted value may hold line ends
        try:
            for row in reader:
                self._take(begins, row)
                begins = reader.line_num + 1
                if self._is_header_wrong:
                    return  # every row would be complained about, for nothing
        except csv.Error as error:
            self._complain(begins, 1, f"not valid CSV: {error}", "correct the file")
        if not self._header:
            self._complain(1, 1, "no header", f"begin with {','.join(REQUIRED)}")

    def _take(self, line: int, row: _Row) -> None:
        if not row or not any(row) or row[0].startswith("#"):
            return
        if not self._header:
            self._take_header(line, [name.strip() for name in row])
        elif len(row) != len(self._header):
            what = f"{counted(len(row), 'column')} where the header has {len(self._header)}"
            self._complain(line, 1, what, "correct the row")
        else:
            name = row[self._customer_at].strip()
            number = self._numbers.setdefault(name, len(self._numbers))
            if number == len(self._lines):
                self._rows.append([])
                self._lines.append([])
            self._rows[number].append(row)
            self._lines[number].append(line)

    def _take_header(self, line: int, header: list[str]) -> None:
        self._header = header
        known = REQUIRED + OPTIONAL
        for number, name in enumerate(header):
            if name not in known:
                self._complain(
                    line,
                    self._column(line, name),
                    f"unknown column {name[:80]!r}",
                    f"there are {', '.join(known)}",
                )
            elif name in header[:number]:
                self._complain(line, 1, f"column {name!r} stands twice", "remove one")
        for name in REQUIRED:
            if name not in header:
                self._complain(line, 1, f"missing column {name!r}", "add it")
                self._is_header_wrong = True
        if REQUIRED[0] in header:
            self._customer_at = header.index(REQUIRED[0])

    def _column(self, line: int, name: str) -> int:
        """Return where a column begins in a line; 1 where quotes make that a longer question."""
        if self._split is None:
            self._split = self._text.split("\n")
        text = self._split[line - 1] if line <= len(self._split) else ""
        if name not in self._header or '"' in text:
            return 1
        fields = text.split(",")[: self._header.index(name)]
        return sum(len(value) + 1 for value in fields) + 1

    def _complain(self, line: int, column: int, what: str, remedy: str) -> None:
        self.complaints.append(Complaint(self.file, line, column, what, remedy))


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text without a copy of the whole."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin) + 1 or len(text)
        yield text[begin:end]
        begin = end


def _column_name(rest: list[Any]) -> str:
    match rest:
        case ["location", *numbers]:
            return OPTIONAL[1] if 1 in numbers else OPTIONAL[0]
        case [str(key), *_]:
            return _COLUMN_OF.get(key, "domain")
    return "domain"
