"""A new set comes into use whole or not at all, and one goes back with all that it brought.

The trial is switched off, or a script's: tests/integration has the real one.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure, LocalError
from common.settings.core import CoreDefinitionsSettings
from core.definitions.gate import Gate, Passed
from core.definitions.keeper import ALL_GONE, SAY_WHICH, UNTRIED, Keeper, NothingNew
from core.definitions.mirror import mirror_sources, mirror_state
from core.definitions.sets import UnknownSet
from core.definitions.trial_clamd import DefinitionsRefused
from tests.support.clock import FakeClock

FIRST = 20260101000000  # the fake clock's time
BUILT_US = 1_768_980_600_000_000


def daily(version: int) -> bytes:
    return b"ClamAV-VDB:21 Jan 2026 08-30 +0100:%d:9:90:x:y:z:1" % version


class ScriptedGate(Gate):
    """A trial whose outcome the test says."""

    def __init__(self) -> None:
        super().__init__(clamd="", memory_bytes=0, load_s=0, samples=None)
        self.outcome: Passed | DefinitionsRefused | EnvironmentFailure = passed(0)
        self.tried: list[list[str]] = []

    async def check(self, definitions: Path) -> Passed:
        self.tried.append(sorted(path.name for path in definitions.iterdir()))
        if isinstance(self.outcome, Passed):
            return self.outcome
        raise self.outcome


def passed(signatures: int) -> Passed:
    return Passed(version="ClamAV 1", signatures=signatures, samples=1)


class Room:
    """A keeper, a mirror, and what the audit was told."""

    def __init__(self, folder: Path, clock: FakeClock, **settings: object) -> None:
        self.folder = folder
        self.clock = clock
        self.mirror = folder / "mirror"
        self.mirror.mkdir(exist_ok=True)
        self.noted: list[tuple[str, str, str, str]] = []
        self.keeper = Keeper(
            CoreDefinitionsSettings.model_validate(settings),
            folder=folder / "kept",
            audit=self,
            clock=clock,
        )
        self.gate = ScriptedGate()
        self.keeper._gate = self.gate

    async def note(self, *, who: str, what: str, subject: str = "", detail: str = "") -> None:
        self.noted.append((who, what, subject, detail))

    async def mirrored(self, **files: bytes) -> None:
        """Let the mirror hold these and no others, ``a_hdb`` for ``a.hdb``, and be looked at."""
        await self.clock.advance(1.0)
        for path in self.mirror.iterdir():
            path.unlink()
        for name, content in files.items():
            (self.mirror / name.replace("_", ".")).write_bytes(content)
        state = mirror_state(self.mirror)
        await self.keeper.take_mirrored(mirror_sources(self.mirror, state), made_us=7)

    async def add(self, name: str, content: bytes) -> None:
        """Put in a file of an operator's."""
        path = self.folder / "upload"
        path.write_bytes(content)
        await self.keeper.change_custom({name: path}, [], who="admin")

    def in_use(self) -> dict[str, bytes]:
        current = self.keeper.current
        assert current is not None
        return {f.name: (current.folder / f.name).read_bytes() for f in current.manifest.files}

    @property
    def serial(self) -> int:
        return self.keeper.choice.serial


@pytest.fixture
async def room(tmp_path: Path, fake_clock: FakeClock) -> Room:
    made = Room(tmp_path, fake_clock)
    await made.keeper.open()
    return made


async def reopened(room: Room) -> Room:
    again = Room(room.folder, room.clock)
    await again.keeper.open()
    return again


async def test_what_the_mirror_holds_comes_into_use_under_the_time_as_its_serial(
    room: Room,
) -> None:
    await room.mirrored(daily_cvd=daily(7), freshclam_dat=b"no database")

    assert room.serial == FIRST + 1
    current = room.keeper.current
    assert current is not None
    assert (current.manifest.version, current.manifest.made_us) == ("daily 7", BUILT_US)
    assert room.in_use() == {"daily.cvd": daily(7)}
    assert room.noted == [("core", "definitions.use", str(FIRST + 1), "daily 7; from the mirror")]
    again = await reopened(room)
    assert (again.serial, again.in_use()) == (room.serial, room.in_use())


