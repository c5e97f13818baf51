"""Does what a stranger reads first say what is there: targets, markers, folders?"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def declared_markers() -> dict[str, str]:
    """Return the markers of the project with their meaning, by the name as it is declared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return dict(line.split(": ", 1) for line in project["tool"]["pytest"]["ini_options"]["markers"])


def test_contributing_explains_every_marker_in_the_words_of_its_declaration() -> None:
    rows = {f"| `{name}` | {meaning} |" for name, meaning in declared_markers().items()}

    assert {row for row in rows if row not in CONTRIBUTING} == set()


def test_make_unit_leaves_out_what_contributing_says() -> None:
    unit = MAKEFILE[MAKEFILE.index("\nunit:") : MAKEFILE.index("\ntest:")]
    table = re.findall(r"(?m)^\| `(\w+)(?:\([^)]*\))?` \|", CONTRIBUTING)

    assert re.findall(r"not (\w+)", unit) == table[:4]


def test_contributing_and_help_name_every_target_of_make() -> None:
    phony = re.search(r"(?m)^\.PHONY: (.+)$", MAKEFILE)
    assert phony is not None
    targets = set(phony[1].split()) - {"help"}

    assert {name for name in targets if f"`make {name}`" not in CONTRIBUTING} == set()
    helped = set(re.findall(r'@echo "make (\w+)', MAKEFILE))
    assert targets - helped == {"clean", "format", "setup-dev"}


def test_the_readme_leads_to_both_doors() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert "(CONTRIBUTING.md)" in readme
    assert "(SECURITY.md)" in readme
