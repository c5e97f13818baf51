"""A running core goes by the nodes of its settings file, and by nothing that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.certificate import CertificateStatus
from common.settings.core import CoreSettings
from core.reloading import RunningSettings
from core.settings import SettingsFileState, load_settings
from tests.support.clock import FakeClock

LON1 = {"name": "lon1", "site": "london", "addresses": ["192.0.2.1"]}
PAR1 = {"name": "par1", "site": "paris", "addresses": ["192.0.2.2"]}


class FakeLink:
    """Has no certificate; it fulfils ``HasCertificate``."""

    def certificate_status(self) -> CertificateStatus | None:
        return None


class FakeNodes:
    """Remembers the settings that it was told of; it fulfils ``GoesBySettings``."""

    def __init__(self) -> None:
        self.told: list[list[str]] = []

    def take_settings(self, settings: CoreSettings) -> int:
        self.told.append(
            [f"{node.name} {','.join(node.certificates)}".strip() for node in settings.nodes]
        )
        return 0


class Room:
    """A core's folder and what goes by its settings."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "core.yaml"
        self.nodes, self.clock = FakeNodes(), FakeClock()
        self.state = SettingsFileState()
        self.write(LON1)
        self.running = RunningSettings(
            self.file,
            load_settings(self.file),
            link=FakeLink(),
            nodes=self.nodes,
            clock=self.clock,
            state=self.state,
        )

    def write(self, *nodes: dict[str, Any], **said: Any) -> None:
        tls = {"certificate": "a", "key": "b", "authority": "c"}
        rest = {"cluster": "c", "name": "core", "http": "127.0.0.1:1", "grpc": "127.0.0.1:2"}
        self.file.write_text(json.dumps({**rest, "tls": tls, "nodes": nodes, **said}))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


async def test_nodes_are_taken_once_the_file_rests(room: Room) -> None:
    await room.running.look()
    room.write(PAR1, LON1)
    await room.running.look()
    assert room.nodes.told == []

    await room.running.look()
    await room.running.look()

    assert room.nodes.told == [["par1", "lon1"]]


async def test_a_file_that_is_still_being_written_is_left_alone(room: Room) -> None:
    for nodes in ([], [PAR1], [PAR1, LON1]):
        room.write(*nodes)
        await room.running.look()

    assert room.nodes.told == []


async def test_a_certificate_that_is_named_no_more_is_told(room: Room) -> None:
    for serial in ("1f", "2e"):
        room.write({**LON1, "certificates": [serial]})
        room.running.hang_up()

    assert room.nodes.told == [["lon1 1f"], ["lon1 2e"]]


@pytest.mark.parametrize("content", ["colour: red", "nodes: [", ""])
async def test_a_wrong_file_changes_nothing_and_is_told_once(room: Room, content: str) -> None:
    room.file.write_text(content)

    with capture_logs() as told:
        for _ in range(4):
            await room.running.look()

    assert room.nodes.told == []
    assert [line["event"] for line in told] == ["core.settings_wrong"]
    assert room.state.complaints

    room.write(LON1, http="127.0.0.1:3")
    for _ in range(2):
        await room.running.look()

    assert room.state == SettingsFileState(restart_needed=("http",))


async def test_a_file_that_is_gone_changes_nothing(room: Room) -> None:
    room.file.unlink()
    await room.running.look()
    await room.running.look()

    assert room.nodes.told == []


async def test_what_needs_a_restart_is_named_until_then_and_the_nodes_are_not(room: Room) -> None:
    room.write(PAR1, bookmark_s=1.0)

    with capture_logs() as told:
        room.running.hang_up()
        room.running.hang_up()

    assert [line["restart_needed"] for line in told] == [["bookmark_s"], ["bookmark_s"]]
    assert (told[0]["nodes_added"], told[0]["nodes_removed"]) == (["par1"], ["lon1"])
    assert (told[1]["nodes_added"], told[1]["nodes_removed"]) == ([], [])
    assert room.nodes.told == [["par1"]]
