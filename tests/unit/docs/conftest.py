"""A core to scrape."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.settings.core import CoreDefinitionsSettings
from tests.support.clock import FakeClock
from tests.support.core.face import Face, open_face


@pytest.fixture
async def face(tmp_path: Path) -> AsyncIterator[Face]:
    async with open_face(
        tmp_path / "core", FakeClock(), definitions=CoreDefinitionsSettings(gate="none")
    ) as opened:
        yield opened
