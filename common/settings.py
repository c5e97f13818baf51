"""What does a file of settings say, and what is wrong with it?

Touches the file that it reads. Settings are read once, at the edge; a wrong file gives every
complaint at once, each with its place: ``FILE:LINE:COLUMN: what; remedy``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from common.errors import SettingsError

FILE_BYTES_MAX = 64 * 1024 * 1024  # an inventory of a hundred thousand domains is a tenth of it

Path_ = Sequence[str | int]
ModelT = TypeVar("ModelT", bound=BaseModel)


class Settings(BaseModel):
    """The base of every settings model: frozen, and unknown keys are complaints."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source:
    """A parsed YAML file that knows where each of its values stands."""

    def __init__(self, file: str, tree: Any) -> None:
        self.file = file
        self.tree = tree

    @classmethod
    def read(cls, path: Path) -> Source:
        """Parse a YAML file.

        Raises:
            SettingsError: it cannot be read or is no YAML mapping.
        """
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise SettingsError([f"{path}:1:1: file too large; split it"])
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise SettingsError([f"{path}:1:1: no such file; check the name"]) from None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError([f"{path}:1:1: cannot be read: {error}; check it"]) from None
        return cls(str(path), _parse(str(path), text))

    def complaint(self, path: Path_, what: str, remedy: str) -> str:
        """Return one line that names the place of a value, what is wrong and what to do."""
        line, column = self.place(path)
        text = f"{self.file}:{line}:{column}: {what}; {remedy}"
        return " ".join(text.split())

    def place(self, path: Path_) -> tuple[int, int]:
        """Return line and column (from 1) of a value; of its nearest parent when it is missing."""
        node, line, column = self.tree, 0, 0
        for step in path:
            if isinstance(node, CommentedMap) and step in node:
                line, column = node.lc.key(step)
                node = node[step]
            elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
                line, column = node.lc.item(step)
                node = node[step]
            else:
                break
        return line + 1, column + 1


def _parse(file: str, text: str) -> Any:
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        problem = " ".join(str(error.problem or error.context or "not valid YAML").split())
        raise SettingsError([f"{file}:{place}: {problem}; correct the YAML"]) from None
    except YAMLError as error:
        raise SettingsError([f"{file}:1:1: {error}; correct the YAML"]) from None
    if not isinstance(tree, CommentedMap):
        raise SettingsError([f"{file}:1:1: not a mapping; write KEY: VALUE lines"])
    return tree


def validated(source: Source, model: type[ModelT]) -> ModelT:
    """Return the typed object of a parsed file.

    Raises:
        SettingsError: with every complaint that the model has.
    """
    try:
        return model.model_validate(plain(source.tree))
    except ValidationError as error:
        raise SettingsError(complaints_of(source, error)) from None


def complaints_of(source: Source, error: ValidationError) -> list[str]:
    """Return one line for each error of a validation, in the order of the file."""
    found: list[tuple[tuple[int, int], str]] = []
    for item in error.errors(include_url=False):
        path = [step for step in item["loc"] if isinstance(step, int) or step.isidentifier()]
        what, remedy = _what_and_remedy(item)
        found.append((source.place(path), source.complaint(path, what, remedy)))
    return [line for _, line in sorted(found)]


def _what_and_remedy(item: Any) -> tuple[str, str]:
    name = ".".join(str(step) for step in item["loc"])
    match item["type"]:
        case "extra_forbidden":
            return f"unknown key {item['loc'][-1]!r}", "remove it or correct its spelling"
        case "missing":
            return f"missing key {item['loc'][-1]!r}", "add it"
        case "value_error":
            message = str(item["ctx"]["error"])
            what, _, remedy = message.partition("; ")
            return f"{name}: {what}", remedy or "correct the value"
        case _:
            return f"{name}: {item['msg'].lower()}, not {item['input']!r:.80}", "correct the value"


def plain(node: Any) -> Any:
    """Return a YAML tree as ordinary dicts, lists and scalars."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(item) for item in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def load(path: Path, model: type[ModelT]) -> ModelT:
    """Read a settings file.

    Raises:
        SettingsError: with every complaint.
    """
    return validated(Source.read(path), model)
