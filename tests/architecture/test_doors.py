"""Is what is built connected, so that somebody outside the tests ever comes to it?

The analysis goes by names. A public function or class of the product is used when a file of the
product imports it and names it, or names it beside it; a method is used when its name is asked of
anything at all, so that two methods of one name hide each other. What stands inside a definition is
no use of it. What others call is used as well: entry points, commands and routes by their
decorators, what overrides a method of a library, members of protocols.
"""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.support.our_files import PRODUCT, ROOT, python_files

# What stands without a caller, and why. A line that is no longer needed fails the test too.
WITHOUT_A_CALLER = {
    "cli.demonstration.customer.Mailbox.handle_DATA": "aiosmtpd calls it by this name",
    "inventory.lab.customers.Taker.handle_DATA": "aiosmtpd calls it by this name",
    "common.preferences.forms.KeyChoice.described": "docs/policy.md is drawn with it",
    "common.preferences.forms.Number.described": "docs/policy.md is drawn with it",
    "common.preferences.forms.Text.described": "docs/policy.md is drawn with it",
    "common.preferences.risky_types.RiskyTypesForm.described": "docs/policy.md is drawn with it",
    "common.preferences.virus_rule.VirusRuleForm.described": "docs/policy.md is drawn with it",
}
# Rooms that outsiders call: the tests of an engine or a filter of somebody else's package.
FOR_OUTSIDERS = (
    "satellite.scanning.conformance",
    "satellite.filtering.conformance",
)
# Alembic calls what stands in these.
CALLED_BY_TOOLS = ("core.store.migrations",)

# Decorators that change how a function is called, and not who calls it. Any other one hands the
# function to somebody: a command, a route, a validator.
_PLAIN_DECORATORS = {
    "abstractmethod",
    "asynccontextmanager",
    "cache",
    "cached_property",
    "classmethod",
    "contextmanager",
    "dataclass",
    "deleter",
    "lru_cache",
    "override",
    "property",
    "setter",
    "staticmethod",
}
_TARGET = re.compile(r"([a-z_][\w.]*):([A-Za-z_]\w*)")  # MODULE:NAME, as entry points say it
ANY = ""  # a module that only the running program knows

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True, order=True)
class Built:
    """A public definition."""

    module: str
    path: str  # CLASS.METHOD, or a name

    def __str__(self) -> str:
        return f"{self.module}.{self.path}"

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def built_in(module: str, tree: ast.Module) -> Iterator[Built]:
    """Yield the public functions, classes and methods of a file that nobody else hands on."""
    for node in tree.body:
        if not isinstance(node, _DEFINITIONS) or node.name.startswith("_") or _handed_on(node):
            continue
        yield Built(module, node.name)
        if isinstance(node, ast.ClassDef) and not _is_protocol(node):
            for member in node.body:
                if (
                    isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)
                    and not member.name.startswith("_")
                    and not _handed_on(member)
                ):
                    yield Built(module, f"{node.name}.{member.name}")


def _handed_on(node: Definition) -> bool:
    return any(_last_name(one) not in _PLAIN_DECORATORS for one in node.decorator_list)


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(_last_name(base) == "Protocol" for base in node.bases)


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return _last_name(inner)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class Use:
    """A name that is used: of a module's, or a member of something when the module is None."""

    module: str | None
    name: str

    def is_of(self, built: Built) -> bool:
        """Say whether it may be this definition. A package hands on what its modules have."""
        if self.name != built.name:
            return False
        if self.module is None:
            return "." in built.path
        if self.module == ANY:
            return "." not in built.path
        return "." not in built.path and f".{built.module}.".startswith(f".{self.module}.")


