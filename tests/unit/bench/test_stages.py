"""To which stage does a sampler count a worker's code?"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.bench.document import STAGES
from tests.bench.sampling.sitecustomize import COMMIT_THREAD, LOOP, OTHER_THREADS, ROOMS, room_of


@pytest.mark.parametrize(
    ("module", "room"),
    [
        ("satellite.smtp.session", "front end"),
        ("satellite.spool", "spool"),
        ("common.records.writing", "records"),
        ("common.strangers", None),
        ("satellite.spoolers", None),
        ("asyncio.tasks", None),
    ],
)
def test_a_module_belongs_to_its_room_or_to_whoever_called_it(
    module: str, room: str | None
) -> None:
    assert room_of(module) == room


def test_every_room_is_there_and_has_a_row() -> None:
    assert [name for name in ROOMS if find_spec(name) is None] == []
    assert {*ROOMS.values(), LOOP, OTHER_THREADS} <= set(STAGES)


def test_the_thread_that_commits_has_the_name_that_the_sampler_knows() -> None:
    spec = find_spec("satellite.spool.commits")
    assert spec is not None and spec.origin is not None

    assert f'name="{COMMIT_THREAD}"' in Path(spec.origin).read_text(encoding="utf-8")
