"""Which step comes next when a node takes other settings, and when does it go back?

Pure. The shell hands in what happened, and carries out what is returned, in that order; a
``Record`` is durable before the step after it. What stands in the two files is all that a process
knows of the one before it, so a start cleans up by them alone:

| recorded            | ``satellite.yaml`` | a start                                     |
| ------------------- | ------------------ | ------------------------------------------- |
| nothing, `steady`,  | any                | throws a candidate away                     |
| `refused` or        |                    |                                             |
| `rolled_back`       |                    |                                             |
| `trying`, 0 starts  | the former         | throws the candidate away: `rolled_back`    |
| `trying`, 0 starts  | the tried          | records that it begins, and tries them      |
| `trying`, 1 start   | the tried          | puts the former back: `rolled_back`         |
| `trying`, 1 start   | the former         | was going back: `rolled_back`               |

A file that somebody else put there meanwhile is like the former: it stays, and the trial is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from common.reports import SettingsState

READY_LOOKS = 3  # in a row: a worker may listen for a moment, and die
DEATHS_MAX = 3  # of workers in one trial, before the settings are to blame
PROBLEM_LENGTH_MAX = 2000  # characters
TRIES_MAX = 12  # in an hour: each begins the node anew, and a core may not do that without end
HOUR_S = 3_600.0
TOO_OFTEN = f"it has taken settings {TRIES_MAX} times within an hour; tell it again later"

NEVER_IN_PLACE = "the node ended before they were in place"
ENDED = "the node ended while it tried them"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTrial:
    """What is recorded beside the settings, over each end of the process.

    Args:
        state: how it stands with them.
        digest: of the settings that it was told to take last; empty: it never was.
        kept: of those that were in force before.
        problem: why they were refused or rolled back.
        starts: of a process that works with them, while they are tried.
        was_ready: whether the node was ready before; else it need not be so with them.
        must_link: whether it is ready only with a link: they say another core than those before.
        tried_s: when it was let begin anew with settings of the core's, the newest last, by the
            monotonic clock; of another boot of the machine they mean nothing.
    """

    state: SettingsState = SettingsState.STEADY
    digest: str = ""
    kept: str = ""
    problem: str = ""
    starts: int = 0
    was_ready: bool = True
    must_link: bool = False
    tried_s: tuple[float, ...] = field(default=(), compare=False)

    @property
    def is_trying(self) -> bool:
        """Whether settings are tried: by this process, or by the one that it will become."""
        return self.state is SettingsState.TRYING


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    """A process begins; ``in_file`` is the digest of the settings file, empty: it has none."""

    in_file: str


@dataclass(frozen=True, slots=True)
class SettingsTold:
    """The core says which settings to take; ``now_s`` is the monotonic clock, in seconds."""

    digest: str
    now_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateJudged:
    """The settings that it was told of were looked for, written beside and read as at a start."""

    digest: str
    problem: str  # empty: they load
    was_ready: bool = True
    must_link: bool = False


@dataclass(frozen=True, slots=True)
class NotWritten:
    """The disk refused a step, and those after it were not taken."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The process cannot work with the settings in place."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLooked:
    """How the node is now.

    Args:
        now_s: the monotonic clock, in seconds.
        why_not: why it is not ready; empty: it is.
        deaths: of workers, since the process began.
        deadline_s: seconds that it has to become ready.
    """

    now_s: float
    why_not: Sequence[str]
    deaths: int
    deadline_s: float


@dataclass(frozen=True, slots=True)
class InForce:
    """The process works with all that the file says now: after a start's cleanup, or a reload."""

    in_file: str


Event = Begun | InForce | SettingsTold | CandidateJudged | NotWritten | NotStarted | NodeLooked

# --- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judge:
    """Look for these settings and read them as a candidate; then comes ``CandidateJudged``."""

    digest: str


@dataclass(frozen=True, slots=True)
class KeepFormer:
    """Copy the settings file, for ``Restore``."""


@dataclass(frozen=True, slots=True)
class Record:
    """Make this durable."""

    trial: RecordedTrial


@dataclass(frozen=True, slots=True)
class Install:
    """Give the candidate the settings file's name."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Put the former file back, if the one in place is that with this digest."""

    digest: str


@dataclass(frozen=True, slots=True)
class DropCandidate:
    """Throw the candidate away, if there is one."""


@dataclass(frozen=True, slots=True)
class BeginAnew:
    """End the workers in order, and become a new parent in the same process."""


Command = Judge | KeepFormer | Record | Install | Restore | DropCandidate | BeginAnew


