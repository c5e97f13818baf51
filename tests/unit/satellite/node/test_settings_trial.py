"""Whatever ends a node and whenever, it runs again with settings that are good."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.reports import SettingsState
from satellite.node.settings_trial import (
    DEATHS_MAX,
    ENDED,
    HOUR_S,
    NEVER_IN_PLACE,
    READY_LOOKS,
    TOO_OFTEN,
    TRIES_MAX,
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
    NodeLooked,
    NotStarted,
    NotWritten,
    Record,
    RecordedTrial,
    Restore,
    SettingsTold,
    SettingsTrial,
)

DEADLINE_S = 60.0
NOW_S = 1_000.0
FORMER, OTHER = "former", "another"
STEPS_OF_ONE_TRIAL = 12  # and some more


class Killed(Exception):
    """kill -9, between two steps."""


@dataclass
class Machine:
    """A node's folder, and one process after another that works there."""

    settings: str = FORMER
    before: str = ""
    candidate: str = ""
    recorded: RecordedTrial = field(default_factory=RecordedTrial)
    ready_with: frozenset[str] = frozenset({FORMER})
    starts_with: frozenset[str] = frozenset({FORMER, OTHER, "new", "bad"})
    killed_before: frozenset[int] = frozenset()  # steps, counted over all processes
    refused_at: frozenset[int] = frozenset()  # by the disk
    steps: int = 0
    began: int = 0
    process: SettingsTrial | None = None
    worked_with: str = ""

    def start(self) -> None:
        """Begin a process, again and again until one is at work."""
        while True:
            self.began += 1
            assert self.began < 40, "it begins for ever"
            self.process = SettingsTrial(self.recorded)
            try:
                self.happens(Begun(self.settings))
                self.happens(InForce(self.settings))
                self.worked_with = self.settings
                if self.settings not in self.starts_with:
                    self.happens(NotStarted("the port is taken"))
                    continue  # it ends, and the service manager starts it again
            except Killed:
                continue
            return

    def happens(self, event: Event) -> None:
        assert self.process is not None
        for command in self.process.handle(event):
            if self.steps in self.killed_before:
                self.steps += 1
                raise Killed
            is_refused = self.steps in self.refused_at
            self.steps += 1
            if is_refused and not isinstance(command, Judge | DropCandidate | BeginAnew):
                best_effort = isinstance(command, Record) and command.trial.state in (
                    SettingsState.REFUSED,
                    SettingsState.ROLLED_BACK,
                )
                if best_effort:
                    continue
                self.happens(NotWritten("No space left on device"))
                return
            self.does(command)

    def does(self, command: Command) -> None:
        match command:
            case Judge(digest=digest):
                self.candidate = digest
                self.happens(CandidateJudged(digest=digest, problem=""))
            case KeepFormer():
                self.before = self.settings
            case Record(trial=trial):
                self.recorded = trial
            case Install():
                self.settings, self.candidate = self.candidate, ""
            case Restore(digest=digest):
                if self.settings == digest:
                    self.settings, self.before = self.before, ""
            case DropCandidate():
                self.candidate = ""
            case BeginAnew():
                raise Killed  # the next process, by the same door

    def lives(self, *, looks: int = 200) -> None:
        """Let time pass; who is killed is started again."""
        for second in range(looks):
            is_ready = self.settings in self.ready_with
            look = NodeLooked(
                now_s=second, why_not=[] if is_ready else ["no"], deaths=0, deadline_s=DEADLINE_S
            )
            try:
                self.happens(look)
            except Killed:
                self.start()

    def is_told(self, digest: str) -> None:
        try:
            self.happens(SettingsTold(digest, NOW_S))
        except Killed:
            self.start()


def story(machine: Machine, digest: str) -> None:
    machine.start()
    machine.is_told(digest)
    machine.lives()
    machine.start()  # once more, and nothing changes
    machine.lives()


def test_good_settings_are_taken() -> None:
    machine = Machine(ready_with=frozenset({FORMER, "new"}))

    story(machine, "new")

    assert machine.settings == machine.worked_with == "new"
    assert machine.recorded == RecordedTrial(digest="new")
    assert machine.before == FORMER  # it stays, for whoever wants it


