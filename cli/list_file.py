"""Which list entries does a file hold that somebody wants to import?

Touches the file. Each line is an entry: a JSON object, as ``list export`` prints it, or
``COLOUR SCOPE PATTERN`` with the reason behind it. Blank lines and those that begin with ``#`` are
passed over. All of a file is read and checked before any of it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.output import fail
from common.address import AddressError
from common.preferences.list_keys import ListColour, list_key
from common.preferences.scopes import Scope

LINES_MAX = 2_000_000
BATCH_ENTRIES = 5_000  # the core takes as many in one revision,
BATCH_OCTETS = 900_000  # and a request of 1 MiB
SHAPE = "write COLOUR SCOPE PATTERN [REASON], or what list export prints"
_FIELDS = {"colour", "scope", "pattern", "reason", "until_us"}
_TOLD = {"by", "added_us", "revision"}  # what export tells besides; the core says it anew


def entries_in(file: Path, *, reason: str, until_us: int) -> list[str]:
    """Return the entries of a file, each as JSON text; what is wrong ends the command.

    Args:
        file: to be read.
        reason: of the entries that have none.
        until_us: when those end that do not say it, microseconds since the epoch; 0: never.
    """
    found: list[str] = []
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if number > LINES_MAX:
                    fail(f"{file}: more than {LINES_MAX} lines; import it in parts")
                text = line.strip()
                if text and not text.startswith("#"):
                    defaults = {"reason": reason, "until_us": until_us}
                    found.append(_checked(f"{file}:{number}", text, defaults))
    except OSError as error:
        fail(f"{file}: {error.strerror}; name a file with list entries")
    except UnicodeDecodeError as error:
        fail(f"{file}: no UTF-8 at byte {error.start}; {SHAPE}")
    if not found:
        fail(f"{file}: there is no entry in it; {SHAPE}")
    return found


def batches(entries: list[str]) -> Iterator[list[str]]:
    """Return the entries in parts that the core takes at once."""
    batch: list[str] = []
    octets = 0
    for entry in entries:
        size = len(entry.encode()) + 1
        if batch and (len(batch) == BATCH_ENTRIES or octets + size > BATCH_OCTETS):
            yield batch
            batch, octets = [], 0
        batch.append(entry)
        octets += size
    yield batch


def _checked(where: str, text: str, defaults: dict[str, Any]) -> str:
    entry = _parsed(where, text) if text.startswith("{") else _typed(where, text)
    for name, value in defaults.items():
        entry[name] = entry.get(name) or value
    try:
        list_key(ListColour(entry["colour"]), Scope.parse(entry["scope"]), entry["pattern"])
    except (KeyError, TypeError, AttributeError):
        fail(f"{where}: colour, scope or pattern is missing; {SHAPE}")
    except AddressError as error:
        fail(f"{where}: {error.what}; {SHAPE}")
    except ValueError:
        fail(f"{where}: {str(entry['colour'])[:80]!r} is neither black nor white; {SHAPE}")
    return json.dumps(entry, ensure_ascii=True)


def _typed(where: str, text: str) -> dict[str, Any]:
    words = text.split(maxsplit=3)
    if len(words) < 3:
        fail(f"{where}: an entry has three words at least; {SHAPE}")
    return dict(zip(("colour", "scope", "pattern", "reason"), words, strict=False))


def _parsed(where: str, text: str) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except json.JSONDecodeError as error:
        fail(f"{where}:{error.colno}: {error.msg}; {SHAPE}")
    except (ValueError, RecursionError) as error:
        fail(f"{where}: {error}; {SHAPE}")
    unknown = set(entry) - _FIELDS - _TOLD
    if unknown:
        fail(f"{where}: there is no {sorted(unknown)[0]!r} in an entry; {SHAPE}")
    return {name: value for name, value in entry.items() if name in _FIELDS}