async def test_a_signature_beside_a_database_comes_along_and_counts_as_none(room: Room) -> None:
    name = "daily_cvd_sign"
    await room.mirrored(**{"daily_cvd": daily(7), name: b"signed", "a_hdb": b"1"})

    current = room.keeper.current
    assert current is not None
    assert current.manifest.version == "daily 7, 1 custom"
    assert set(room.in_use()) == {"a.hdb", "daily.cvd", "daily.cvd.sign"}


async def test_the_same_once_more_is_not_tried_again(room: Room) -> None:
    await room.mirrored(a_hdb=b"1")
    await room.mirrored(a_hdb=b"1")

    assert len(room.gate.tried) == 1
    assert len(await room.keeper.stored()) == 1


async def test_what_is_refused_is_told_once_and_never_in_use(room: Room) -> None:
    await room.mirrored(a_hdb=b"1")
    room.gate.outcome = DefinitionsRefused("they miss the test file")

    with pytest.raises(DefinitionsRefused):
        await room.mirrored(a_hdb=b"2")
    await room.mirrored(a_hdb=b"2")

    assert room.in_use() == {"a.hdb": b"1"}
    assert len(room.gate.tried) == 2
    assert room.noted[1:] == [("core", "definitions.refuse", "1 custom", "they miss the test file")]
    assert room.keeper.problems() == [
        "new definitions (1 custom) are refused: they miss the test file"
    ]
    again = await reopened(room)
    await again.mirrored(a_hdb=b"2")
    assert again.gate.tried == []

    room.gate.outcome = passed(0)
    await room.mirrored(a_hdb=b"3")
    assert room.keeper.problems() == []


async def test_what_cannot_be_tried_waits_and_is_not_refused(room: Room) -> None:
    room.gate.outcome = EnvironmentFailure("clamd is not installed", hint="install it")
    with pytest.raises(EnvironmentFailure):
        await room.mirrored(a_hdb=b"1")
    assert room.keeper.current is None
    assert room.keeper.problems() == [
        "new definitions wait untried: clamd is not installed; install it"
    ]

    room.gate.outcome = passed(0)
    await room.mirrored(a_hdb=b"1")

    assert room.in_use() == {"a.hdb": b"1"}
    assert room.keeper.problems() == []


async def test_whoever_goes_back_waits_for_no_trial_and_what_was_tried_does_not_replace_it(
    room: Room,
) -> None:
    await room.mirrored(daily_cvd=daily(7))
    first = room.serial
    await room.mirrored(daily_cvd=daily(8))
    tries, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(_definitions: Path) -> Passed:
        tries.set()
        await goes_on.wait()
        return passed(0)

    room.gate.check = slow  # type: ignore[method-assign,assignment]
    trial = asyncio.create_task(room.mirrored(daily_cvd=daily(9)))
    await room.clock.advance(1.0)
    await tries.wait()

    async with asyncio.timeout(5):
        await room.keeper.roll_back(None, seen=0, who="admin")
    goes_on.set()

    with pytest.raises(EnvironmentFailure, match="somebody went back"):
        await trial
    assert (room.serial, room.in_use()) == (first, {"daily.cvd": daily(7)})


