"""Which verdict do our own YARA rules give of a message?

Touches the rule files at the start, and the helper process: mail is taken apart and matched there.
Plain mail, which needs no taking apart, is matched at once with the rules that ship with us: they
take time linear in its size, which nobody knows of an operator's own. The shipped rules need no
server, so that a node without any other engine still finds the test file, programs in archives,
and macros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from common.errors import LocalError
from common.ids import MessageId
from common.kinds import Options, options_of, takes
from common.preferences.bodies import YARA_DOCUMENTS_MAX
from common.preferences.scopes import Scope
from common.pushed_rules import CLUSTER, PushedRules
from common.records.bounds import SCOPED_MAX
from common.settings.satellite import EngineSettings
from common.verdict import DETAIL_LENGTH_MAX, Outcome, ScopedMatch, Verdict, printable
from satellite.scanning.engine import Engine, EngineContext, EngineHealth
from satellite.scanning.helper import DEATHS_MAX, Helper, Unscannable
from satellite.scanning.matching import THREATS_MAX, Matcher, nothing_found
from satellite.scanning.plain import body_of_plain
from satellite.scanning.sample import Sample
from satellite.scanning.spawned import HelperUnavailable

JOB = "satellite.scanning.yara_job:prepare"
RULE_BYTES_MAX = 16 * 1024 * 1024  # of one file; the large public collections are below it
PROBE_S = 10.0

# In two pieces, so that no scanner takes this file for the test file.
_TEST_FILE = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class YaraOptions(Options):
    """What a ``yara`` engine may be told."""

    rules: tuple[Path, ...] = ()
    """Further rule files, by path."""
    shipped: bool = True
    """Whether the rules that come with us apply."""


class _Found(BaseModel):
    """The names of what was found, by outcome."""

    model_config = ConfigDict(extra="forbid", strict=True)

    infected: list[str]
    macro: list[str]
    encrypted: list[str]


class _Match(BaseModel):
    """What rules of one scope found. The helper has their scope with them: a message is told of by
    the rules that it was shown to, although there may be others by now."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rules: str = Field(max_length=64)
    scope: str
    outcome: Literal["infected", "macro", "encrypted"]
    threats: list[str] = Field(max_length=THREATS_MAX)

    @field_validator("scope")
    @classmethod
    def _scope(cls, scope: str) -> str:
        return str(Scope.parse(scope))


