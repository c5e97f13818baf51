"""Which definitions pass the gate, with a real clamd?"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure
from core.definitions.gate import Gate
from core.definitions.gate_samples import EICAR, harmful, harmless
from core.definitions.programs import ProgramMissing
from core.definitions.trial_clamd import DefinitionsRefused, TrialFailed
from tests.support.scanning.clamd import clamd_binary

GOOD = f"Eicar-Test:0:*:{EICAR.hex()}\n"
EICAR_BASE64 = base64.b64encode(EICAR)[:70]
GIB = 1 << 30

needs_clamd = pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed")


def gate(
    *,
    clamd: str = "clamd",
    samples: Path | None = None,
    load_s: float = 60.0,
    memory_bytes: int = 4 * GIB,
) -> Gate:
    return Gate(clamd=clamd, memory_bytes=memory_bytes, load_s=load_s, samples=samples)


def definitions(folder: Path, **files: str | bytes) -> Path:
    """Return a folder of definitions; ``a_ndb`` stands for ``a.ndb``."""
    made = folder / "definitions"
    made.mkdir()
    for name, content in files.items():
        octets = content.encode() if isinstance(content, str) else content
        (made / name.replace("_", ".")).write_bytes(octets)
    return made


@needs_clamd
async def test_definitions_that_find_the_test_file_and_nothing_else_pass(tmp_path: Path) -> None:
    own = tmp_path / "own" / "of march"
    own.mkdir(parents=True)
    (own / "a.eml").write_bytes(b"Subject: ours\r\n\r\nour own mail\r\n")

    passed = await gate(samples=tmp_path / "own").check(definitions(tmp_path, a_ndb=GOOD))

    assert passed.version.startswith("ClamAV 1.")
    assert passed.samples == len(harmful()) + len(harmless()) + 1
    assert passed.signatures == 1


POISONED = {
    "misses the test file": (
        {"a_ndb": "Other:0:*:61626364656667686970\n"},
        "they miss the test file in 10 of 10 wrappings: base64, zip",
    ),
    "is told to pass the test file over": (
        {"a_ndb": GOOD, "c_ign2": "Eicar-Test\n"},
        "they miss the test file in 10 of 10 wrappings: base64, zip",
    ),
    "finds it in some wrappings alone": (
        {"a_ndb": f"Eicar-Mail:4:*:{EICAR_BASE64.hex()}\n"},
        "they miss the test file in 9 of 10 wrappings: zip",
    ),
    "flags what is harmless": (
        {"a_ndb": GOOD + f"Too-Much:0:*:{b'Hello Bob'.hex()}\n"},
        "they find Too-Much.UNOFFICIAL in harmless mail (plain text)",
    ),
    "is no definitions": (
        {"a_ndb": GOOD, "b_hdb": "this is no hash\n"},
        "clamd does not load them: ",
    ),
    "is cut in a line": ({"a_ndb": GOOD + GOOD[:9]}, "clamd does not load them: "),
    "is cut to nothing": ({"a_ndb": GOOD, "b_hdb": ""}, "clamd does not load them: "),
    "is a container that is cut": (
        {"a_ndb": GOOD, "daily_cvd": b"ClamAV-VDB:07 Jul 2023 04-28 -0400:27807:1:90:0:0:x:1" * 9},
        "clamd does not load them: ",
    ),
    "has a rule that cannot be read": (
        {"a_ndb": GOOD, "b_yar": "rule x { condition: \n"},
        "clamd leaves some of them out: ",
    ),
}


@needs_clamd
@pytest.mark.parametrize(("files", "reason"), POISONED.values(), ids=POISONED)
async def test_a_poisoned_set_is_refused(
    tmp_path: Path, files: dict[str, str | bytes], reason: str
) -> None:
    with pytest.raises(DefinitionsRefused) as refused:
        await gate().check(definitions(tmp_path, **files))

    assert refused.value.what.startswith(reason)
    assert str(tmp_path) not in refused.value.what


@needs_clamd
async def test_what_flags_a_sample_of_the_customers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "price\x1blist.eml").write_bytes(b"Subject: x\r\n\r\nbuy our widgets\r\n")
    files = {"a_ndb": GOOD + f"Widgets:0:*:{b'our widgets'.hex()}\n"}

    with pytest.raises(DefinitionsRefused, match=r"find Widgets.UNOFFICIAL in the sample price\?l"):
        await gate(samples=tmp_path / "own").check(definitions(tmp_path, **files))


@needs_clamd
async def test_a_clamd_that_does_not_come_to_an_end_is_ended(tmp_path: Path) -> None:
    os.mkfifo(definitions(tmp_path, a_ndb=GOOD) / "z.ndb")  # it waits for somebody to write

    with pytest.raises(DefinitionsRefused, match="had not loaded them after 1 s"):
        await gate(load_s=1.0).check(tmp_path / "definitions")


async def test_without_a_clamd_nothing_passes_and_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing, match="no-such-clamd is not installed; install it"):
        await gate(clamd="no-such-clamd").check(definitions(tmp_path, a_ndb=GOOD))


@needs_clamd
async def test_samples_that_cannot_be_read_say_nothing_of_the_definitions(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="folder of harmless samples cannot be read"):
        await gate(samples=tmp_path / "nowhere").check(definitions(tmp_path, a_ndb=GOOD))


@needs_clamd
async def test_too_little_memory_says_nothing_of_the_definitions(tmp_path: Path) -> None:
    with pytest.raises(TrialFailed, match=r"clamd does not start: .*; may it read the"):
        await gate(memory_bytes=50_000_000).check(definitions(tmp_path, a_ndb=GOOD))


@pytest.mark.parametrize(
    ("does", "kind"),
    [
        # As where AppArmor lets it read its own folder alone.
        ('echo "LibClamAV Error: cli_loaddbdir: Can\'t open directory"; exit 1', TrialFailed),
        ("echo 'ERROR: Can't initialize the internal logger'; exit 1", TrialFailed),
        ("exit 1", TrialFailed),
        ("kill -KILL $$", TrialFailed),  # the system had no memory left
        ("kill -SEGV $$", DefinitionsRefused),
        ("echo 'LibClamAV Error: Malformed database'; exit 1", DefinitionsRefused),
    ],
)
async def test_whose_fault_it_is_that_clamd_ends(
    tmp_path: Path, does: str, kind: type[Exception]
) -> None:
    script = tmp_path / "clamd"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)

    with pytest.raises(kind, match="clamd does not"):
        await gate(clamd=str(script)).check(definitions(tmp_path, a_ndb=GOOD))


@needs_clamd
@pytest.mark.parametrize("content", [GOOD, "nonsense\n"])
async def test_no_clamd_and_no_folder_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "temporary").mkdir()
        monkeypatch.setattr("tempfile.tempdir", f"{made}/temporary")
        with suppress(DefinitionsRefused):
            await gate().check(definitions(Path(made), a_ndb=content))

        assert list((Path(made) / "temporary").iterdir()) == []
        assert made not in " ".join(commands())


def commands() -> Iterator[str]:
    """Yield the command of each process that runs."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield line.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