class _Uses(ast.NodeVisitor):
    """Collects what a file uses.

    Args:
        module: its name.
        modules: the names of all files.
    """

    def __init__(self, module: str, tree: ast.Module, modules: frozenset[str]) -> None:
        self.found: set[Use] = set()
        self._module = module
        self._modules = modules
        self._inside: list[Definition] = []
        self._imported: dict[str, tuple[str, str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    self._imported[alias.asname or alias.name] = (node.module, alias.name)
        self.visit(tree)

    def visit_Name(self, node: ast.Name) -> None:
        module, name = self._imported.get(node.id, (self._module, node.id))
        if module != self._module or not self._is_inside(name):
            self.found.add(Use(module, name))
        if self._inside and isinstance(self._inside[-1], ast.ClassDef):
            self.found.add(Use(None, name))  # a member that stands for another one

    def visit_Attribute(self, node: ast.Attribute) -> None:
        match node.value:
            case ast.Name(id=base) if ".".join(self._imported.get(base, ())) in self._modules:
                self.found.add(Use(".".join(self._imported[base]), node.attr))
            case ast.Call(func=function) if _last_name(function) == "import_module":
                self.found.add(Use(ANY, node.attr))
            case _ if not self._is_inside(node.attr):  # nor is to hand on to one of the same name
                self.found.add(Use(None, node.attr))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and (match := _TARGET.fullmatch(node.value)):
            self.found.add(Use(match[1], match[2]))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._enter(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._enter(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._enter(node)

    def _enter(self, node: Definition) -> None:
        self._inside.append(node)
        self.generic_visit(node)
        self._inside.pop()

    def _is_inside(self, name: str) -> bool:
        return any(one.name == name and not _handed_on(one) for one in self._inside)


def uses_of(trees: Mapping[str, ast.Module]) -> set[Use]:
    """Return what all files use."""
    modules = frozenset(trees)
    return set().union(*(_Uses(module, tree, modules).found for module, tree in trees.items()))


@cache
def _trees() -> dict[str, ast.Module]:
    return {module_of(path): ast.parse(path.read_bytes()) for path in python_files(*PRODUCT)}


def _entry_points() -> set[Use]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["scripts"], *project["entry-points"].values()]
    targets = [value.partition(":") for group in groups for value in group.values()]
    return {Use(module, name) for module, _, name in targets}


def overrides_a_library(built: Built) -> bool:
    """Say whether a method stands for one of a class that is not ours."""
    class_name, _, method = built.path.rpartition(".")
    if not class_name:
        return False
    ours = getattr(importlib.import_module(built.module), class_name)
    return any(
        method in vars(base)
        for base in ours.__mro__[1:]
        if base.__module__.partition(".")[0] not in PRODUCT
    )


def without_a_caller(trees: Mapping[str, ast.Module], entries: Iterable[Use] = ()) -> list[Built]:
    """Return what is built in these files and used in none of them, nor an entry."""
    by_name: dict[str, list[Use]] = {}
    for use in (*uses_of(trees), *entries):
        by_name.setdefault(use.name, []).append(use)
    return sorted(
        built
        for module, tree in trees.items()
        for built in built_in(module, tree)
        if not any(use.is_of(built) for use in by_name.get(built.name, ()))
    )


@cache
def _found() -> frozenset[str]:
    return frozenset(
        str(built)
        for built in without_a_caller(_trees(), _entry_points())
        if not built.module.startswith((*FOR_OUTSIDERS, *CALLED_BY_TOOLS))
        and not overrides_a_library(built)
    )


def test_nothing_is_built_without_a_door() -> None:
    assert sorted(_found() - WITHOUT_A_CALLER.keys()) == []


def test_every_reason_for_standing_without_a_caller_is_still_needed() -> None:
    assert sorted(WITHOUT_A_CALLER.keys() - _found()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def lonely(): ...", ["lonely"]),
        ("def lonely(): return lonely()", ["lonely"]),
        ("class Lonely:\n def alone(self): return self.alone()", ["Lonely", "Lonely.alone"]),
        ("from common.ids import ulid\n__all__ = ['lonely']\ndef lonely(): ...", ["lonely"]),
        ("def used(): ...\nused()", []),
        ("def used(): ...\nclass _X:\n here = used", []),
        ("def _private(): ...", []),
        ("@app.command()\ndef command(): ...", []),
        ("def job(): ...\nTARGET = 'x:job'", []),
        ("class Port(Protocol):\n def member(self): ...\nx: Port", []),
    ],
)
def test_the_analysis_finds_what_nobody_calls(source: str, found: list[str]) -> None:
    assert [one.path for one in without_a_caller({"x": ast.parse(source)})] == found


@pytest.mark.parametrize(
    ("caller", "is_used"),
    [
        ("from room.made import made\nmade()", True),
        ("from room import made\nmade.made()", True),
        ("from room.made import made as other\nother()", True),
        ("from room.made import made", False),  # brought in, and left lying
        ("made = 1\nprint(made)", False),  # another one of this name
        ("import importlib\nimportlib.import_module(name).made()", True),
    ],
)
def test_a_function_is_used_where_it_is_imported_and_named(caller: str, is_used: bool) -> None:
    trees = {"room.made": ast.parse("def made(): ..."), "caller": ast.parse(caller)}

    assert without_a_caller(trees) == ([] if is_used else [Built("room.made", "made")])
