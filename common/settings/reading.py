"""What does a file of settings say, and what is wrong with it?

Touches the file that it reads. Settings are read once, at the edge; a wrong file gives every
complaint at once, each with its place: ``FILE:LINE:COLUMN: what; remedy``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from common.errors import SettingsError

FILE_BYTES_MAX = 64 * 1024 * 1024  # an inventory of a hundred thousand domains is a tenth of it
NODES_MAX = 1_000_000  # values of a file with aliases, each counted as what it stands for

Path_ = Sequence[str | int]
ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """What is wrong in a file, where (line and column from 1), and what to do about it."""

    file: str
    line: int
    column: int
    what: str
    remedy: str

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.what}; {self.remedy}"
        return " ".join(text.split())


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
        return str(Complaint(self.file, *self.place(path), what, remedy))

    def place(self, path: Path_) -> tuple[int, int]:
        """Return line and column (from 1) of a value; of its nearest parent when it is missing.

        Steps that the tree does not have are passed over: a validator may add some of its own,
        such as the number of an item where the file has a single value.
        """
        node, line, column = self.tree, 0, 0
        for step in path:
            if isinstance(node, CommentedMap):
                key = _key_of(node, step)
                if key is not None:
                    # What came in by a merge (<<: *anchor) has no place here: its mapping's does.
                    with contextlib.suppress(KeyError):
                        line, column = node.lc.key(key)
                    node = node[key]
            elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
                line, column = node.lc.item(step)
                node = node[step]
        return line + 1, column + 1


class Placed(Protocol):
    """Anything that knows its file's name and where in it each value stands."""

    file: str

    def place(self, path: Path_) -> tuple[int, int]:
        """Return line and column (from 1) of a value; of its nearest parent when it is missing."""
        ...


def _key_of(node: CommentedMap, step: str | int) -> Any:
    if step in node:
        return step
    # Keys are compared as text, since `plain` makes text of them: 127 and yes are keys as well.
    return next((key for key in node if str(key) == str(step)), None)


def _parse(file: str, text: str) -> Any:
    yaml = YAML(typ="rt")
    yaml.composer.warn_double_anchors = False  # YAML allows them, and a warning has no reader
    try:
        tree = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        problem = " ".join(str(error.problem or error.context or "not valid YAML").split())
        raise SettingsError([f"{file}:{place}: {problem}; correct the YAML"]) from None
    except RecursionError:
        raise SettingsError([f"{file}:1:1: nested too deeply; write it flatter"]) from None
    except (YAMLError, *_YAML_FAILURES) as error:
        problem = " ".join(str(error).split()) or type(error).__name__
        raise SettingsError([f"{file}:1:1: {problem}; correct the YAML"]) from None
    if not isinstance(tree, CommentedMap):
        raise SettingsError([f"{file}:1:1: not a mapping; write KEY: VALUE lines"])
    if "*" in text and _unfolds_too_far(tree):
        raise SettingsError([f"{file}:1:1: its aliases have no end; write out what they stand for"])
    return tree


# What the library lets through where it meets a key that is a mapping, a date that is none, …
_YAML_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


def _unfolds_too_far(tree: Any) -> bool:
    """Say whether aliases make more of a tree than a file could hold: without an end, or nearly."""
    waiting, seen = [tree], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > NODES_MAX:
            return True
        if isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return False


def validated(source: Source, model: type[ModelT]) -> ModelT:
    """Return the typed object of a parsed file.

    Raises:
        SettingsError: with every complaint that the model has.
    """
    try:
        return model.model_validate(plain(source.tree))
    except ValidationError as error:
        raise SettingsError(complaints_of(source, error)) from None


def complaints_of(source: Placed, error: ValidationError) -> list[str]:
    """Return one line for each error of a validation, in the order of the file."""
    return [str(found) for found in findings_of(source, error)]


def findings_of(source: Placed, error: ValidationError, *, below: Path_ = ()) -> list[Complaint]:
    """Return a complaint for each error of a validation, in the order of the file.

    Args:
        below: where in the file the validated value stands.
    """
    found: list[Complaint] = []
    for item in error.errors(include_url=False):
        line, column = source.place([*below, *item["loc"]])
        found.append(Complaint(source.file, line, column, *what_and_remedy(item)))
    return sorted(found)


def what_and_remedy(item: ErrorDetails, *, below: Path_ = ()) -> tuple[str, str]:
    """Return what is wrong and what to do, for one error of a validation.

    Args:
        below: the keys above those that were validated, as the reader is to see them.
    """
    # Numbers of items count from 0 and say little beside the line; the validator's own marks
    # (of a mapping's key, of a branch it tried) say nothing.
    steps = [step for step in (*below, *item["loc"]) if isinstance(step, str) and "[" not in step]
    label = f"{'.'.join(steps)}: " if steps else ""
    match item["type"]:
        case "extra_forbidden":
            return f"unknown key {item['loc'][-1]!r}", "remove it or correct its spelling"
        case "missing":
            return f"missing key {item['loc'][-1]!r}", "add it"
        case "value_error":
            message = str(item["ctx"]["error"])
            what, _, remedy = message.partition("; ")
            return f"{label}{what}", remedy or "correct the value"
        case _:
            return f"{label}{item['msg'].lower()}, not {item['input']!r:.80}", "correct the value"


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
