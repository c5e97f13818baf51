"""The parent takes what a worker was told, and every file is as a start needs it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from common.preferences.node_settings import settings_digest
from common.reports import SettingsState
from common.settings.reading import Source
from common.settings.settings_text import tree_of, yaml_text
from satellite.node.channel import JsonObject
from satellite.node.service_unavailable import ServiceUnavailable
from satellite.node.settings_files import SettingsFiles
from satellite.node.settings_over_link import NOT_HERE, SettingsOverLink
from satellite.node.settings_steps import NOT_IN_FORCE, SettingsSteps
from satellite.node.settings_trial import RecordedTrial
from satellite.settings import load_settings
from tests.support.clock import FakeClock
from tests.support.node.shard import AnsweringWorker, settings, status_json, workers_of
from tests.support.waiting import until

FORMER = tree_of(settings())
UP = {"connected": True, "lag": 0, "age_s": 1.0, "skew_us": 0, "problems": [], "reconnects": {}}


class Node:
    """One process after another of a parent, with a worker that says what a test wants."""

    def __init__(self, folder: Path) -> None:
        self.files = SettingsFiles(folder / "satellite.yaml")
        self.files.settings.write_text(yaml_text(FORMER))
        self.worker = AnsweringWorker(0, {"listening": {"listening": True}})
        self.is_served = True
        self.drain_s = 0
        self.clock = FakeClock()
        self.start()
        self.says()

    def start(self) -> None:
        """Begin a process."""
        self.steps = SettingsSteps(self.files, read=load_settings)
        self.steps.begin()
        workers = workers_of(self.worker, state=self.files.settings.parent)
        workers.settings = load_settings(self.files.settings)
        self.workers = workers
        self.over_link = SettingsOverLink(
            self.steps,
            workers=workers,
            service_unavailable=ServiceUnavailable(workers, sockets=[], clock=self.clock),
            is_served=lambda: self.is_served,
            clock=self.clock,
        )

    def says(self, **facts: object) -> None:
        """Let the worker say of itself that all is well, but for this."""
        self.worker.answers["status"] = status_json(**({"link": UP} | facts))

    def told(self, tree: Mapping[str, Any] | None, *, token: str = "a") -> str:
        """Let the worker have been told these settings."""
        digest = settings_digest(tree) if tree is not None else "f" * 64
        answer: JsonObject = {
            "token": token,
            "digest": digest,
            "tree": tree,
            "drain_s": self.drain_s,
        }
        self.worker.answers["settings"] = answer
        return digest

    async def looks(self, count: int = 1) -> None:
        for _ in range(count):
            await self.over_link.look()
            await self.clock.advance(1.0)

    async def drains(self) -> None:
        """Return once the worker was told to take no mail for now."""

        async def is_told() -> bool:
            return any(one.get("drains") for one in self.worker.asked)

        await until(is_told, "the worker is told")

    def tree(self) -> dict[str, Any]:
        """Return what is in place."""
        return Source.read(self.files.settings).tree

    def last_said(self) -> JsonObject:
        """Return what the worker was told of the node's standing."""
        return [one for one in self.worker.asked if one["ask"] == "settings"][-1]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def changed(**more: Any) -> dict[str, Any]:
    return {**FORMER, **more}


async def test_a_file_that_somebody_changes_while_the_node_is_emptied_stays(node: Node) -> None:
    node.drain_s = 60
    node.says(states={"queued": 2})
    node.told(changed(workers=4))
    looking = asyncio.create_task(node.over_link.look())
    await node.drains()

    by_hand = changed(workers=2)
    node.files.settings.write_text(yaml_text(by_hand))
    node.says()
    await node.clock.advance(2.0)
    await looking

    assert not node.over_link.begins_anew
    assert node.tree() == by_hand
    assert node.steps.trial.problem == NOT_IN_FORCE
    assert not node.last_said().get("drains")


async def test_what_a_worker_was_told_is_in_place_and_the_node_begins_anew(node: Node) -> None:
    new = changed(workers=4, limits={"unjudged_max": 5})
    digest = node.told(new)

    await node.looks()

    assert node.over_link.begins_anew
    assert node.tree() == new
    assert node.files.recorded() == RecordedTrial(
        state=SettingsState.TRYING, digest=digest, kept=settings_digest(FORMER)
    )
    node.start()
    await node.looks(4)
    assert not node.over_link.begins_anew
    assert node.files.recorded() == RecordedTrial(digest=digest)
    assert node.last_said() | {"taken": ""} == {
        "ask": "settings",
        "in_force": digest,
        "told": digest,
        "taken": "",
    }


async def test_it_takes_no_mail_until_what_is_under_way_has_ended(node: Node) -> None:
    node.drain_s = 60
    node.says(states={"queued": 2})
    digest = node.told(changed(workers=4))

    looking = asyncio.create_task(node.over_link.look())
    await node.drains()
    await node.clock.advance(30.0)

    assert not node.over_link.begins_anew
    assert node.tree() == FORMER
    said = node.last_said()
    assert (said["drains"], said["state"], said["told"]) == (True, "trying", digest)
    node.says(states={"held": 5, "queued": 0})
    await node.clock.advance(2.0)
    await looking
    assert node.over_link.begins_anew


