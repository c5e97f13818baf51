"""Is every command, option and key in the documentation?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

import cli.inventory
import cli.mx
from common.settings.core import CoreSettings
from common.settings.satellite import SatelliteSettings
from common.settings.values import Settings
from docs.generate.settings import keys_of
from inventory import model

DOCS = Path(__file__).parents[3] / "docs"
MODELS = (
    model.Cluster,
    model.Core,
    model.Site,
    model.Node,
    model.EngineEntry,
    model.FilterEntry,
    model.ScanServerEntry,
    model.Customer,
    model.MailDomain,
    model.Inventory,
)


@pytest.mark.parametrize(("app", "name"), [(cli.inventory.app, "inventory"), (cli.mx.app, "mx")])
def test_every_command_and_option_is_in_the_docs(app: typer.Typer, name: str) -> None:
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    group = typer.main.get_group(app)

    for command_name, command in group.commands.items():
        assert f"{name} {command_name}" in text
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or option in text, option


@pytest.mark.parametrize("declared", [SatelliteSettings, CoreSettings])
def test_every_setting_says_what_it_means(declared: type[Settings]) -> None:
    for key in keys_of(declared):
        assert key.meaning.endswith("."), f"write what {key.name} means below it"


@pytest.mark.parametrize("settings", MODELS)
def test_every_key_of_an_inventory_is_in_the_docs(settings: Any) -> None:
    text = (DOCS / "inventory.md").read_text(encoding="utf-8")

    for key in settings.__pydantic_fields__:
        assert f"`{key}`" in text or f"`{key}[]`" in text, key
