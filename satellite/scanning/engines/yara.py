"""Which verdict do our own YARA rules give of a message?

Touches the rule files at the start, and the helper process: mail is taken apart and matched there.
Plain mail, which needs no taking apart, is matched at once with the rules that ship with us: they
take time linear in its size, which nobody knows of an operator's own. The shipped rules need no
server, so that a node without any other engine still finds the test file, programs in archives,
and macros.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.errors import LocalError
from common.ids import MessageId
from common.kinds import Options, options_of, takes
from common.settings.satellite import EngineSettings
from common.verdict import DETAIL_LENGTH_MAX, Outcome, Verdict, printable
from satellite.scanning.engine import Engine, EngineContext, EngineHealth
from satellite.scanning.helper import DEATHS_MAX, Helper, HelperUnavailable, Unscannable
from satellite.scanning.matching import Matcher, nothing_found
from satellite.scanning.plain import body_of_plain
from satellite.scanning.sample import Sample

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


class _Answer(BaseModel):
    """What the job says; the helper has read hostile mail, so that its words are checked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    found: _Found
    incomplete: list[str] = Field(max_length=32)
    locked: list[str] = Field(max_length=32)


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

    def __init__(
        self,
        name: str,
        context: EngineContext,
        sources: list[tuple[str, str]],
        *,
        knows_test_file: bool,
        at_once: Matcher | None,
    ) -> None:
        digest = sha256("\0".join(text for _, text in sources).encode()).hexdigest()[:8]
        self._name = name
        self._clock = context.clock
        self._helper: Helper = context.helper
        self._version = f"{version('yara-x')}/{digest}"
        self._knows_test_file = knows_test_file
        self._at_once = at_once

    @property
    def name(self) -> str:
        return self._name

    def scan_at_once(self, sample: Sample) -> Verdict | None:
        """Return the verdict on plain mail; None: ``scan`` has to be asked."""
        if self._at_once is None or sample.data is None:
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
        return Verdict(by=self._name, outcome=outcome, version=self._version, threats=threats)

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        began_s = self._clock.monotonic_s()
        outcome, threats, detail = await self._asked(sample, deadline_s)
        return Verdict(
            by=self._name,
            outcome=outcome,
            version=self._version,
            ms=round((self._clock.monotonic_s() - began_s) * 1000),
            threats=threats,
            detail=printable(detail, length_max=DETAIL_LENGTH_MAX),
        )

    async def probe(self) -> EngineHealth:
        sample = Sample(
            id=MessageId("probe"),
            size=len(_TEST_FILE),
            sha256=sha256(_TEST_FILE).digest(),
            data=_TEST_FILE,
        )
        outcome, threats, detail = await self._asked(sample, PROBE_S)
        good = Outcome.INFECTED if self._knows_test_file else Outcome.CLEAN
        if outcome is good or (outcome is Outcome.INFECTED and threats):
            return EngineHealth(answering=True, version=self._version, detail="rules loaded")
        what = detail or f"says {outcome} of the test file"
        return EngineHealth(answering=False, version=self._version, detail=what)

    async def close(self) -> None:
        """Do nothing: the helper belongs to the worker."""

    async def _asked(
        self, sample: Sample, deadline_s: float
    ) -> tuple[Outcome, tuple[str, ...], str]:
        try:
            answer = await self._helper.ask(self._name, sample, deadline_s=deadline_s)
            return _judged(_Answer.model_validate(answer))
        except Unscannable as error:
            return Outcome.LIMITS, (), error.what
        except HelperUnavailable as error:
            return Outcome.UNAVAILABLE, (), error.what
        except TimeoutError:
            return Outcome.TIMEOUT, (), f"no answer within {deadline_s:g} s"
        except ValidationError:
            return Outcome.ERROR, (), "the helper process answered with nonsense"


def _weightiest(found: Mapping[Outcome, list[str]]) -> tuple[Outcome, tuple[str, ...]]:
    """Return what was found in a message without archives, all of which was seen."""
    if found[Outcome.INFECTED]:
        return Outcome.INFECTED, _names(found[Outcome.INFECTED])
    others = _names([*found[Outcome.ENCRYPTED], *found[Outcome.MACRO]])
    if found[Outcome.ENCRYPTED]:
        return Outcome.ENCRYPTED, others
    return (Outcome.MACRO if others else Outcome.CLEAN), others


def _judged(answer: _Answer) -> tuple[Outcome, tuple[str, ...], str]:
    """Return outcome, threats and detail: what is surely bad first, what is unknown next."""
    found = answer.found
    locked = [f"needs a password: {name}" for name in answer.locked]
    detail = "; ".join([*answer.incomplete, *locked])
    if found.infected:
        return Outcome.INFECTED, _names(found.infected), detail
    others = _names([*found.encrypted, *found.macro])
    if answer.incomplete:
        return Outcome.LIMITS, others, detail
    if found.encrypted or locked:
        return Outcome.ENCRYPTED, others, detail
    if found.macro:
        return Outcome.MACRO, others, detail
    return Outcome.CLEAN, (), detail


def _names(names: list[str]) -> tuple[str, ...]:
    return tuple(printable(name) for name in names)


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
