"""How are the steps of taking other settings carried out, from one process of a node to the next?

Touches the settings file and those beside it. The machine says which step comes; what the disk
refuses is told to it, so that nothing follows on a step that was not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, assert_never

import structlog

from common.errors import SettingsError
from common.reports import SettingsState
from common.settings.satellite import SatelliteSettings
from satellite.node.settings_files import SettingsFiles
from satellite.node.settings_fixed import fixed_complaints
from satellite.node.settings_trial import (
    BeginAnew,
    Begun,
    CandidateJudged,
    Command,
    DropCandidate,
    Event,
    InForce,
    Install,
    Judge,
    KeepFormer,
    NotStarted,
    NotWritten,
    Record,
    RecordedTrial,
    Restore,
    SettingsTold,
    SettingsTrial,
)

log = structlog.get_logger()

ReadSettings = Callable[[Path], SatelliteSettings]

NOT_IN_FORCE = (
    "the settings file was changed on the node and is not in force yet; restart the node, or take"
    " the change back"
)
_GIVEN_UP = (SettingsState.REFUSED, SettingsState.ROLLED_BACK)


class SettingsSteps:
    """What one process of a node does with its settings files.

    Args:
        files: where they are.
        read: returns the settings of a file as a start does; raises SettingsError.
    """

    def __init__(self, files: SettingsFiles, *, read: ReadSettings) -> None:
        self._files = files
        self._read = read
        self._machine = SettingsTrial(files.recorded())

    @property
    def trial(self) -> RecordedTrial:
        """How it stands."""
        return self._machine.trial

    @property
    def in_force(self) -> str:
        """The digest of the settings that this process works with."""
        return self._machine.in_force

    def begin(self) -> None:
        """Clean up what the process before left; before anybody reads the settings."""
        self.happens(Begun(self._files.in_place()))
        self.are_in_force()

    def are_in_force(self) -> None:
        """This process works with all that the settings file says now."""
        self.happens(InForce(self._files.in_place()))

    def has_gone_back(self, reason: str) -> bool:
        """A start has failed: say whether the former settings are in place again, to begin with."""
        return self.happens(NotStarted(reason))

    def wants(self, digest: str, *, now_s: float) -> bool:
        """The core told these settings: say whether they are to be judged now.

        Args:
            digest: theirs.
            now_s: the monotonic clock.
        """
        commands = self._machine.handle(SettingsTold(digest, now_s))
        self._perform([one for one in commands if not isinstance(one, Judge)])
        return Judge(digest) in commands

    def happens(self, event: Event) -> bool:
        """Take the steps that an event asks for, and say whether the node has to begin anew."""
        return self._perform(self._machine.handle(event))

    def judged(
        self,
        tree: Mapping[str, Any],
        digest: str,
        *,
        running: SatelliteSettings,
        was_ready: bool,
    ) -> CandidateJudged:
        """Write settings beside those in force, and return whether they can be.

        Args:
            tree: what they say.
            digest: theirs.
            running: those in force.
            was_ready: whether the node is ready with those.
        """
        found = partial(CandidateJudged, digest=digest, was_ready=was_ready)
        if self._files.in_place() != self.in_force:
            return found(problem=NOT_IN_FORCE)
        try:
            self._files.write_candidate(tree)
            told = self._read(self._files.candidate)
            if self._files.candidate_digest() != digest:
                return found(problem="they do not read as they were written")
        except SettingsError as error:
            return found(problem=_in_one_line(error.complaints))
        except ValueError as error:  # as a tree it had room in a document, and as this file not
            return found(problem=str(error))
        except OSError as error:
            return found(problem=f"{error.filename}: {error.strerror}; check the folder's rights")
        problem = _in_one_line(list(fixed_complaints(running, told)))
        return found(problem=problem, must_link=told.core != running.core)

    def _perform(self, commands: Sequence[Command]) -> bool:
        for command in commands:
            if isinstance(command, BeginAnew):
                return True
            try:
                self._take(command)
            except OSError as error:
                reason = error.strerror or str(error)
                log.error("node.settings_step_failed", step=type(command).__name__, reason=reason)
                if _is_needed(command):
                    return self._perform(self._machine.handle(NotWritten(reason)))
        return False

    def _take(self, command: Command) -> None:
        match command:
            case Record(trial=trial):
                _tell(trial)
                self._files.record(trial)
            case KeepFormer():
                self._files.keep_former()
            case Install():
                self._files.install()
            case Restore(digest=digest):
                self._files.restore(digest)
            case DropCandidate():
                self._files.discard()
            case Judge() | BeginAnew():
                raise AssertionError(command)
            case _:
                assert_never(command)


def _is_needed(command: Command) -> bool:
    """Say whether nothing may follow when this step fails."""
    match command:
        case Record(trial=trial):
            return trial.state not in _GIVEN_UP
        case DropCandidate():
            return False
        case _:
            return True


def _in_one_line(complaints: Sequence[str]) -> str:
    shown = list(complaints[:5])
    more = len(complaints) - len(shown)
    return "; ".join([*shown, *[f"and {more} more"] * (more > 0)])


def _tell(trial: RecordedTrial) -> None:
    if trial.state in _GIVEN_UP:
        log.error("node.settings_given_up", state=trial.state, told=trial.digest, why=trial.problem)
    else:
        log.info("node.settings", state=trial.state, told=trial.digest, starts=trial.starts)
