"""What does a file of settings say, and what is wrong with it?

Touches the file that it reads. Settings are read once, at the edge; a wrong file gives every
complaint at once, each with its place: ``FILE:LINE:COLUMN: what; remedy``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from common.errors import SettingsError
from common.settings.yaml_tree import YamlFault, YamlValue, parse_yaml

FILE_BYTES_MAX = 64 * 1024 * 1024  # an inventory of a hundred thousand domains is a tenth of it

WHAT_LENGTH_MAX = 1000  # characters; a complaint is one line

Path_ = Sequence[str | int]
ModelT = TypeVar("ModelT", bound=BaseModel)

# In the words of YAML, by the first word of a fault's type; the validator's own speak of Python.
_EXPECTED = {
    "bool": "input should be true or false",
    "dataclass": "input should be a mapping",
    "dict": "input should be a mapping",
    "list": "input should be a list",
    "model": "input should be a mapping",
    "tuple": "input should be a list",
}


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """What is wrong in a file, where (line and column from 1), and what to do about it."""

    file: str
    line: int
    column: int
    what: str
    remedy: str

    def __str__(self) -> str:
        text = (
            f"{self.file}:{self.line}:{self.column}: {self.what:.{WHAT_LENGTH_MAX}}; {self.remedy}"
        )
        # What a file says may be shown on a terminal, and must not steer it.
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class Source:
    """A parsed YAML file that knows where each of its values stands."""

    def __init__(self, file: str, text: str, tree: dict[str, Any]) -> None:
        self.file = file
        self.tree = tree
        self._text = text
        self._root: YamlValue | None = None  # read again for the first place that is asked

    @classmethod
    def read(cls, path: Path) -> Source:
        """Parse a YAML file.

        Raises:
            SettingsError: it cannot be read or is no YAML mapping.
        """
        text = read_text(path)
        return cls(str(path), text, _parse(str(path), text))

    def taken(self) -> dict[str, Any]:
        """Return the tree and keep none of it; where its values stand is known as before."""
        tree, self.tree = self.tree, {}
        return tree

    def complaint(self, path: Path_, what: str, remedy: str) -> str:
        """Return one line that names the place of a value, what is wrong and what to do."""
        return str(Complaint(self.file, *self.place(path), what, remedy))

    def place(self, path: Path_) -> tuple[int, int]:
        """Return line and column (from 1) of a value; of its nearest parent when it is missing.

        Steps that the tree does not have are passed over: a validator may add some of its own,
        such as the number of an item where the file has a single value.
        """
        if self._root is None:
            self._root = parse_yaml(self._text)
        node = self._root
        for step in path:
            match node.inside:
                case dict() as keys if str(step) in keys:
                    node = keys[str(step)]
                case list() as items if isinstance(step, int) and step < len(items):
                    node = items[step]
        return node.line + 1, node.column + 1


class Placed(Protocol):
    """Anything that knows its file's name and where in it each value stands."""

    file: str

    def place(self, path: Path_) -> tuple[int, int]:
        """Return line and column (from 1) of a value; of its nearest parent when it is missing."""
        ...


def read_text(path: Path, *, encoding: str = "utf-8") -> str:
    """Return what stands in a file of settings, its line ends as they are.

    Raises:
        SettingsError: there is none, it is too large or no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)  # a pipe has no size of its own
        if len(content) > FILE_BYTES_MAX:
            raise SettingsError([f"{path}:1:1: file too large; split it"])
        return content.decode(encoding)
    except FileNotFoundError:
        raise SettingsError([f"{path}:1:1: no such file; check the name"]) from None
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise SettingsError([f"{path}:1:1: {what}; check it"]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        what = "no text in UTF-8"
        raise SettingsError([f"{path}:{line}:{column}: {what}; save it as that"]) from None


def _parse(file: str, text: str) -> dict[str, Any]:
    try:
        found = parse_yaml(text, has_places=False).value
    except YamlFault as fault:
        place = Complaint(file, fault.line + 1, fault.column + 1, fault.what, fault.remedy)
        raise SettingsError([str(place)]) from None
    if not isinstance(found, dict):
        raise SettingsError([f"{file}:1:1: not a mapping; write KEY: VALUE lines"])
    return found


def validated(source: Source, model: type[ModelT]) -> ModelT:
    """Return the typed object of a parsed file.

    Raises:
        SettingsError: with every complaint that the model has.
    """
    try:
        return model.model_validate(source.tree)
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
        case "extra_forbidden" | "unexpected_keyword_argument":
            return f"unknown key {item['loc'][-1]!r}", "remove it or correct its spelling"
        case "missing":
            return f"missing key {item['loc'][-1]!r}", "add it"
        case "value_error":
            message = str(item["ctx"]["error"])
            what, _, remedy = message.partition("; ")
            return f"{label}{what}", remedy or "correct the value"
        case "too_long":
            most, there = item["ctx"]["max_length"], item["ctx"]["actual_length"]
            return f"{label}{most} may stand there, not {there}", "remove the others"
        case "too_short" if item["input"] in ([], ()):
            return f"{label}nothing stands there", "name one at least"
        case kind:
            said = _EXPECTED.get(kind.partition("_")[0], item["msg"].lower())
            return f"{label}{said}, not {item['input']!r:.80}", "correct the value"


def load(path: Path, model: type[ModelT]) -> ModelT:
    """Read a settings file.

    Raises:
        SettingsError: with every complaint.
    """
    return validated(Source.read(path), model)