async def test_it_does_not_wait_for_what_is_under_way_without_end(node: Node) -> None:
    node.drain_s = 60
    node.says(states={"queued": 2})
    node.told(changed(workers=4))

    looking = asyncio.create_task(node.over_link.look())
    await node.drains()
    await node.clock.advance(62.0)
    await looking

    assert node.over_link.begins_anew


async def test_a_telling_is_taken_once_and_the_worker_hears_so(node: Node) -> None:
    node.told(changed(state="elsewhere"))

    await node.looks(2)

    assert node.last_said()["taken"] == "a"
    assert node.last_said()["state"] == "refused"
    assert node.tree() == FORMER
    assert not node.files.candidate.exists()


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        (None, NOT_HERE),
        (changed(workers="many"), "satellite.yaml.candidate:"),
        (changed(surprise=1), "unknown key 'surprise'; remove it"),
        (changed(node="lon2"), "node cannot be changed over the link"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason(
    node: Node, tree: dict[str, Any] | None, why: str
) -> None:
    node.told(tree)

    await node.looks()

    trial = node.files.recorded()
    assert trial.state is SettingsState.REFUSED
    assert why in trial.problem
    assert node.tree() == FORMER
    assert not node.over_link.begins_anew


async def test_a_file_that_waits_for_a_restart_is_nobodys_to_replace(node: Node) -> None:
    node.files.settings.write_text(yaml_text(changed(workers=3)))
    node.told(changed(workers=4))

    await node.looks()

    assert node.files.recorded().problem == NOT_IN_FORCE
    assert node.tree()["workers"] == 3


async def test_a_folder_that_refuses_is_told_and_nothing_is_lost(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: SettingsFiles, _tree: object) -> None:
        raise OSError(28, "No space left on device", "satellite.yaml.candidate.part")

    monkeypatch.setattr(SettingsFiles, "write_candidate", full)
    node.told(changed(workers=4))

    await node.looks()

    assert "No space left on device" in node.files.recorded().problem
    assert node.tree() == FORMER


async def test_a_node_that_is_not_ready_in_time_goes_back_in_the_same_process(node: Node) -> None:
    node.told(changed(trial_s=5))
    await node.looks()
    node.start()
    node.says(listening=False, not_accepting_reason="starting")

    await node.looks(4)
    assert not node.over_link.begins_anew
    await node.looks(3)

    assert node.over_link.begins_anew
    assert node.tree() == FORMER
    problem = "not ready within 5 s: shard 0: starting"
    assert node.files.recorded().problem == problem
    node.start()
    assert node.steps.in_force == settings_digest(FORMER)


async def test_another_core_is_taken_with_a_link_alone(node: Node) -> None:
    core = {**FORMER["core"], "address": "127.0.0.1:10"}
    node.told(changed(core=core, trial_s=5))
    await node.looks()
    node.start()
    node.says(link={**UP, "connected": False, "problems": ["control: UNAVAILABLE"]})

    await node.looks(7)

    assert node.files.recorded().problem == (
        "not ready within 5 s: shard 0: no link to the core; control: UNAVAILABLE"
    )


async def test_the_same_core_may_be_away_meanwhile(node: Node) -> None:
    digest = node.told(changed(workers=4))
    await node.looks()
    node.start()
    node.says(link={**UP, "connected": False})

    await node.looks(4)

    assert node.files.recorded() == RecordedTrial(digest=digest)


async def test_a_node_that_was_not_ready_need_not_be_so_after(node: Node) -> None:
    node.says(not_accepting_reason="draining")
    digest = node.told(changed(workers=4))
    await node.looks()
    node.start()

    await node.looks(4)

    assert node.files.recorded() == RecordedTrial(digest=digest)


async def test_pages_that_nobody_is_served_are_not_ready(node: Node) -> None:
    node.told(changed(metrics="127.0.0.1:10", trial_s=1))
    await node.looks()
    node.start()
    node.is_served = False

    await node.looks(3)

    assert "nobody is served metrics and health" in node.files.recorded().problem


async def test_a_start_that_fails_goes_back_and_begins_anew(node: Node) -> None:
    node.told(changed(workers=4))
    await node.looks()
    node.start()

    assert node.steps.has_gone_back("cannot listen on 127.0.0.1:25")

    assert node.tree() == FORMER
    assert node.files.recorded().problem == "cannot listen on 127.0.0.1:25"


def test_a_start_that_fails_without_a_trial_is_an_end(node: Node) -> None:
    assert not node.steps.has_gone_back("cannot listen on 127.0.0.1:25")


async def test_a_node_that_was_told_to_stop_does_not_begin_anew(node: Node) -> None:
    node.workers.was_told_to_stop = True
    node.told(changed(workers=4))

    await node.looks()

    assert not node.over_link.begins_anew  # the next start tries them
    assert node.files.recorded().is_trying


def test_a_record_that_is_none_of_ours_is_told_and_passed_over(tmp_path: Path) -> None:
    files = SettingsFiles(tmp_path / "satellite.yaml")
    (tmp_path / "satellite.yaml.trial").write_text(json.dumps({"state": "flying"}))

    assert files.recorded() == RecordedTrial()


def test_the_file_is_written_as_it_is_rendered(node: Node) -> None:
    tree = dict(sorted(changed(trial_s=7.0).items()))

    node.files.write_candidate(tree)

    rendered = yaml_text(tree_of(settings(trial_s=7.0)))
    assert node.files.candidate.read_text() == rendered
