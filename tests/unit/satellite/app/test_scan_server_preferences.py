"""A scanning server goes by one set of preferences in all of its rooms, also after SIGHUP."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from common.settings.scan_server import ScanServerSettings
from satellite.app.scan_server import ScanServer
from tests.support.clock import FakeClock
from tests.support.core.preferences import preferences, route
from tests.support.smtp.passing import PuppetRooms, examiner_of


async def test_other_preferences_are_those_of_the_front_end_too(tmp_path: Path) -> None:
    clock = FakeClock()
    settings = ScanServerSettings.model_validate(
        {
            "hostname": "scan.example",
            "smtp": {"listen": ["127.0.0.1:10025"]},
            "next_hop": "127.0.0.1:1",
            "engines": [{"name": "yara", "kind": "yara"}],
        }
    )
    examiner = examiner_of(PuppetRooms(), clock, [])
    server = ScanServer(
        settings, state=tmp_path, examiner=examiner, registry=CollectorRegistry(), clock=clock
    )
    new = preferences(route("acme.example"))

    server.prefer(new)

    assert server._intake.preferences is new
    assert examiner.preferences is new
