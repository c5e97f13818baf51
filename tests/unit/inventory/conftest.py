"""What do the inventory's tests share? Inventories, and comparison with golden files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inventory.load import load_inventory
from inventory.model import Inventory

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "inventory"
EXAMPLE = ROOT / "inventory" / "example.yaml"

SMALL = """\
cluster: {name: example, mail_domain: mx.scout.example, vpn: 10.77.0.0/16}
core: {name: core, public: core.scout.example, vpn_address: 10.77.0.1}
sites:
  - name: london
    location: [51.5072, -0.1276]
    capacity: 200
    nodes:
      - {name: lon1, public: 192.0.2.10, vpn_address: 10.77.1.1}
  - name: paris
    location: [48.8566, 2.3522]
    nodes:
      - {name: par1, public: ["2001:db8:2::10", 198.51.100.10], vpn_address: 10.77.2.1}
customers:
  - name: acme
    domains:
      - {name: acme.example, deliver_to: ["mail.acme.example:25"], location: [52.37, 4.89]}
"""


PACKAGES = """\
from common.kinds import Options, takes


class GateOptions(Options):
    profile: str = ""
    previews: int = 1


class ColourOptions(Options):
    colour: str


@takes(GateOptions)
def gate(settings, context):
    raise AssertionError("an inventory builds nothing")


@takes(ColourOptions)
def colour(settings, context):
    raise AssertionError("an inventory builds nothing")


def loose(settings, context):
    raise AssertionError("an inventory builds nothing")
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other people's kinds, installed as pip leaves them: three engines and a filter."""
    folder = tmp_path / "site-packages"
    metadata = folder / "outside-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "outside_kinds.py").write_text(PACKAGES)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[borderscout.engines]\ngate = outside_kinds:gate\n"
        "loose = outside_kinds:loose\nbroken = outside_kinds:gone\n"
        "[borderscout.filters]\ncolour = outside_kinds:colour\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "outside_kinds", raising=False)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file with two sites and one domain."""
    path = tmp_path / "inventory.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.fixture
def changed(small: Path) -> Callable[..., Path]:
    """Give a function that replaces text in the small inventory's file."""

    def change(*replacements: tuple[str, str]) -> Path:
        text = small.read_text(encoding="utf-8")
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new, 1)
        small.write_text(text, encoding="utf-8")
        return small

    return change


@pytest.fixture
def example() -> Inventory:
    """The inventory that ships as the example."""
    return load_inventory(EXAMPLE)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Give a function that compares a text with a golden file.

    ``BORDERSCOUT_WRITE_GOLDEN=1`` writes the file instead; the difference is then read by a person.
    """

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("BORDERSCOUT_WRITE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare
