"""How is a scanner asked that is a program, and what do its exit codes and its words mean?

Pure. A profile is data: the ones that come with us stand in ``profiles``, an operator's own in the
settings. Nothing is clean by default: a profile names the exit codes that say so, and what is
printed with them. Patterns are RE2's, since names of hostile files stand in what is printed.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from common.kinds import Options
from common.preferences.patterns import compile_pattern
from common.verdict import Outcome

SAMPLE = "{sample}"
LOG = "{log}"


class Code(StrEnum):
    """What an exit code may mean: the outcome of its name. All others are errors.

    ``found`` is something that only the words tell: a threat by its name, else what ``limits`` or
    ``encrypted`` match, else a threat without a name.
    """

    CLEAN = "clean"
    INFECTED = "infected"
    ENCRYPTED = "encrypted"
    MACRO = "macro"
    LIMITS = "limits"
    FOUND = "found"

    @property
    def outcome(self) -> Outcome:
        return Outcome.INFECTED if self is Code.FOUND else Outcome(self.value)


class ReportForm(StrEnum):
    """What a program prints."""

    TEXT = "text"
    DSA_JSON = "dsa-json"


def _valid_pattern(pattern: str) -> str:
    compile_pattern(pattern)
    return pattern


def _naming_pattern(pattern: str) -> str:
    if compile_pattern(pattern).groups < 1:
        raise ValueError(f"{pattern} takes no name; put the name's part in parentheses")
    return pattern


def _absolute(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"{path} is no absolute path; write it from / on")
    return path


Pattern = Annotated[str, AfterValidator(_valid_pattern)]
NamingPattern = Annotated[str, AfterValidator(_naming_pattern)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
ExitCode = Annotated[int, Field(ge=0, le=255)]


class Inquiry(Options):
    """A program that tells something, and how to read it."""

    program: AbsolutePath | None = None
    """Which; none: the scanner itself."""
    arguments: tuple[str, ...]
    """Of it."""
    says: Pattern
    """Matches what it must say; the first group is what is wanted."""


class CommandProfile(Options):
    """One scanner."""

    programs: Annotated[tuple[AbsolutePath, ...], Field(min_length=1)]
    """Where it may be installed; the first that is there is taken."""
    arguments: tuple[str, ...]
    """Of it; ``{sample}`` stands for the file."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Beside the fixed one."""
    exit_codes: dict[Code, tuple[ExitCode, ...]]
    """What each exit code means; one that is not named is an error."""
    report: ReportForm = ReportForm.TEXT
    """What is printed."""
    threats: tuple[NamingPattern, ...] = ()
    """Each match is a threat, whatever the exit code; the first group is its name."""
    no_threats: Pattern = r"^$"
    """Names that are none, as a scanner may write ``is OK`` in the place of a name."""
    encrypted: tuple[Pattern, ...] = ()
    """A part needs a password."""
    limits: tuple[Pattern, ...] = ()
    """A part was not scanned."""
    unavailable: tuple[Pattern, ...] = ()
    """With an exit code that is an error, or where it tells its version: it cannot scan anything
    now."""
    clean: Pattern = r"\S"
    """What must be printed for a message to be clean."""
    version: Inquiry | None = None
    """Tells the version of the definitions."""
    ready: Inquiry | None = None
    """Tells whether it may scan; what it must say is all that counts."""
    log: NamingPattern | None = None
    """Finds the name of the log of a scan in what is printed, one word."""
    names: Inquiry | None = None
    """Tells the names of the threats in a log, ``{log}`` of its arguments. Each match is a line
    of the log, with two groups: the file, and the name."""
    heuristics: str = ""
    """The options or the profile that widen the search, for the version line."""
    needs_root: bool = False
    """Whether it works for nobody but root."""

    @model_validator(mode="after")
    def _is_whole(self) -> CommandProfile:
        if not any(SAMPLE in argument for argument in self.arguments):
            raise ValueError(f"arguments name no file; write {SAMPLE} where it belongs")
        if not self.exit_codes.get(Code.CLEAN):
            raise ValueError("exit_codes has none for clean; name those that say so")
        counted = Counter(code for codes in self.exit_codes.values() for code in codes)
        if twice := [str(code) for code, count in counted.items() if count > 1]:
            raise ValueError(f"exit_codes has {', '.join(twice)} twice; decide what it means")
        return self
