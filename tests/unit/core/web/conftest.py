"""The core's HTTP face over real rooms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.settings.core import CoreDefinitionsSettings, JoinSettings
from tests.support.clock import FakeClock
from tests.support.core.face import Face, open_face


@pytest.fixture
async def face(tmp_path: Path, fake_clock: FakeClock) -> AsyncIterator[Face]:
    async with open_face(
        tmp_path / "core",
        fake_clock,
        definitions=CoreDefinitionsSettings(gate="none"),
        join=JoinSettings(listen="127.0.0.1:1", public=["192.0.2.1:7445"]),
    ) as opened:
        yield opened