class SettingsTrial:
    """How one node takes settings.

    Args:
        recorded: what a process before this one recorded.

    Attributes:
        trial: how it stands.
        in_force: the digest of the settings that this process works with.
    """

    def __init__(self, recorded: RecordedTrial) -> None:
        self.trial = recorded
        self.in_force = ""
        self._judging = ""
        self._told_s = 0.0
        self._before = recorded  # the last step, for when the disk refuses it
        self._began_s: float | None = None
        self._ready_looks = 0
        self._is_ending = False
        self._is_tried_here = False

    def handle(self, event: Event) -> list[Command]:  # noqa: PLR0911 - one for each event
        """Return what to do about ``event``, in the order in which to do it."""
        match event:
            case Begun(in_file=in_file):
                return self._begin(in_file)
            case InForce(in_file=in_file):
                self.in_force = in_file
                return self._settle_others(in_file)
            case SettingsTold(digest=digest, now_s=now_s):
                return self._told(digest, now_s)
            case CandidateJudged():
                return self._judged(event)
            case NotWritten(reason=reason):
                return self._not_written(reason)
            case NotStarted(reason=reason):
                return self._go_back(reason) if self.trial.is_trying else []
            case NodeLooked():
                return self._looked(event)
            case _:
                assert_never(event)

    def _begin(self, in_file: str) -> list[Command]:
        trial = self.trial
        if not self.trial.is_trying:
            return [DropCandidate()]
        self._is_tried_here = in_file == trial.digest
        if trial.starts:
            problem = trial.problem or ENDED
            return [Restore(trial.digest), *self._record(_failed(trial, problem))]
        if not self._is_tried_here:
            return [DropCandidate(), *self._record(_failed(trial, NEVER_IN_PLACE))]
        return [DropCandidate(), *self._record(replace(trial, starts=1))]

    def _settle_others(self, in_file: str) -> list[Command]:
        """Forget what the core told, once an operator has put another file in place."""
        trial = self.trial
        expected = trial.digest if self.trial.is_trying else trial.kept
        if trial.state is SettingsState.STEADY or in_file == expected:
            return []
        return self._record(RecordedTrial(digest=in_file))

    def _told(self, digest: str, now_s: float) -> list[Command]:
        if self.trial.is_trying or self._judging or self._is_ending:
            return []  # one at a time; whoever told it sees which
        if digest == self.in_force:
            is_known = self.trial == RecordedTrial(digest=digest)
            return [] if is_known else self._record(RecordedTrial(digest=digest))
        if len(self._tried(now_s)) >= TRIES_MAX:
            trial = RecordedTrial(digest=digest, kept=self.in_force)
            return self._record(_failed(trial, TOO_OFTEN))
        self._judging, self._told_s = digest, now_s
        return [Judge(digest)]

    def _judged(self, judged: CandidateJudged) -> list[Command]:
        if judged.digest != self._judging:
            return []
        self._judging = ""
        trial = RecordedTrial(
            state=SettingsState.TRYING,
            digest=judged.digest,
            kept=self.in_force,
            was_ready=judged.was_ready,
            must_link=judged.must_link,
        )
        if judged.problem:
            return [DropCandidate(), *self._record(_failed(trial, judged.problem))]
        tried_s = (*self._tried(self._told_s), self._told_s)
        steps = self._record(replace(trial, tried_s=tried_s))
        return [KeepFormer(), *steps, Install(), *self._end()]

    def _tried(self, now_s: float) -> tuple[float, ...]:
        """Return when settings were tried within the last hour."""
        return tuple(one for one in self.trial.tried_s if now_s - HOUR_S < one <= now_s)

    def _looked(self, looked: NodeLooked) -> list[Command]:
        trial = self.trial
        if not self.trial.is_trying or not self._is_tried_here or self._is_ending:
            return []
        if self._began_s is None:
            self._began_s = looked.now_s
        self._ready_looks = 0 if looked.why_not else self._ready_looks + 1
        if looked.deaths >= DEATHS_MAX:
            return self._go_back(f"workers ended {looked.deaths} times with them")
        if self._ready_looks >= READY_LOOKS:
            return self._record(RecordedTrial(digest=trial.digest))
        if looked.why_not and looked.now_s - self._began_s >= looked.deadline_s:
            why = "; ".join(looked.why_not)
            return self._go_back(f"not ready within {looked.deadline_s:g} s: {why}")
        return []

    def _go_back(self, problem: str) -> list[Command]:
        restore = Restore(self.trial.digest)
        return [restore, *self._record(_failed(self.trial, problem)), *self._end()]

    def _not_written(self, reason: str) -> list[Command]:
        """The step that was recorded last did not come about."""
        failed, self.trial = self.trial, self._before
        self._is_ending = False
        if failed.state is not SettingsState.TRYING:
            return []  # as before: the next look decides again
        restore = Restore(failed.digest)
        problem = f"the disk refused them: {reason}"
        if self._is_tried_here:  # a trial that nobody would know to end
            return [restore, *self._record(_failed(failed, problem))]
        refused = replace(_failed(failed, problem), state=SettingsState.REFUSED)
        return [restore, DropCandidate(), *self._record(refused)]

    def _record(self, trial: RecordedTrial) -> list[Command]:
        if not trial.tried_s:  # whatever becomes of it, the tries were made
            trial = replace(trial, tried_s=self.trial.tried_s)
        self._before, self.trial = self.trial, trial
        return [Record(trial)]

    def _end(self) -> list[Command]:
        self._is_ending = True
        return [BeginAnew()]


def _failed(trial: RecordedTrial, problem: str) -> RecordedTrial:
    """Return how it stands once settings were given up."""
    was_in_place = trial.starts or problem == NEVER_IN_PLACE
    return replace(
        trial,
        state=SettingsState.ROLLED_BACK if was_in_place else SettingsState.REFUSED,
        problem=problem[:PROBLEM_LENGTH_MAX],
        starts=0,
    )
