"""How many messages a second does each domain get?

Pure: the text comes in. In millionths of a message per second, so that all sums are whole numbers.
Three shapes are read: a table with the columns ``domain`` and ``messages_per_s``; the same as JSON,
``{"domains": {"acme.example": 1.5}}``; and what ``borderscout report summary --by domain --json``
prints, with a beginning and an end.

Source: docs/mx.md, *Load against capacity*.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from common.address import AddressError, parse_domain
from common.counted import counted
from common.errors import SettingsError
from inventory.mx.json_fault import json_fault

PER_MESSAGE = 1_000_000  # millionths in a message per second
RATE_MAX = 1_000_000  # messages per second of one domain


@dataclass(frozen=True, slots=True)
class Traffic:
    """The rates of the domains, in millionths of a message per second.

    Args:
        digest: SHA-256 of the text that it was read from.
        by_domain: the rates that are known.
        rest: what came for domains that are not named, shared by all those.
    """

    digest: str
    by_domain: Mapping[str, int]
    rest: int = 0

    def rates(self, domains: Iterable[str]) -> list[int]:
        """Return the rate of each domain; whoever is not named has a part of the rest."""
        names = list(domains)
        unnamed = sum(name not in self.by_domain for name in names)
        each = self.rest // unnamed if unnamed else 0
        return [self.by_domain.get(name, each) for name in names]


def parse_traffic(text: bytes, *, name: str) -> Traffic:
    """Return the traffic of a file.

    Args:
        text: the file, CSV or JSON.
        name: what complaints call it.

    Raises:
        SettingsError: with one complaint.
    """
    digest = hashlib.sha256(text).hexdigest()
    try:
        words = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError([f"{name}:1:1: is no text; write CSV or JSON"]) from None
    if not words.lstrip().startswith("{"):
        return Traffic(digest, _from_table(words, name))
    try:
        tree = json.loads(words, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, InvalidOperation, RecursionError) as error:
        fault = json_fault(error, text)
        place = f"{name}:{fault.line}:{fault.column}"
        raise SettingsError([f"{place}: {fault.what}; correct it, or write it anew"]) from None
    if "groups" in tree:
        return _from_report(tree, digest, name)
    domains = tree.get("domains")
    if not isinstance(domains, dict):
        raise SettingsError([f"{name}:1:1: no 'domains' and no 'groups'; docs/mx.md has the shape"])
    rates = {_domain(key, name, 1): _rate(value, name, 1, of=key) for key, value in domains.items()}
    return Traffic(digest, rates)


def _from_table(text: str, name: str) -> dict[str, int]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, int] = {}
    columns: list[str] | None = None
    try:
        for row in reader:
            if not any(row) or row[0].startswith("#"):
                continue
            line = reader.line_num
            if columns is None:
                columns = [one.strip() for one in row]
                if not {"domain", "messages_per_s"} <= set(columns):
                    raise _wrong(name, line, "no columns domain and messages_per_s", "add them")
                continue
            if len(row) != len(columns):
                what = f"{counted(len(row), 'column')} where the header has {len(columns)}"
                raise _wrong(name, line, what, "correct the row")
            values = dict(zip(columns, row, strict=True))
            domain = _domain(values["domain"].strip(), name, line)
            if domain in found:
                raise _wrong(name, line, f"{domain} stands twice", "remove one")
            found[domain] = _rate(values["messages_per_s"].strip(), name, line, of=domain)
    except csv.Error as error:
        raise _wrong(name, 1, f"not valid CSV: {error}", "correct the file") from None
    if columns is None:
        raise _wrong(name, 1, "no header", "begin with domain,messages_per_s")
    return found


def _from_report(tree: Mapping[str, Any], digest: str, name: str) -> Traffic:
    """Return what a report by domain says; the domains that it leaves out share what is left."""
    try:
        if tree["by"] != "domain":
            raise _wrong(name, 1, "a report that is not by domain", "ask for --by domain")
        if tree["until"] is None or tree["since"].startswith("1970-"):
            what = "a report without a beginning or an end"
            raise _wrong(name, 1, what, "ask for --since and --until")
        length = datetime.fromisoformat(tree["until"]) - datetime.fromisoformat(tree["since"])
        counts = {
            _domain(group["name"], name, 1): int(group["accepted"]) for group in tree["groups"]
        }
        total = int(tree["totals"]["accepted"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise _wrong(name, 1, "no report by domain", "print one with report summary") from None
    seconds = int(length.total_seconds())
    if seconds <= 0 or min([0, *counts.values()]) < 0:
        raise _wrong(name, 1, "a report of no time", "ask for a day at least")
    rates = {domain: count * PER_MESSAGE // seconds for domain, count in counts.items()}
    rest = max(0, total - sum(counts.values())) * PER_MESSAGE // seconds
    return Traffic(digest, rates, rest)


def _domain(text: Any, name: str, line: int) -> str:
    try:
        return parse_domain(str(text))
    except AddressError as error:
        raise _wrong(name, line, str(error), "write a domain such as acme.example") from None


def _rate(value: Any, name: str, line: int, *, of: str) -> int:
    try:
        rate = Decimal(value)
        if rate.is_finite() and 0 <= rate <= RATE_MAX:
            return int(rate * PER_MESSAGE)
    except (InvalidOperation, TypeError, ValueError):
        pass
    what = f"{str(value)[:40]!r} is no rate of {of}"
    raise _wrong(name, line, what, f"write messages per second, 0 to {RATE_MAX}")


def _wrong(name: str, line: int, what: str, remedy: str) -> SettingsError:
    return SettingsError([f"{name}:{line}:1: {what}; {remedy}"])
