"""Each answer that is documented of a scanner, octet for octet, from a program that gives it."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.verdict import Outcome, Verdict
from satellite.scanning.command.day_made import day_made_us
from satellite.scanning.command.ended import Ended
from satellite.scanning.command.profile import Code, CommandProfile, Inquiry
from satellite.scanning.command.profiles import PROFILES
from satellite.scanning.command.reading import Reading
from satellite.scanning.command.sample_folder import SampleFolder
from satellite.scanning.command.scans import Scans
from satellite.scanning.engines.command import Command
from tests.support.scanning.documented_answers import (
    ANSWERS,
    ESETS_4,
    ESETS_4_CLEAN,
    NOD32_2_CLEAN,
    VSCAN,
    Answer,
)
from tests.support.scanning.messages import plain, sample_of
from tests.support.scanning.scripted_program import program

USUAL = {
    "lic": b"Status: Activated\n",
    "upd": b"EM000 1072 (20230822) Update module\nEM002 31234 (20260526) Detection engine\n",
    "lslog": b"",
    "vscan -v": VSCAN,
}
MESSAGE = plain(b"x" * 100)

# What says clean where the exit code does.
FRIENDLY = {
    "odscan": b'"log_name":"a"',
    "vscan": VSCAN,
    "dsa_scan": b'{"numOfFileScanned":1,"numOfFileInfected":0}',
}


def at_home(profile: CommandProfile, folder: Path) -> CommandProfile:
    """Return a profile whose programs lie below a folder."""

    def moved(inquiry: Inquiry | None) -> Inquiry | None:
        if inquiry is None or inquiry.program is None:
            return inquiry
        return inquiry.model_copy(update={"program": f"{folder}{inquiry.program}"})

    return profile.model_copy(
        update={
            "programs": tuple(f"{folder}{one}" for one in profile.programs),
            "version": moved(profile.version),
            "ready": moved(profile.ready),
            "names": moved(profile.names),
        }
    )


def install(answer: Answer, folder: Path) -> CommandProfile:
    """Write the programs of a profile, which answer as they shall."""
    profile = at_home(PROFILES[answer.profile], folder)
    words = folder / "words"
    words.mkdir()
    said = USUAL | answer.others
    place = shlex.quote(str(folder / "place"))

    def tells(name: str, octets: bytes) -> str:
        (words / name).write_bytes(octets)
        return f'sed "s|@|$(cat {place} 2>/dev/null)|g" {shlex.quote(str(words / name))}'

    program(
        Path(profile.programs[0]),
        f'if [ "$*" = "-v" ]; then {tells("version", said["vscan -v"])}; exit 0; fi',
        "for argument; do case $argument in */message.eml) echo -n $argument > "
        f"{place};; esac; done",
        tells("scan", answer.said),
        f"exit {answer.code}",
    )
    for inquiry in (profile.version, profile.ready, profile.names):
        if inquiry is not None and inquiry.program is not None:
            name = Path(inquiry.program).name
            program(Path(inquiry.program), tells(name, said[name]))
    return profile


@asynccontextmanager
async def engine_of(profile: CommandProfile, folder: Path) -> AsyncIterator[Command]:
    scans = Scans(
        profile,
        folder=SampleFolder(folder),
        memory_bytes=1 << 31,
        cpu_s=60,
        threads=2,
        is_root=True,
    )
    engine = Command(
        "scanner", scans, clock=SystemClock(), programs_max=1, heuristics=profile.heuristics
    )
    try:
        yield engine
    finally:
        await engine.close()


async def verdict_of(profile: CommandProfile, folder: Path) -> Verdict:
    async with engine_of(profile, folder) as engine:
        return await engine.scan(sample_of(MESSAGE), deadline_s=30.0)


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
async def test_a_documented_answer_is_what_it_says(answer: Answer, tmp_path: Path) -> None:
    profile = install(answer, tmp_path)

    verdict = await verdict_of(profile, tmp_path)

    assert (verdict.outcome, verdict.threats) == (answer.outcome, answer.threats), verdict
    assert verdict.outcome is not Outcome.ERROR or verdict.detail


@pytest.mark.parametrize("name", PROFILES)
def test_an_exit_code_that_is_not_in_the_table_is_never_clean(name: str) -> None:
    profile = PROFILES[name]
    said = FRIENDLY.get(name, NOD32_2_CLEAN)
    named = {code: by.outcome for by, codes in profile.exit_codes.items() for code in codes}

    reading = Reading(profile)

    for code in (*range(256), -9, -11):
        outcome = reading.meaning(Ended(code=code, output=said)).outcome
        assert outcome is named.get(code, Outcome.ERROR), code
    assert profile.exit_codes[Code.CLEAN] == (0,)


@pytest.mark.parametrize("name", PROFILES)
def test_an_empty_output_is_never_clean(name: str) -> None:
    reading = Reading(PROFILES[name])

    for said in (b"", b"\n", b" \r\n"):
        assert reading.meaning(Ended(code=0, output=said)).outcome is Outcome.ERROR


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_half_an_answer_is_clean_only_where_the_whole_one_is(answer: Answer) -> None:
    reading = Reading(PROFILES[answer.profile])
    whole = reading.meaning(Ended(code=answer.code, output=answer.said)).outcome

    for length in range(len(answer.said)):
        ended = Ended(code=answer.code, output=answer.said[:length], is_cut=True)
        outcome = reading.meaning(ended).outcome
        assert outcome is not Outcome.CLEAN, length
        if whole is Outcome.INFECTED and PROFILES[answer.profile].threats:
            assert outcome in (Outcome.INFECTED, Outcome.LIMITS, Outcome.ERROR), length


HIDING = [
    b'name="@ \xbb protected.zip", threat="Eicar test file", action="", info=""\n',
    b'name="@ \xbb a", threat="is OK", action="", info="", threat="Eicar test file", a="\n',
    b'name="@ \xbb archive damaged", threat="Eicar test file", action="", info="protected"\n',
    b'name="licence expired", threat="Eicar test file", action="", info=""\n',
]


@pytest.mark.parametrize("said", HIDING)
def test_no_name_of_a_file_hides_what_was_found(said: bytes) -> None:
    reading = Reading(PROFILES["esets_scan"])

    for code in (0, 1, 10, 50, 100, 200, -9):
        said_of_it = reading.meaning(Ended(code=code, output=said))
        assert said_of_it.outcome is Outcome.INFECTED
        assert "Eicar test file" in said_of_it.threats


def test_a_file_that_is_called_like_a_lost_licence_makes_no_scanner_unavailable() -> None:
    reading = Reading(PROFILES["esets_scan"])
    said = b'name="@ \xbb licence expired", threat="is OK", action="", info=""\n'

    assert reading.meaning(Ended(code=0, output=said)).outcome is Outcome.CLEAN
    assert reading.meaning(Ended(code=100, output=said)).outcome is Outcome.UNAVAILABLE


def test_a_program_that_a_signal_ended_died_of_the_message() -> None:
    reading = Reading(PROFILES["esets_scan"])

    for code, has_died in ((-11, True), (77, False)):
        said = reading.meaning(Ended(code=code))
        assert (said.outcome, said.died) == (Outcome.ERROR, has_died)


def test_what_breaks_our_own_bounds_is_incomplete() -> None:
    reading = Reading(PROFILES["esets_scan"])

    for signal in (-24, -25):  # SIGXCPU, SIGXFSZ
        assert reading.meaning(Ended(code=signal, output=ESETS_4_CLEAN)).outcome is Outcome.LIMITS
    assert reading.meaning(Ended(code=-24, output=ESETS_4)).outcome is Outcome.INFECTED


@pytest.mark.parametrize(
    ("said", "outcome", "threats"),
    [
        (b"a: Worm FOUND\n", Outcome.INFECTED, ("Worm",)),
        (b"a: Heuristics.Limits.Files FOUND\n", Outcome.LIMITS, ()),
        (b"a: Heuristics.Encrypted.Zip FOUND\n", Outcome.ENCRYPTED, ()),
        (b"a: Heuristics.Encrypted.Zip FOUND\nb: Worm FOUND\n", Outcome.INFECTED, ("Worm",)),
        (b"", Outcome.INFECTED, ("unnamed",)),
        (b"locked FOUND?\n", Outcome.INFECTED, ("unnamed",)),
    ],
)
def test_where_an_exit_code_says_found_its_words_tell_what(
    said: bytes, outcome: Outcome, threats: tuple[str, ...]
) -> None:
    reading = Reading(
        CommandProfile(
            programs=("/usr/bin/clamscan",),
            arguments=("{sample}",),
            exit_codes={Code.CLEAN: (0,), Code.FOUND: (1,)},
            threats=("(?m): (.+) FOUND$",),
            no_threats="^Heuristics[.]",
            limits=("Heuristics.Limits.* FOUND",),
            encrypted=("Heuristics.Encrypted.* FOUND",),
        )
    )

    meaning = reading.meaning(Ended(code=1, output=said))

    assert (meaning.outcome, meaning.threats) == (outcome, threats)
    assert reading.meaning(Ended(code=2, output=said)).outcome is not Outcome.CLEAN


VERSIONS = [
    ("odscan", "@In-depth scan", "31234 (20260526)"),
    ("esets_scan", "--heur --adv-heur", ""),
    ("nod32cli-2.52", "--pattern --heur", ""),
    ("vscan", "", "329"),
    ("dsa_scan", "", ""),
]


@pytest.mark.parametrize(("name", "version", "definitions"), VERSIONS)
async def test_the_version_line_has_the_definitions_and_how_deep_is_looked(
    name: str, version: str, definitions: str, tmp_path: Path
) -> None:
    clean = next(one for one in ANSWERS if one.profile == name and one.outcome is Outcome.CLEAN)
    profile = install(clean, tmp_path)

    async with engine_of(profile, tmp_path) as engine:
        health = await engine.probe()
        verdict = await engine.scan(sample_of(MESSAGE), deadline_s=30.0)

    assert health.answering
    assert (health.version, health.definitions) == (version, definitions)
    assert (verdict.version, verdict.definitions) == (version, definitions)
    assert health.definitions_us == verdict.definitions_us == day_made_us(definitions)


@pytest.mark.parametrize(
    ("version", "made_us"),
    [
        ("31234 (20260526)", 1_779_840_000_000_000),  # the end of that day
        ("31234", 0),
        ("31234 (20261399)", 0),
        ("", 0),
        ("1.2.3 (12345678)", 0),
        ("(19000101)", 0),
        ("(20991231)", 4_102_444_800_000_000),
    ],
)
def test_the_day_of_definitions_is_read_where_their_version_has_one(
    version: str, made_us: int
) -> None:
    assert day_made_us(version) == made_us


async def test_definitions_that_are_broken_make_a_scanner_unavailable_before_any_message(
    tmp_path: Path,
) -> None:
    answer = Answer(
        profile="vscan",
        label="",
        said=VSCAN,
        code=0,
        outcome=Outcome.UNAVAILABLE,
        others={"vscan -v": b"pattern file not found\n"},
    )
    profile = install(answer, tmp_path)

    async with engine_of(profile, tmp_path) as engine:
        health = await engine.probe()
        verdict = await engine.scan(sample_of(MESSAGE), deadline_s=30.0)

    assert not health.answering
    assert "pattern file not found" in health.detail
    assert verdict.outcome is Outcome.UNAVAILABLE
    assert not (tmp_path / "place").exists()  # it was not shown the message


async def test_who_is_not_root_is_told_so_by_a_scanner_that_works_for_nobody_else(
    tmp_path: Path,
) -> None:
    profile = install(ANSWERS[0], tmp_path)
    scans = Scans(
        profile,
        folder=SampleFolder(tmp_path),
        memory_bytes=1 << 31,
        cpu_s=60,
        threads=1,
        is_root=False,
    )
    engine = Command("scanner", scans, clock=SystemClock(), programs_max=1, heuristics="")

    verdict = await engine.scan(sample_of(MESSAGE), deadline_s=30.0)
    await engine.close()

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert "nobody but root" in verdict.detail
