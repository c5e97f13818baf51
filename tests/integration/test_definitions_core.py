"""How do a core's definitions keep themselves fresh: mirror, trial, fetching, and what is shown?

A real clamd and a real freshclam. The clock runs faster than the wall's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from common.identity import ShardIdentity
from common.link import DefinitionsOffer
from common.reports import DefinitionsReport, DefinitionsState, NodeReport
from common.settings.core import CoreDefinitionsSettings
from core.definitions.definitions import LOOK_S, Definitions, DefinitionsStatus
from core.definitions.gate_samples import EICAR
from core.definitions.rollout import SiteStand
from core.definitions.sets import SetFolder
from core.fleet.fleet import Fleet
from core.fleet.roster import Roster
from tests.support.core.face import core_settings
from tests.support.core.rooms import made_id
from tests.support.definitions.web_mirror import web_mirror
from tests.support.network.link import HurriedClock
from tests.support.scanning.clamd import clamd_binary
from tests.support.waiting import until

pytestmark = [
    pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed"),
]

GOOD = f"Eicar-Test:0:*:{EICAR.hex()}\n"
POISONED = GOOD + f"Too-Much:0:*:{b'Hello Bob'.hex()}\n"


class Nobody:
    """A link to no satellite, and an audit that keeps what it is told."""

    def __init__(self) -> None:
        self.fleet = Fleet([])
        self.roster = Roster([])
        self.noted: list[tuple[str, str]] = []

    def visits(self) -> dict[tuple[str, int], int]:
        return {}

    def tell(self, node: str, shard: int, command: DefinitionsOffer) -> bool:
        raise AssertionError("nobody is there")

    async def note(self, *, who: str, what: str, subject: str = "", detail: str = "") -> None:
        self.noted.append((who, what))


class Office:
    """The definitions of a core at work."""

    def __init__(self, definitions: Definitions, link: Nobody, clock: HurriedClock) -> None:
        self.definitions = definitions
        self.link = link
        self.clock = clock

    async def shows(self, claim: Callable[[DefinitionsStatus], bool], what: str) -> None:
        async def look() -> bool:
            return claim(self.definitions.status())

        try:
            await until(look, what)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.definitions.status()}") from None

    async def has_problem(self, words: str) -> None:
        await self.shows(lambda status: any(words in one for one in status.problems), words)

    def files(self) -> dict[str, bytes]:
        current = self.definitions.status().current
        assert current is not None
        return {f.name: (current.folder / f.name).read_bytes() for f in current.manifest.files}

    async def uses(self, **files: str) -> None:
        """Return once the set in use has just these files, ``a_ndb`` for ``a.ndb``."""
        wanted = {name.replace("_", "."): content.encode() for name, content in files.items()}
        await self.shows(
            lambda status: status.current is not None and self.files() == wanted, str(files)
        )


@asynccontextmanager
async def office(folder: Path, **said: Any) -> AsyncIterator[Office]:
    link, clock = Nobody(), HurriedClock()
    settings = core_settings(folder, definitions=CoreDefinitionsSettings.model_validate(said))
    definitions = Definitions(settings, audit=link, link=link, clock=clock)
    async with AsyncExitStack() as stack:
        await definitions.open()
        await definitions.start(stack)
        yield Office(definitions, link, clock)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    made = tmp_path / "mirror"
    made.mkdir()
    return made


async def test_what_appears_in_the_mirror_comes_into_use(tmp_path: Path, mirror: Path) -> None:
    async with office(tmp_path, mirror=str(mirror)) as made:
        (mirror / "a.ndb").write_text(GOOD)
        await made.uses(a_ndb=GOOD)
        (mirror / "b.ndb").write_text(GOOD.replace("Test", "Other"))
        await made.uses(a_ndb=GOOD, b_ndb=GOOD.replace("Test", "Other"))

    async with office(tmp_path, mirror=str(mirror)) as again:
        await again.shows(lambda status: status.current is not None, "the set is there again")
        assert set(again.files()) == {"a.ndb", "b.ndb"}


async def test_no_site_is_done_with_a_set_that_it_was_not_told_of_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, gate="none") as made:
        monkeypatch.setattr(made.definitions, "_announce", lambda: None)  # the next look is to come
        made.link.fleet = Fleet([("lon1", "london")])
        first = await made.definitions.change_custom({"a.ndb": b"1"}, [], who="x")
        report = DefinitionsReport(
            family="clamav",
            serial=first.manifest.serial,
            offered=first.manifest.serial,
            state=DefinitionsState.CURRENT,
        )
        identity, now_s = ShardIdentity("lon1", 0, made_id(1)), made.clock.monotonic_s()
        made.link.fleet.greeted(identity, shards=1, version="1", now_s=now_s)
        made.link.fleet.reported(
            identity, NodeReport(definitions=(report,)), now_s=now_s, now_us=made.clock.now_us()
        )
        assert made.definitions.status().plan.sites == {"london": SiteStand.DONE}

        await made.definitions.change_custom({"a.ndb": b"2"}, [], who="x")

        assert made.definitions.status().plan.sites["london"] is not SiteStand.DONE


@pytest.mark.parametrize("content", [GOOD, POISONED])
async def test_what_was_taken_or_refused_is_not_copied_again_and_again(
    tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    copies = []
    stage = SetFolder.stage

    def counted(folder: SetFolder, *arguments: Any, **more: Any) -> Any:
        copies.append(1)
        return stage(folder, *arguments, **more)

    monkeypatch.setattr(SetFolder, "stage", counted)
    async with office(tmp_path, mirror=str(mirror)) as made:
        (mirror / "a.ndb").write_text(content)
        await made.shows(lambda status: bool(status.current or status.refused), "it was tried")
        for _ in range(5):
            await made.clock.sleep(LOOK_S)

    assert len(copies) == 1


async def test_a_poisoned_mirror_is_shown_and_what_is_in_use_stays(
    tmp_path: Path, mirror: Path
) -> None:
    async with office(tmp_path, mirror=str(mirror)) as made:
        (mirror / "a.ndb").write_text(GOOD)
        await made.uses(a_ndb=GOOD)
        (mirror / "a.ndb").write_text(POISONED)
        await made.has_problem("they find Too-Much.UNOFFICIAL in harmless mail")
        assert made.files() == {"a.ndb": GOOD.encode()}
        assert made.link.noted == [("core", "definitions.use"), ("core", "definitions.refuse")]
        (refusal,) = made.definitions.status().refused
        assert refusal.version == "1 custom"

        (mirror / "a.ndb").write_text(GOOD + GOOD.replace("Test", "Other"))
        await made.shows(lambda status: len(status.problems) == 1, "all but the door is well")


async def test_without_a_clamd_nothing_goes_out_and_the_reason_is_shown(
    tmp_path: Path, mirror: Path
) -> None:
    async with office(tmp_path, mirror=str(mirror), clamd="no-such-clamd") as made:
        (mirror / "a.ndb").write_text(GOOD)
        await made.has_problem(
            "new definitions wait untried: no-such-clamd is not installed; install it"
        )
        assert made.definitions.status().current is None
        assert made.definitions.status().refused == ()


async def test_a_mirror_that_cannot_be_read_is_a_problem(tmp_path: Path, mirror: Path) -> None:
    mirror.rmdir()
    mirror.write_text("no folder")
    async with office(tmp_path, mirror=str(mirror)) as made:
        await made.has_problem("the mirror's folder cannot be read")


async def test_an_empty_mirror_is_a_problem(tmp_path: Path, mirror: Path) -> None:
    async with office(tmp_path, mirror=str(mirror)) as made:
        await made.has_problem("has no definitions")
        (mirror / "a.ndb").write_text(GOOD)
        await made.uses(a_ndb=GOOD)


async def test_definitions_that_nobody_renews_are_a_problem(tmp_path: Path, mirror: Path) -> None:
    (mirror / "a.ndb").write_text(GOOD)
    os.utime(mirror / "a.ndb", (1_700_000_000, 1_700_000_000))
    async with office(tmp_path, mirror=str(mirror)) as made:
        await made.has_problem("nothing newer has come")


@pytest.mark.skipif(shutil.which("freshclam") is None, reason="freshclam is not installed")
async def test_what_freshclam_brings_comes_into_use_and_what_it_lacks_is_shown(
    tmp_path: Path,
) -> None:
    files = {"/a.ndb": GOOD.encode()}
    with web_mirror(files) as (url, _):
        fetched = {"official": False, "custom_urls": [f"{url}/a.ndb"], "every_s": 20.0}
        async with office(tmp_path, freshclam=fetched) as made:
            await made.uses(a_ndb=GOOD)
            del files["/a.ndb"]
            await made.has_problem("definitions cannot be fetched: ")
            assert made.files() == {"a.ndb": GOOD.encode()}
            files["/a.ndb"] = (GOOD * 2).encode()
            await made.uses(a_ndb=GOOD * 2)
            await made.shows(lambda status: len(status.problems) == 1, "it is fetched again")
