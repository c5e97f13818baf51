"""Do the design's pages say what the code and the tests hold to?"""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from core.records.messages import Message, RecipientCopy
from core.records.search import message_json
from inventory.load import load_inventory
from inventory.render.endpoints import endpoints_of
from tests.faults.rows import ROWS
from tests.support.cli.json_page import example

ROOT = Path(__file__).parents[3]
DESIGN = ROOT / "docs" / "design"


def test_the_fault_table_is_the_one_that_the_tests_name() -> None:
    page = (DESIGN / "faults.md").read_text(encoding="utf-8")
    table = page.partition("## The fault table\n")[2].partition("\n## ")[0]

    assert dict(re.findall(r"(?m)^\| (\d+) \| (.+?) \|", table)) == {
        str(row): fault for row, fault in ROWS.items()
    }


def test_every_guarantee_and_rule_stands_once() -> None:
    page = (DESIGN / "link-guarantees.md").read_text(encoding="utf-8")

    assert re.findall(r"(?m)^\| (G\d+) \|", page) == [f"G{number}" for number in range(1, 17)]
    assert re.findall(r"(?m)^\| (U\d+) \|", page) == [f"U{number}" for number in range(1, 9)]


def test_endpoints_are_as_the_page_shows_them() -> None:
    inventory = load_inventory(ROOT / "inventory" / "example.yaml")

    found = endpoints_of(inventory, out=PurePath("/out"), ports=None)

    shown = example("`endpoints.json`")
    assert found["core"].keys() == shown["core"].keys()
    assert found["satellites"]["lon1"].keys() == shown["satellites"]["lon1"].keys()
    assert found.keys() == shown.keys()


def test_track_shows_the_names_that_the_page_has() -> None:
    shown = example("`borderscout track --json`")

    copy = RecipientCopy(
        address="x@acme.example", place=0, folded="x@acme.example", domain="acme.example"
    )
    message = Message(id="…", node="lon1", shard=0, received_us=0, copies={copy.address: copy})
    found = message_json(message, [])

    assert list(found) == list(shown)
    assert list(found["recipients"][0]) == list(shown["recipients"][0])