def test_settings_that_are_not_ready_go_back_when_their_time_is_over() -> None:
    machine = Machine()

    story(machine, "bad")

    assert machine.settings == machine.worked_with == FORMER
    assert machine.recorded.state is SettingsState.ROLLED_BACK
    assert machine.recorded.problem == "not ready within 60 s: no"


def test_a_core_that_alternates_between_settings_is_heard_some_times_in_an_hour() -> None:
    machine = Machine(ready_with=frozenset({FORMER, "new"}))
    machine.start()

    for number in range(TRIES_MAX + 3):
        machine.is_told(FORMER if number % 2 else "new")
        machine.lives(looks=5)

    assert machine.began == 1 + TRIES_MAX
    assert machine.recorded.problem == TOO_OFTEN
    assert machine.process is not None
    digest = "new" if machine.settings == FORMER else FORMER
    assert machine.process.handle(SettingsTold(digest, NOW_S + HOUR_S)) == [Judge(digest)]


@pytest.mark.parametrize("killed", [*itertools.combinations(range(STEPS_OF_ONE_TRIAL), 1)])
@pytest.mark.parametrize("digest", ["new", "bad"])
def test_kill_9_at_every_step_ends_with_good_settings(digest: str, killed: tuple[int]) -> None:
    machine = Machine(ready_with=frozenset({FORMER, "new"}), killed_before=frozenset(killed))

    story(machine, digest)

    assert machine.settings in machine.ready_with
    assert machine.worked_with == machine.settings
    assert machine.recorded.state is not SettingsState.TRYING
    assert machine.candidate == ""


@given(
    killed=st.frozensets(st.integers(0, 25), max_size=6),
    refused=st.frozensets(st.integers(0, 25), max_size=6),
    digest=st.sampled_from(["new", "bad", "dead"]),  # dead: its process cannot even start
)
def test_many_kills_and_refusals_of_the_disk_end_with_good_settings(
    killed: frozenset[int], refused: frozenset[int], digest: str
) -> None:
    machine = Machine(
        ready_with=frozenset({FORMER, "new"}), killed_before=killed, refused_at=refused
    )

    story(machine, digest)

    assert machine.settings in machine.ready_with
    assert machine.worked_with == machine.settings
    assert machine.process is not None
    assert machine.process.in_force == machine.settings
    # What the disk refused to record is known all the same, and recorded by the next start.
    assert not machine.process.trial.is_trying
    if not refused:
        assert machine.recorded == machine.process.trial


def test_a_second_start_with_settings_that_are_tried_goes_back() -> None:
    machine = Machine(ready_with=frozenset({FORMER, "new"}))
    machine.start()
    machine.is_told("new")
    assert (machine.settings, machine.recorded.starts) == ("new", 1)

    machine.start()  # it died

    assert machine.settings == FORMER
    assert (machine.recorded.state, machine.recorded.problem) == (
        SettingsState.ROLLED_BACK,
        ENDED,
    )


def test_a_node_that_ended_before_they_were_in_place_never_had_them() -> None:
    machine = Machine(recorded=RecordedTrial(state=SettingsState.TRYING, digest="new", kept=FORMER))

    machine.start()

    assert machine.settings == FORMER
    assert machine.recorded.problem == NEVER_IN_PLACE


def test_workers_that_keep_dying_end_the_trial_before_its_time() -> None:
    trial = RecordedTrial(state=SettingsState.TRYING, digest="bad", kept=FORMER)
    machine = SettingsTrial(trial)
    machine.handle(Begun("bad"))

    found = machine.handle(looked(1.0, [], deaths=DEATHS_MAX))

    assert [type(one) for one in found] == [Restore, Record, BeginAnew]
    assert machine.trial.problem == "workers ended 3 times with them"


