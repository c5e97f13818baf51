"""Where are results kept, and how do they come into the documentation?

Touches the results' folder (git does not hold it) and ``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench import document
from tests.bench.authenticated import authenticated_text
from tests.bench.filter_table import filters_text, lists_text
from tests.bench.machine import machine
from tests.bench.mx_table import mx_text
from tests.bench.peers.catalogue import PEERS
from tests.bench.peers.scout import Scout
from tests.bench.store_table import store_text

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".bench"
PAGE = ROOT / "docs" / "benchmarks.md"
SPEED = "speed.jsonl"


class Results:
    """The results in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def header(self, command: str, work: Path) -> dict[str, Any]:
        """Return which command is at work, when, and on what."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        return {"command": command, "when": when, "machine": machine(work)}

    def begin_speed(self, header: Mapping[str, Any], *, is_resumed: bool) -> None:
        """Make place for the records of a run, or go on with those that are there."""
        path = self.folder / SPEED
        if not is_resumed or not path.exists():
            path.write_text(json.dumps({"header": header}) + "\n", encoding="utf-8")

    def add_speed(self, record: Mapping[str, Any]) -> None:
        """Keep the record of one run."""
        with (self.folder / SPEED).open("a", encoding="utf-8") as out:
            out.write(json.dumps(record) + "\n")

    def speed(self) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """Return the header and the records of the last run."""
        path = self.folder / SPEED
        if not path.exists():
            return None, []
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return lines[0]["header"], lines[1:]

    def keep(self, kind: str, record: Mapping[str, Any]) -> None:
        """Keep the one record of a measurement beside the loads, such as ``stages``."""
        text = json.dumps(record, indent=1)
        (self.folder / f"{kind}.json").write_text(text + "\n", encoding="utf-8")

    def kept(self, kind: str) -> dict[str, Any] | None:
        """Return what ``keep`` kept."""
        path = self.folder / f"{kind}.json"
        if not path.exists():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def publish(self, page: Path = PAGE) -> None:
        """Write what there is into the documentation; a section without results stays as it is."""
        text = page.read_text(encoding="utf-8")
        header, records = self.speed()
        stages, drain, overload, soak = map(self.kept, ("stages", "drain", "overload", "soak"))
        authenticated = self.kept("authenticated")
        engines, filters, lists = map(self.kept, ("engines", "filters", "lists"))
        store, plans = map(self.kept, ("store", "plans"))
        if header is not None and records:
            titles = {name: kind.title for name, kind in PEERS.items()}
            text = document.put(text, "speed", document.speed_text(header, records, titles))
        if stages is not None:
            text = document.put(text, "stages", document.stages_text(stages))
        if engines is not None:
            text = document.put(text, "engines", document.engines_text(engines))
        if filters is not None:
            text = document.put(text, "filters", filters_text(filters))
        if authenticated is not None:
            text = document.put(text, "authenticated", authenticated_text(authenticated))
        if lists is not None:
            text = document.put(text, "lists", lists_text(lists))
        if store is not None:
            text = document.put(text, "store", store_text(store))
        if plans is not None:
            text = document.put(text, "plans", mx_text(plans))
        if drain is not None:
            text = document.put(text, "drain", document.drain_text(drain))
        if overload is not None:
            text = document.put(text, "overload", document.overload_text(overload))
        if soak is not None:
            text = document.put(text, "soak", document.soak_text(soak))
        ours = {
            name: kind.title
            for name, kind in PEERS.items()
            if issubclass(kind, Scout) and kind.has_goals
        }
        others = {
            name: document.others_of(
                drain=_made_with(name, drain),
                overload=_made_with(name, overload),
                soak=_made_with(name, soak),
                engines=engines,
                filters=filters,
                lists=lists,
                store=store,
                plans=plans,
            )
            for name in ours
        }
        made = (
            one
            for one in (header, drain, overload, soak, engines, filters, lists, store, plans)
            if one is not None
        )
        processors = [one["machine"]["processors"] for one in made if one["machine"]]
        former = document.section_of(text, "goals")
        if "reached" in former:  # of several runs: each table says on what it was made
            processors = []
        goals = document.goals_text(records, others, ours, processors=processors, former=former)
        page.write_text(document.put(text, "goals", goals), encoding="utf-8")


def _made_with(name: str, record: dict[str, Any] | None) -> dict[str, Any] | None:
    return record if record is not None and record["peer"] == name else None