class _Answer(BaseModel):
    """What the job says; the helper has read hostile mail, so that its words are checked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    found: _Found
    incomplete: list[str] = Field(max_length=32)
    locked: list[str] = Field(max_length=32)
    unreadable: list[str] = Field(max_length=32)
    scoped: list[_Match] = Field(default_factory=list, max_length=SCOPED_MAX)
    refused: list[str] = Field(default_factory=list, max_length=YARA_DOCUMENTS_MAX)


@dataclass(frozen=True, slots=True)
class _Said:
    """What an answer, or its absence, comes to."""

    outcome: Outcome
    threats: tuple[str, ...] = ()
    detail: str = ""
    unreadable: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    scoped: tuple[ScopedMatch, ...] = ()


@takes(YaraOptions)
def build(settings: EngineSettings, context: EngineContext) -> Engine:
    """Return the engine.

    Raises:
        LocalError: an option is wrong, or a rule file cannot be read; or the time for a message
            does not suffice for two tries, so that a message which hangs would never be settled.
    """
    options = options_of(settings, YaraOptions)
    needed_s = DEATHS_MAX * context.helper.try_s
    if settings.timeout_s < needed_s:
        raise LocalError(
            f"timeout_s {settings.timeout_s:g} is less than two tries of the helper process",
            hint=f"set it to {needed_s:g} or more",
        )
    sources = _shipped() if options.shipped else []
    sources += [(str(path), _text(path)) for path in options.rules]
    if not sources:
        raise LocalError("there are no rules", hint="name some in options.rules")
    context.helper.add_job(settings.name, JOB, {"sources": sources})
    return Yara(
        settings.name,
        context,
        sources,
        knows_test_file=options.shipped,
        at_once=Matcher(sources) if not options.rules else None,
    )


class Yara:
    """The engine of the kind ``yara``.

    Args:
        name, context, sources: of the settings.
        knows_test_file: whether the shipped rules apply.
        at_once: the rules for plain mail; None: all mail goes to the helper.
    """

    keeps_its_time = True  # every wait is the helper's, within the deadline
    works_here = True  # a helper that cannot be started says so at once
    judges_content_alone = True  # its version has the digest of all its rules

    def __init__(
        self,
        name: str,
        context: EngineContext,
        sources: list[tuple[str, str]],
        *,
        knows_test_file: bool,
        at_once: Matcher | None,
    ) -> None:
        self._name = name
        self._sources = sources
        self._pushed_now = context.yara_rules
        self._pushed: tuple[PushedRules, ...] = ()
        self._clock = context.clock
        self._helper: Helper = context.helper
        self._version = version("yara-x")
        self._definitions = self._own_definitions = _digest(sources)
        self._knows_test_file = knows_test_file
        self._at_once = at_once

    @property
    def name(self) -> str:
        return self._name

    def told_now(self) -> tuple[str, str, int]:
        """Return its version with the rules that the core pushes now."""
        self._heed_pushed()
        return self._version, self._definitions, 0

    def scan_at_once(self, sample: Sample) -> Verdict | None:
        """Return the verdict on plain mail; None: ``scan`` has to be asked."""
        if self._at_once is None or sample.data is None or self._pushed_now():
            return None
        body = body_of_plain(sample.data)
        if body is None:
            return None
        found = nothing_found()
        try:
            for unit in (sample.data, body):  # rules may ask what a body begins with
                self._at_once.match(unit, found)
        except TimeoutError:
            return None
        outcome, threats = _weightiest(found)
        return Verdict(
            by=self._name,
            outcome=outcome,
            version=self._version,
            definitions=self._own_definitions,
            threats=threats,
        )

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        began_s = self._clock.monotonic_s()
        said = await self._asked(sample, deadline_s)
        return Verdict(
            by=self._name,
            outcome=said.outcome,
            version=self._version,
            definitions=self._definitions,
            ms=round((self._clock.monotonic_s() - began_s) * 1000),
            threats=said.threats,
            detail=printable(said.detail, length_max=DETAIL_LENGTH_MAX),
            unreadable=said.unreadable,
            scoped=said.scoped,
        )

    async def probe(self) -> EngineHealth:
        sample = Sample(
            id=MessageId("probe"),
            size=len(_TEST_FILE),
            sha256=sha256(_TEST_FILE).digest(),
            data=_TEST_FILE,
        )
        said = await self._asked(sample, PROBE_S)
        good = Outcome.INFECTED if self._knows_test_file else Outcome.CLEAN
        if said.outcome is good or (said.outcome is Outcome.INFECTED and said.threats):
            return self._health(answering=True, detail=self._loaded(said))
        what = said.detail or f"says {said.outcome} of the test file"
        return self._health(answering=False, detail=what)

    async def close(self) -> None:
        """Do nothing: the helper belongs to the worker."""

    def _health(self, *, answering: bool, detail: str) -> EngineHealth:
        return EngineHealth(
            answering=answering,
            version=self._version,
            detail=detail,
            definitions=self._definitions,
        )

    def _loaded(self, said: _Said) -> str:
        detail = "rules loaded"
        if self._pushed:
            detail += f", {len(self._pushed)} pushed"
        if said.refused:
            detail += f"; of no use here: {', '.join(said.refused)}"
        return printable(detail, length_max=DETAIL_LENGTH_MAX)

    def _heed_pushed(self) -> None:
        """Have the helper match what the core pushes now."""
        pushed = self._pushed_now()
        if pushed != self._pushed:
            self._pushed = pushed
            self._definitions = _digest([*self._sources, *pushed])
            options = {"sources": self._sources, "pushed": pushed}
            self._helper.replace_job(self._name, JOB, options)

    async def _asked(self, sample: Sample, deadline_s: float) -> _Said:
        self._heed_pushed()
        try:
            answer = await self._helper.ask(self._name, sample, deadline_s=deadline_s)
            return _judged(_Answer.model_validate(answer))
        except Unscannable as error:
            return _Said(Outcome.LIMITS, detail=error.what)
        except HelperUnavailable as error:
            return _Said(Outcome.UNAVAILABLE, detail=error.what)
        except ValidationError:
            return _Said(Outcome.ERROR, detail="the helper process answered with nonsense")


def _weightiest(found: Mapping[Outcome, list[str]]) -> tuple[Outcome, tuple[str, ...]]:
    """Return what was found in a message without archives, all of which was seen."""
    if found[Outcome.INFECTED]:
        return Outcome.INFECTED, _names(found[Outcome.INFECTED])
    others = _names([*found[Outcome.ENCRYPTED], *found[Outcome.MACRO]])
    if found[Outcome.ENCRYPTED]:
        return Outcome.ENCRYPTED, others
    return (Outcome.MACRO if others else Outcome.CLEAN), others


def _judged(answer: _Answer) -> _Said:
    """Return what the answer means: what is surely bad first, what is unknown next."""
    found = answer.found
    locked = [f"needs a password: {name}" for name in answer.locked]
    unreadable = tuple(printable(kind) for kind in answer.unreadable)
    unopened = [f"cannot open: {kind}" for kind in unreadable]
    threats = found.infected or [*found.encrypted, *found.macro]
    if found.infected:
        outcome = Outcome.INFECTED
    elif answer.incomplete:
        outcome = Outcome.LIMITS
    elif found.encrypted or locked:
        outcome = Outcome.ENCRYPTED
    elif found.macro:
        outcome = Outcome.MACRO
    else:
        outcome = Outcome.UNREADABLE if unreadable else Outcome.CLEAN
    return _Said(
        outcome,
        threats=_names(threats),
        detail="; ".join([*answer.incomplete, *locked, *unopened]),
        unreadable=unreadable,
        refused=tuple(answer.refused),
        scoped=tuple(map(_match, answer.scoped)),
    )


def _match(said: _Match) -> ScopedMatch:
    return ScopedMatch(
        rules=printable(said.rules),
        scope=said.scope,
        outcome=Outcome(said.outcome),
        threats=_names(said.threats),
    )


def _names(names: list[str]) -> tuple[str, ...]:
    return tuple([printable(name) for name in names])


def _digest(sources: Sequence[Sequence[str]]) -> str:
    """Return what stands for rules; of those of a scope name and scope, too: both are told."""
    parts: list[str] = []
    for name, text, *scope in sources:
        parts += [text] if scope in ([], [CLUSTER]) else [text, name, *scope]
    return sha256("\0".join(parts).encode()).hexdigest()[:8]


def _shipped() -> list[tuple[str, str]]:
    folder = files("satellite.scanning") / "rules"
    found = [item for item in folder.iterdir() if item.name.endswith(".yar")]
    return [(item.name, item.read_text("utf-8")) for item in sorted(found, key=lambda i: i.name)]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > RULE_BYTES_MAX:
            raise LocalError(f"{path} is too large for a rule file", hint="split it")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"{path} cannot be read: {error}", hint="check options.rules") from None
