"""What does a plan's file look like, and is it still what it was?

Pure. One JSON object, with each domain on a line of its own, so that two files can be compared by
eye. ``id`` is the SHA-256 of what the plan says: schema, naming, inputs, and of each domain its
records and since when they stand; a file that was edited by hand has another one. Reasons and
warnings are not in it.

A file may come from anywhere: what is read is typed and bounded, and nothing in it can reach a
terminal or a zone as anything but a name.

Source: docs/mx.md, *The plan's file*.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from common.errors import PeerError
from inventory.mx.json_fault import json_fault
from inventory.mx.names import Naming
from inventory.mx.plan import SCHEMA, Entry, Mx, MxPlan, time_text

MX_MAX = 16  # records of one domain in a file
REASON_CHARACTERS_MAX = 10_000

_HOST = re.compile(r"(?!.{254})[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_SITE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_INPUT = re.compile(r"[a-z_]{1,40}")


class NoPlan(PeerError):
    """A file that is no plan, or is not the one that it says it is.

    Args:
        line, column: where that shows, from 1.
    """

    def __init__(self, what: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__(what)
        self.line = line
        self.column = column


def plan_lines(plan: MxPlan, more: Mapping[str, Any]) -> Iterator[str]:
    """Yield the file, piece by piece.

    Args:
        more: further keys at the end.
    """
    inputs = json.dumps(dict(sorted(plan.inputs.items())))
    yield f'{{"schema": {SCHEMA}, "id": "{plan.digest}",\n'
    yield f'"naming": "{plan.naming}", "inputs": {inputs},\n"domains": ['
    between = "\n"
    for entry in plan.domains:
        yield between + json.dumps(_entry_json(entry))
        between = ",\n"
    yield "\n]"
    for key, value in more.items():
        yield f",\n{json.dumps(key)}: {json.dumps(value)}"
    yield "}\n"


def _entry_json(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {
        "domain": entry.domain,
        "mx": [record.as_json() for record in entry.mx],
        "reason": entry.reason,
    }
    if entry.since is not None:
        found["since"] = time_text(entry.since)
    return found


def parse_plan(text: bytes) -> MxPlan:
    """Return the plan of a file; keys of a later version are passed over.

    Raises:
        NoPlan: it is none, or its id is not that of its content.
    """
    try:
        # Each record becomes what it is as soon as it is read: a million are no million of dicts.
        tree = json.loads(text, object_hook=_typed)
    except (ValueError, RecursionError) as error:
        fault = json_fault(error, text)
        what = f"no MX plan: {fault.what}"
        raise NoPlan(what, line=fault.line, column=fault.column) from None
    if not isinstance(tree, dict) or not isinstance(tree.get("domains"), list):
        raise NoPlan("no MX plan: there is no list 'domains'")
    schema = tree.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise NoPlan(f"no MX plan of ours: its schema is {str(schema)[:20]!r}, and we know 1")
    plan = MxPlan(
        domains=tuple(_entries(tree["domains"])),
        naming=_naming(tree.get("naming", Naming.FIXED)),
        inputs=_inputs(tree.get("inputs", {})),
    )
    if "id" in tree and tree["id"] != plan.digest:
        raise NoPlan("the MX plan is not what its id says: it was changed after it was made")
    return plan


def _typed(tree: dict[str, Any]) -> Any:
    if tree.keys() >= {"preference", "site", "host"}:
        return _mx(tree["preference"], tree["site"], tree["host"])
    if tree.keys() >= {"domain", "mx"}:
        return _entry(tree)
    return tree


def _mx(preference: Any, site: Any, host: Any) -> Mx:
    if type(preference) is not int or not 0 <= preference <= 65_535:
        raise NoPlan(f"no MX plan: {str(preference)[:20]!r} is no preference")
    if not isinstance(site, str) or not _SITE.fullmatch(site):
        raise NoPlan(f"no MX plan: {str(site)[:80]!r} is no site")
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise NoPlan(f"no MX plan: {str(host)[:80]!r} is no host")
    return Mx(preference, site, host)


def _entry(tree: dict[str, Any]) -> Entry:
    domain, records, reason = tree["domain"], tree["mx"], tree.get("reason", "")
    if not isinstance(domain, str) or not _HOST.fullmatch(domain):
        raise NoPlan(f"no MX plan: {str(domain)[:80]!r} is no domain")
    if not isinstance(records, list) or len(records) > MX_MAX:
        raise NoPlan(f"no MX plan: the MX of {domain} are no list of at most {MX_MAX}")
    if not all(isinstance(record, Mx) for record in records):
        raise NoPlan(f"no MX plan: an MX of {domain} has no preference, site and host")
    if not isinstance(reason, str) or len(reason) > REASON_CHARACTERS_MAX:
        raise NoPlan(f"no MX plan: the reason of {domain} is no text")
    return Entry.stated(domain, records, reason=reason, since=_time(tree.get("since"), domain))


def _entries(found: list[Any]) -> Iterable[Entry]:
    known: set[str] = set()
    for entry in found:
        if not isinstance(entry, Entry):
            raise NoPlan("no MX plan: an item of 'domains' has no domain and mx")
        if entry.domain in known:
            raise NoPlan(f"no MX plan: {entry.domain} stands twice")
        known.add(entry.domain)
        yield entry


def _naming(text: Any) -> Naming:
    try:
        return Naming(text)
    except ValueError:
        raise NoPlan(f"no MX plan: {str(text)[:40]!r} is no naming") from None


def _inputs(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(
        _INPUT.fullmatch(key) and isinstance(value, str) and _DIGEST.fullmatch(value)
        for key, value in found.items()
    ):
        raise NoPlan("no MX plan: its inputs are no digests")
    return found


def _time(text: Any, domain: str) -> datetime | None:
    if text is None:
        return None
    try:
        if text.endswith("Z"):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (AttributeError, ValueError):
        pass
    raise NoPlan(f"no MX plan: since when the MX of {domain} stand is no time in UTC")
