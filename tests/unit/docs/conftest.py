"""A core to scrape."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.settings.core import CoreDefinitionsSettings
from tests.support.clock import FakeClock
from tests.support.core.face import Face, open_face
from tests.support.core.tables_at_once import tables_at_once

__all__ = ["face", "tables_at_once"]


@pytest.fixture
async def face(tmp_path: Path) -> AsyncIterator[Face]:
    async with open_face(
        tmp_path / "core", FakeClock(), definitions=CoreDefinitionsSettings(gate="none")
    ) as opened:
        yield opened