def test_ready_for_a_moment_is_not_ready() -> None:
    trial = RecordedTrial(state=SettingsState.TRYING, digest="new", kept=FORMER)
    machine = SettingsTrial(trial)
    machine.handle(Begun("new"))

    for second in range(READY_LOOKS - 1):
        assert machine.handle(looked(second, [])) == []
    assert machine.handle(looked(9, ["shard 0: not running"], deaths=1)) == []
    for second in range(10, 10 + READY_LOOKS - 1):
        assert machine.handle(looked(second, [], deaths=1)) == []
    assert machine.handle(looked(20, [], deaths=1)) == [Record(RecordedTrial(digest="new"))]


def test_what_does_not_load_is_refused_and_changes_no_file() -> None:
    machine = running(FORMER)

    assert machine.handle(SettingsTold("bad", NOW_S)) == [Judge("bad")]
    found = machine.handle(
        CandidateJudged(digest="bad", problem="satellite.yaml.candidate:3:1: no")
    )

    assert found == [
        DropCandidate(),
        Record(
            RecordedTrial(
                state=SettingsState.REFUSED,
                digest="bad",
                kept=FORMER,
                problem="satellite.yaml.candidate:3:1: no",
            )
        ),
    ]


def test_told_twice_is_told_once_and_only_one_trial_goes_on() -> None:
    machine = running(FORMER)

    assert machine.handle(SettingsTold("new", NOW_S)) == [Judge("new")]
    assert machine.handle(SettingsTold("new", NOW_S)) == []
    assert machine.handle(SettingsTold(OTHER, NOW_S)) == []
    [keep, record, install, anew] = machine.handle(CandidateJudged(digest="new", problem=""))
    assert [keep, install, anew] == [KeepFormer(), Install(), BeginAnew()]
    assert isinstance(record, Record)
    assert machine.handle(SettingsTold(OTHER, NOW_S)) == []


def test_what_is_in_force_needs_nothing_but_a_word() -> None:
    machine = running("new")

    assert machine.handle(SettingsTold("new", NOW_S)) == [Record(RecordedTrial(digest="new"))]
    assert machine.handle(SettingsTold("new", NOW_S)) == []


def test_what_was_rolled_back_is_tried_again_when_told_again() -> None:
    failed = RecordedTrial(state=SettingsState.ROLLED_BACK, digest="bad", kept=FORMER, problem="no")
    machine = running(FORMER, failed)

    assert machine.trial == failed
    assert machine.handle(SettingsTold("bad", NOW_S)) == [Judge("bad")]


def test_another_file_of_an_operator_ends_what_the_core_told() -> None:
    failed = RecordedTrial(state=SettingsState.REFUSED, digest="bad", kept=FORMER, problem="no")
    machine = SettingsTrial(failed)
    machine.handle(Begun(OTHER))

    assert machine.handle(InForce(OTHER)) == [Record(RecordedTrial(digest=OTHER))]


def test_a_file_that_an_operator_puts_in_place_of_a_tried_one_stays() -> None:
    trial = RecordedTrial(state=SettingsState.TRYING, digest="new", kept=FORMER, starts=1)
    machine = Machine(recorded=trial, settings=OTHER, before=FORMER)
    machine.ready_with = frozenset({OTHER})

    machine.start()

    assert machine.settings == OTHER
    assert machine.recorded == RecordedTrial(digest=OTHER)


def test_a_trial_whose_begin_cannot_be_recorded_is_none() -> None:
    trial = RecordedTrial(state=SettingsState.TRYING, digest="new", kept=FORMER)
    machine = SettingsTrial(trial)
    machine.handle(Begun("new"))

    found = machine.handle(NotWritten("No space left on device"))

    assert found[0] == Restore("new")
    assert machine.trial.state is SettingsState.ROLLED_BACK
    assert machine.trial.problem == "the disk refused them: No space left on device"


def looked(now_s: float, why_not: list[str], *, deaths: int = 0) -> NodeLooked:
    return NodeLooked(now_s=now_s, why_not=why_not, deaths=deaths, deadline_s=DEADLINE_S)


def running(in_force: str, recorded: RecordedTrial | None = None) -> SettingsTrial:
    machine = SettingsTrial(recorded or RecordedTrial())
    machine.handle(Begun(in_force))
    machine.handle(InForce(in_force))
    return machine
