"""Does the schema for editors accept what `check` accepts, and explain every key?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

import cli.inventory
from common.settings.reading import Source
from inventory.included import INCLUDING
from inventory.load import examine
from inventory.schema import schema_of
from inventory.schema_texts import TEXTS

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "inventory" / "example.yaml"
GOLDEN = ROOT / "tests" / "golden" / "inventory"

Change = Callable[..., Path]


def faults(path: Path, part: str | None = None) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema_of(part))
    return [one.message for one in validator.iter_errors(Source.read(path).tree)]


@pytest.mark.parametrize("part", [None, *INCLUDING])
def test_it_is_a_schema(part: str | None) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(part))


def test_the_example_is_as_the_schema_wants_it() -> None:
    assert faults(EXAMPLE) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('["mail.acme.example:25"]', "mail.acme.example"),
        ("vpn: 10.77.0.0/16", 'vpn: [10.77.0.0/16, "2001:db8:77::/48"]'),
        ("capacity: 200", 'capacity: "200"'),
        ("capacity: 200", "settings: {workers: 4, smtp: {message_bytes_max: 1048576}}"),
        ("core: {name: core,", "core: {name: core, settings: {claim_wait_s: 60},"),
        ("capacity: 200", 'engines: [{name: y, kind: yara, cache: "no", bytes_max: }]'),
        ("capacity: 200", "state: drain"),
        ("location: [52.37", 'hold_days: 9, recipients: probe, location: ["52.37"'),
    ],
)
def test_what_check_accepts_is_accepted(changed: Change, old: str, new: str) -> None:
    path = changed((old, new))

    assert [str(one) for one in examine(path).errors] == []
    assert faults(path) == []


def test_names_of_files_are_accepted(small: Path) -> None:
    text = small.read_text()
    (small.parent / "c.yaml").write_text(text[text.index("customers:") :])
    for customers in ("c.yaml", "[c.yaml]"):
        small.write_text(text[: text.index("customers:")] + f"customers: {customers}\n")
        assert examine(small).errors == []
        assert faults(small) == []
    assert faults(small.parent / "c.yaml", "customers") == []
    assert faults(small, "customers") != []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("capacity: 200", "capcity: 200"),
        ("capacity: 200", "capacity: 0"),
        ("capacity: 200", "capacity: many"),
        ("capacity: 200", "state: away"),
        ("capacity: 200", "settings: {wrokers: 4}"),
        ("capacity: 200", "settings: {hostname: x}"),
        ("name: london", "name: London"),
        ("[51.5072, -0.1276]", "[51.5072]"),
        ("51.5072", "90.1"),
        ("core: {name: core,", "core: {"),
        ("sites:", "places:"),
        ('["mail.acme.example:25"]', "5"),
        ("customers:\n", "customers: 5\nx:\n"),
        ('["mail.acme.example:25"]', f"[{', '.join(f'h{n}.example' for n in range(17))}]"),
    ],
)
def test_what_is_wrong_by_itself_is_underlined(changed: Change, old: str, new: str) -> None:
    path = changed((old, new))

    assert examine(path).errors != []
    assert faults(path) != []


def test_a_file_full_of_mistakes_is_refused() -> None:
    assert len(faults(GOLDEN / "wrong.yaml")) > 5


def test_every_key_is_explained() -> None:
    schema = schema_of()
    models = {name: schema["$defs"][name] for name in TEXTS if name != "Inventory"}

    for name, model in {"Inventory": schema, **models}.items():
        for key, value in model["properties"].items():
            assert value.get("description", "").endswith("."), f"{name}.{key}: a text in TEXTS"
            assert value["title"] == key, f"{name}.{key}: a text in TEXTS"


def test_an_example_of_a_key_is_one() -> None:
    definitions = schema_of()["$defs"]

    for name, model in definitions.items():
        for value in model.get("properties", {}).values():
            for example in value.get("examples", ()) if name in TEXTS else ():
                one: dict[str, Any] = {**value, "$defs": definitions}
                jsonschema.Draft202012Validator(one).validate(example)


def test_the_command_prints_it() -> None:
    result = CliRunner().invoke(cli.inventory.app, ["schema"])
    assert json.loads(result.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"

    wrong = CliRunner().invoke(cli.inventory.app, ["schema", "nodes"])
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("there is no part 'nodes'; name one of sites, engines")