async def test_without_room_beside_the_cores_own_nothing_is_copied(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.mirrored(a_hdb=b"1")
    monkeypatch.setattr("core.definitions.sets.RESERVE_BYTES", 1 << 62)

    with pytest.raises(EnvironmentFailure, match="no room for definitions: 1 octets are to come"):
        await room.mirrored(a_hdb=b"2")

    assert room.in_use() == {"a.hdb": b"1"}
    assert room.keeper.problems()[0].startswith("new definitions wait untried: no room")


async def test_a_mirror_that_goes_back_or_loses_a_database_is_refused(room: Room) -> None:
    await room.mirrored(daily_cvd=daily(7))

    with pytest.raises(DefinitionsRefused, match="went back from daily 7 to 6"):
        await room.mirrored(daily_cvd=daily(6))
    with pytest.raises(DefinitionsRefused, match="has no daily any more"):
        await room.mirrored(a_hdb=b"1")

    assert len(room.gate.tried) == 1
    assert room.in_use() == {"daily.cvd": daily(7)}


async def test_a_set_that_lost_most_of_its_signatures_is_refused(room: Room) -> None:
    room.gate.outcome = passed(5000)
    await room.mirrored(a_hdb=b"1")
    room.gate.outcome = passed(2499)

    with pytest.raises(
        DefinitionsRefused, match="they have 2499 signatures; those in use have 5000"
    ):
        await room.mirrored(a_hdb=b"2")


async def test_files_of_operators_stay_when_the_mirror_changes(room: Room) -> None:
    await room.mirrored(daily_cvd=daily(7))
    await room.add("own.hdb", b"mine")
    await room.mirrored(daily_cvd=daily(8))

    assert room.in_use() == {"daily.cvd": daily(8), "own.hdb": b"mine"}
    await room.keeper.change_custom({}, ["own.hdb"], who="admin")
    assert room.in_use() == {"daily.cvd": daily(8)}
    assert [note[3] for note in room.noted] == [
        "daily 7; from the mirror",
        "daily 7, 1 custom; +own.hdb",
        "daily 8, 1 custom; from the mirror",
        "daily 8; -own.hdb",
    ]


async def test_a_file_of_an_operators_that_is_refused_changes_nothing(room: Room) -> None:
    await room.mirrored(daily_cvd=daily(7))
    room.gate.outcome = DefinitionsRefused("they find X in harmless mail")

    with pytest.raises(DefinitionsRefused):
        await room.add("own.hdb", b"mine")

    assert room.in_use() == {"daily.cvd": daily(7)}
    room.gate.outcome = passed(0)
    await room.mirrored(daily_cvd=daily(8))
    assert room.in_use() == {"daily.cvd": daily(8)}
    assert ("admin", "definitions.refuse", "daily 7, 1 custom") in [n[:3] for n in room.noted]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("daily.cvd", "is no name of a database of your own"),
        ("../x.hdb", "is no name of a database of your own"),
        ("x.exe", "is no name of a database of your own"),
        ("mirrored.hdb", "is there twice"),
    ],
)
async def test_names_that_operators_may_not_give(room: Room, name: str, reason: str) -> None:
    await room.mirrored(mirrored_hdb=b"1")

    with pytest.raises(LocalError, match=reason):
        await room.add(name, b"x")


async def test_what_would_change_nothing_is_said_so(room: Room) -> None:
    await room.add("own.hdb", b"1")

    with pytest.raises(NothingNew, match="in use already"):
        await room.add("own.hdb", b"1")
    with pytest.raises(LocalError, match=r"no database of your own is called other\.hdb"):
        await room.keeper.change_custom({}, ["other.hdb"], who="admin")
    with pytest.raises(LocalError, match="nothing would be left"):
        await room.keeper.change_custom({}, ["own.hdb"], who="admin")


async def test_going_back_brings_the_set_before_and_keeps_the_mirrors_from_coming_again(
    room: Room,
) -> None:
    await room.mirrored(daily_cvd=daily(7))
    first = room.serial
    await room.mirrored(daily_cvd=daily(8))
    second = room.serial
    await room.add("own.hdb", b"mine")

    await room.keeper.roll_back(None, seen=0, who="admin")
    assert room.serial == second
    await room.keeper.roll_back(first, seen=0, who="admin")

    assert room.in_use() == {"daily.cvd": daily(7)}
    assert room.keeper.choice.is_rollback
    await room.mirrored(daily_cvd=daily(8))
    assert room.in_use() == {"daily.cvd": daily(7)}
    assert room.keeper.problems() == ["new definitions (daily 8) are refused: admin went back"]
    await room.add("other.hdb", b"x")
    assert room.in_use() == {"daily.cvd": daily(7), "other.hdb": b"x"}
    await room.mirrored(daily_cvd=daily(9))
    assert room.in_use() == {"daily.cvd": daily(9), "other.hdb": b"x"}
    assert not room.keeper.choice.is_rollback


