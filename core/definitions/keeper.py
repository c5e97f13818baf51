"""How does a new set of definitions come into use, and how does one get back to another?

Touches the folder of sets. One at a time: a set is put together, tried, kept under a serial, and
then written down as the one in use; so a crash at any point leaves the one before in use. What
comes from the mirror and what operators put in change apart: a new set has all of the one in use
but for the part that changes, and going back goes back with both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from common.clock import Clock
from common.errors import EnvironmentFailure, LocalError
from common.settings.core import CoreDefinitionsSettings
from common.tasks import finish
from core.definitions.candidate import (
    StagedSet,
    candidate_in,
    content_of,
    next_serial,
    refuse_older,
    refuse_shrunk,
)
from core.definitions.choice import (
    ChoiceLost,
    ContentRefusal,
    DefinitionsChoice,
    load_choice,
    save_choice,
)
from core.definitions.clamav_files import check_custom
from core.definitions.gate import Gate, Passed
from core.definitions.rollback import gone_back, target_of
from core.definitions.sets import DefinitionsSource, SetFolder, StoredSet, UnknownSet
from core.definitions.trial_clamd import DefinitionsRefused

log = structlog.get_logger()

FAMILY = "clamav"
THE_CORE = "core"  # in the audit, of what nobody ordered
SAY_WHICH = "say which is to be in use: borderscout definitions rollback --to SERIAL"
ALL_GONE = "what comes next is taken; add databases of your own again"
UNTRIED = "the gate is switched off by definitions.gate: sets go out untried"

T = TypeVar("T")


class DefinitionsAudit(Protocol):
    """Where it is written down who did what."""

    async def note(self, *, who: str, what: str, subject: str = "", detail: str = "") -> None: ...


class NothingNew(LocalError):
    """The set in use holds just that."""


class Keeper:
    """The sets of one family, and which of them is in use.

    Args:
        settings: how a set is tried, and how many stay.
        folder: of this family; everything is below it.
        audit: told of every set that comes into use or is refused.
        clock: for serials.
    """

    def __init__(
        self,
        settings: CoreDefinitionsSettings,
        *,
        folder: Path,
        audit: DefinitionsAudit,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._audit = audit
        self._clock = clock
        self._sets = SetFolder(folder / "sets")
        self._gate = Gate(
            clamd=settings.clamd,
            memory_bytes=settings.memory_bytes,
            load_s=settings.load_s,
            samples=Path(settings.samples) if settings.samples else None,
        )
        self._trying = asyncio.Lock()  # a trial takes memory: one at a time
        self._choosing = asyncio.Lock()  # short: whoever goes back waits for no trial
        self._choice = DefinitionsChoice()
        self._current: StoredSet | None = None
        self._is_lost = False  # whether it is not known what is in use
        self._problem = ""  # of what is in use
        self._trouble = ""  # of what should follow it

    # ---- what is asked

    @property
    def choice(self) -> DefinitionsChoice:
        """What is decided."""
        return self._choice

    @property
    def current(self) -> StoredSet | None:
        """The set that is to be in use everywhere; None: there is none."""
        return self._current

    @property
    def is_busy(self) -> bool:
        """Whether a set is being put together or tried."""
        return self._trying.locked()

    def problems(self) -> list[str]:
        """Return what an operator should know, a sentence each."""
        found = [self._problem, self._trouble]
        if self._settings.gate == "none" and self._current is not None:
            found.append(UNTRIED)
        return [problem for problem in found if problem]

    async def stored(self) -> list[StoredSet]:
        """Return every set that can be gone back to, the newest first."""
        return await _in_thread(self._stored)

    async def stored_set(self, serial: int) -> StoredSet:
        """Return one set.

        Raises:
            UnknownSet: it is not there.
        """
        return await _in_thread(lambda: self._sets.stored(serial))

    # ---- what is done

    async def open(self) -> None:
        """Find out which set is in use.

        Raises:
            EnvironmentFailure: the folder cannot be had.
        """
        await _in_thread(self._sets.open)
        serials = await _in_thread(self._sets.serials)
        try:
            self._choice = await asyncio.to_thread(load_choice, self._choice_file, serials)
            if self._choice.serial:
                self._current = await self.stored_set(self._choice.serial)
        except (ChoiceLost, UnknownSet) as error:
            # While there is a set to go back to, nothing new is taken: it would have nobody's own
            # databases, and the newest set may be what somebody went back from.
            self._is_lost = bool(serials)
            self._problem = f"{error.what}; {SAY_WHICH if serials else ALL_GONE}"
            log.error("definitions.choice_lost", reason=error.what)

    async def take_mirrored(self, sources: Sequence[DefinitionsSource], *, made_us: int) -> None:
        """Take what a mirror holds into use, unless it is that already, or was refused before.

        Args:
            sources: the mirror's files.
            made_us: when they were made, where they do not say it themselves.

        Raises:
            DefinitionsRefused: they must not go out; it is written down, and told once.
            SetRefused: they cannot make a set.
            EnvironmentFailure: nothing is known of them; it may be tried again.
        """
        async with self._trying:
            self._refuse_when_lost()
            base = self._current
            custom = self._files_in_use(custom=True)
            try:
                staged = await self._stage([*sources, *custom], made_us)
                if self._is_in_use(staged):
                    self._trouble = ""
                elif (known := self._choice.refusal(staged.content)) is not None:
                    self._trouble = _refused_text(known)
                else:
                    await self._try_mirrored(staged, base)
            except EnvironmentFailure as error:
                self._trouble = f"new definitions wait untried: {error}"
                raise
            finally:
                await _in_thread(self._sets.drop_staged)

    async def change_custom(
        self, added: Mapping[str, Path], removed: Collection[str], *, who: str
    ) -> StoredSet:
        """Put files of operators into the set in use, or take them out, and use what comes of it.

        Args:
            added: files by their names; one of a name that is there takes its place.
            removed: names.
            who: asks for it.

        Raises:
            LocalError: a name is none of ours, or nothing would change.
            DefinitionsRefused: what comes of it must not go out; nothing has changed.
            EnvironmentFailure: it could not be tried.
        """
        async with self._trying:
            self._refuse_when_lost()
            there = [source.name for source in self._files_in_use(custom=True)]
            check_custom(added, removed, there=there)
            base = self._current
            kept = [
                source
                for source in self._files_in_use()
                if not (source.is_custom and source.name in {*added, *removed})
            ]
            new = [
                DefinitionsSource(name=name, path=path, is_custom=True)
                for name, path in added.items()
            ]
            if not kept and not new:
                raise LocalError(
                    "nothing would be left", hint="a set has at least one file; add another first"
                )
            try:
                staged = await self._stage([*kept, *new], self._clock.now_us())
                if self._is_in_use(staged):
                    raise NothingNew("these files are in use already", hint="nothing was done")
                try:
                    passed = await self._tried(staged)
                except DefinitionsRefused as error:
                    await self._note(who, "definitions.refuse", staged.version, error.what)
                    raise
                changes = [*(f"+{name}" for name in added), *(f"-{name}" for name in removed)]
                why = " ".join(sorted(changes))
                return await self._use(staged, passed, base, who=who, why=why)
            finally:
                await _in_thread(self._sets.drop_staged)

    async def roll_back(self, serial: int | None, *, seen: int, who: str) -> StoredSet:
        """Use another set again; what was newer is not taken from the mirror any more.

        Args:
            serial: of the set; None: the one before.
            seen: the highest serial that any satellite speaks of: it is gone back from knowingly.
            who: asks for it.

        Raises:
            UnknownSet: there is none.
        """
        async with self._choosing:
            stored = await self.stored()
            target = target_of(stored, serial, self._choice.serial)
            was = self._choice.serial
            refusal = ContentRefusal(
                content="", version="", reason=f"{who} went back", time_us=self._clock.now_us()
            )
            choice = gone_back(self._choice, stored, target, seen=seen, refusal=refusal)
            await self._choose(choice, target)
            await self._note(
                who, "definitions.rollback", str(target.manifest.serial), f"from {was}"
            )
            return target

    # ---- inside

    async def _try_mirrored(self, staged: StagedSet, base: StoredSet | None) -> None:
        try:
            if base is not None:
                refuse_older(staged, await self._candidate_of(base))
            passed = await self._tried(staged)
            refuse_shrunk(passed.signatures, before=self._choice.signatures)
        except DefinitionsRefused as error:
            refusal = ContentRefusal(
                content=staged.content,
                version=staged.version,
                reason=error.what,
                time_us=self._clock.now_us(),
            )
            async with self._choosing:
                await self._choose(self._choice.with_refusal(refusal), self._current)
            self._trouble = _refused_text(refusal)
            await self._note(THE_CORE, "definitions.refuse", staged.version, error.what)
            raise
        await self._use(staged, passed, base, who=THE_CORE, why="from the mirror")

    async def _tried(self, staged: StagedSet) -> Passed:
        if self._settings.gate == "none":
            return Passed(version="", signatures=0, samples=0)
        log.info("definitions.trying", version=staged.version)
        return await self._gate.check(self._sets.staged)

    async def _use(
        self, staged: StagedSet, passed: Passed, base: StoredSet | None, *, who: str, why: str
    ) -> StoredSet:
        async with self._choosing:
            if self._current is not base:
                raise EnvironmentFailure(
                    "somebody went back to other definitions meanwhile", hint="try again"
                )
            stored = await self._kept(staged)
            serial = stored.manifest.serial
            choice = replace(
                self._choice,
                serial=serial,
                is_rollback=False,
                highest=serial,
                signatures=passed.signatures,
            )
            # From here on it is announced.
            await self._choose(choice, stored)
            self._trouble = ""
            newest = self._settings.keep
            await _in_thread(lambda: self._sets.prune(keep=[serial], newest=newest))
        await self._note(who, "definitions.use", str(serial), f"{stored.manifest.version}; {why}")
        return stored

    async def _kept(self, staged: StagedSet) -> StoredSet:
        newest = max([self._choice.highest, *await _in_thread(self._sets.serials)])
        manifest = staged.manifest(family=FAMILY, serial=next_serial(newest, self._clock.now_us()))
        return await _in_thread(lambda: self._sets.keep(manifest))

    async def _choose(self, choice: DefinitionsChoice, current: StoredSet | None) -> None:
        await _in_thread(lambda: save_choice(self._choice_file, choice))
        self._choice, self._current = choice, current
        self._is_lost, self._problem = False, ""

    async def _stage(self, sources: Sequence[DefinitionsSource], made_us: int) -> StagedSet:
        def stage() -> StagedSet:
            files = self._sets.stage(sources, like=self._current)
            return candidate_in(self._sets.staged, files, otherwise_us=made_us)

        return await _in_thread(stage)

    async def _candidate_of(self, stored: StoredSet) -> StagedSet:
        return await _in_thread(
            lambda: candidate_in(
                stored.folder, stored.manifest.files, otherwise_us=stored.manifest.made_us
            )
        )

    async def _note(self, who: str, what: str, subject: str, detail: str) -> None:
        tell = log.error if what == "definitions.refuse" else log.info
        tell(what, who=who, subject=subject, detail=detail)
        await self._audit.note(who=who, what=what, subject=subject, detail=detail)

    def _is_in_use(self, staged: StagedSet) -> bool:
        return self._current is not None and content_of(staged.files) == content_of(
            self._current.manifest.files
        )

    def _files_in_use(self, *, custom: bool | None = None) -> list[DefinitionsSource]:
        """Return the files of the set in use; with ``custom``, operators' or the mirror's alone."""
        if self._current is None:
            return []
        return [
            DefinitionsSource(
                name=file.name, path=self._current.folder / file.name, is_custom=file.is_custom
            )
            for file in self._current.manifest.files
            if custom in (None, file.is_custom)
        ]

    def _refuse_when_lost(self) -> None:
        """Take nothing new while it is not known what is in use.

        Raises:
            EnvironmentFailure: it is not.
        """
        if self._is_lost:
            raise EnvironmentFailure(self._problem)

    def _stored(self) -> list[StoredSet]:
        found = []
        for serial in self._sets.serials():
            try:
                found.append(self._sets.stored(serial))
            except UnknownSet as error:
                log.error("definitions.damaged", serial=serial, reason=error.what)
        return found

    @property
    def _choice_file(self) -> Path:
        return self._folder / "choice.json"


def _refused_text(refusal: ContentRefusal) -> str:
    return f"new definitions ({refusal.version}) are refused: {refusal.reason}"


async def _in_thread(work: Callable[[], T]) -> T:
    """Run what blocks on the disk, to its end even when the caller is cancelled.

    Raises:
        EnvironmentFailure: what the disk said.
    """
    try:
        return await finish(asyncio.to_thread(work))
    except OSError as error:
        raise EnvironmentFailure(
            f"the folder of definitions failed: {error}", hint="is there room on the disk?"
        ) from error