async def test_going_forth_again_lets_the_mirror_have_its_way(room: Room) -> None:
    await room.mirrored(daily_cvd=daily(7))
    await room.mirrored(daily_cvd=daily(8))
    second = room.serial
    await room.keeper.roll_back(None, seen=0, who="admin")

    await room.keeper.roll_back(second, seen=0, who="admin")

    await room.mirrored(daily_cvd=daily(8))
    assert room.in_use() == {"daily.cvd": daily(8)}
    assert room.keeper.problems() == []


async def test_there_is_nothing_before_the_first_set(room: Room) -> None:
    with pytest.raises(UnknownSet, match="no definitions before"):
        await room.keeper.roll_back(None, seen=0, who="admin")
    await room.mirrored(a_hdb=b"1")
    with pytest.raises(UnknownSet, match="no definitions before"):
        await room.keeper.roll_back(None, seen=0, who="admin")
    with pytest.raises(UnknownSet, match="no definitions 5"):
        await room.keeper.roll_back(5, seen=0, who="admin")


async def test_what_satellites_speak_of_is_gone_back_from_knowingly(room: Room) -> None:
    await room.mirrored(a_hdb=b"1")

    await room.keeper.roll_back(room.serial, seen=FIRST + 500, who="admin")

    assert room.keeper.choice.highest == FIRST + 500
    await room.mirrored(a_hdb=b"2")
    assert room.serial == FIRST + 501


async def test_as_many_sets_stay_as_the_settings_say_and_the_one_in_use(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    room = Room(tmp_path, fake_clock, keep=2)
    await room.keeper.open()
    for number in range(5):
        await room.mirrored(a_hdb=b"%d" % number)

    assert len(await room.keeper.stored()) == 2
    assert room.in_use() == {"a.hdb": b"4"}


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"serial": -1}', None])
async def test_when_it_is_lost_what_is_in_use_nothing_is_guessed(
    room: Room, content: bytes | None
) -> None:
    await room.mirrored(a_hdb=b"1")
    await room.mirrored(a_hdb=b"2")
    await room.keeper.roll_back(None, seen=0, who="admin")
    good, choice = room.serial, room.folder / "kept" / "choice.json"
    choice.unlink()
    if content is not None:
        choice.write_bytes(content)

    again = await reopened(room)

    assert again.keeper.current is None
    (problem,) = again.keeper.problems()
    assert problem.endswith(SAY_WHICH)
    with pytest.raises(EnvironmentFailure, match="say which"):
        await again.mirrored(a_hdb=b"3")
    await again.keeper.roll_back(good, seen=0, who="admin")
    assert again.in_use() == {"a.hdb": b"1"}
    assert again.keeper.problems() == []


async def test_a_set_in_use_that_is_gone_is_said_and_taken_anew(room: Room) -> None:
    await room.mirrored(a_hdb=b"1")
    current = room.keeper.current
    assert current is not None
    shutil.rmtree(current.folder)

    again = await reopened(room)

    assert again.keeper.problems() == [f"there are no definitions {room.serial}; {ALL_GONE}"]
    await again.mirrored(a_hdb=b"1")
    assert again.in_use() == {"a.hdb": b"1"}
    assert again.keeper.problems() == []


async def test_a_crash_before_the_choice_leaves_the_set_before_in_use(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.mirrored(a_hdb=b"1")

    def fails(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr("core.definitions.keeper.save_choice", fails)
    with pytest.raises(EnvironmentFailure, match="no room"):
        await room.mirrored(a_hdb=b"2")
    monkeypatch.undo()

    assert room.in_use() == {"a.hdb": b"1"}
    again = await reopened(room)
    assert again.in_use() == {"a.hdb": b"1"}
    await again.mirrored(a_hdb=b"2")
    assert again.in_use() == {"a.hdb": b"2"}


async def test_a_gate_that_is_switched_off_is_a_problem_that_is_shown(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    room = Room(tmp_path, fake_clock, gate="none")
    await room.keeper.open()
    await room.mirrored(a_hdb=b"1")

    assert room.gate.tried == []
    assert room.keeper.problems() == [UNTRIED]
