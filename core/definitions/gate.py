"""May a set of definitions go out to the sites?

Touches nothing itself but the customer's own samples: the trial clamd does. A set must load, find
the test file in each of ten wrappings, and find nothing in harmless mail: ours, and whatever the
operators put into their folder of samples. One that fails stays here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import EnvironmentFailure
from core.definitions.gate_samples import harmful, harmless
from core.definitions.trial_clamd import DefinitionsRefused, TrialClamd

OWN_SAMPLES_MAX = 5_000  # of the customer's
OWN_SAMPLE_BYTES_MAX = 26_214_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A set may go out.

    Args:
        version: as clamd says it.
        signatures: how many it loaded; 0: unknown.
        samples: how many messages were looked at.
    """

    version: str
    signatures: int
    samples: int


class Gate:
    """The trial that each set of definitions goes through.

    Args:
        clamd: the program, by name or path.
        memory_bytes: that it may use.
        load_s: seconds that it may take to load.
        samples: a folder of harmless messages of the customer's own; None: there is none.
    """

    def __init__(
        self, *, clamd: str, memory_bytes: int, load_s: float, samples: Path | None
    ) -> None:
        self._clamd = clamd
        self._memory_bytes = memory_bytes
        self._load_s = load_s
        self._samples = samples

    async def check(self, definitions: Path) -> Passed:
        """Return what was seen of a set that may go out.

        Raises:
            DefinitionsRefused: it may not; the text says why.
            EnvironmentFailure: nothing is known: clamd is not there, or the samples cannot be read.
        """
        own = await asyncio.to_thread(self._own_samples)
        trial = TrialClamd(
            definitions,
            program=self._clamd,
            memory_bytes=self._memory_bytes,
            load_s=self._load_s,
        )
        async with trial as clamd:
            if clamd.passed_over:
                raise DefinitionsRefused(f"clamd leaves some of them out: {clamd.passed_over}")
            missed = [name for name, octets in harmful().items() if not await _found(clamd, octets)]
            if missed:
                raise DefinitionsRefused(
                    f"they miss the test file in {len(missed)} of {len(harmful())} wrappings:"
                    f" {', '.join(missed)}"
                )
            for name, octets in harmless().items():
                _refuse_alarm(await clamd.threat_in(octets), f"harmless mail ({name})")
            for path in own:
                octets = await asyncio.to_thread(_read_sample, path)
                _refuse_alarm(await clamd.threat_in(octets), f"the sample {_plain(path.name)}")
            return Passed(
                version=clamd.version,
                signatures=clamd.signatures,
                samples=len(harmful()) + len(harmless()) + len(own),
            )

    def _own_samples(self) -> list[Path]:
        """Return the customer's samples, sorted.

        Raises:
            EnvironmentFailure: the folder cannot be read, or there are too many.
        """
        if self._samples is None:
            return []
        try:
            found = sorted(_files_below(self._samples))
        except OSError as error:
            raise EnvironmentFailure(
                f"the folder of harmless samples cannot be read: {error}",
                hint="correct definitions.samples in the core's settings",
            ) from None
        if len(found) > OWN_SAMPLES_MAX:
            raise EnvironmentFailure(
                f"there are {len(found)} harmless samples; at most {OWN_SAMPLES_MAX} are tried",
                hint="take some out of the folder definitions.samples",
            )
        return found


def _files_below(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from _files_below(path)
        elif path.is_file() and not path.name.startswith("."):
            yield path


def _read_sample(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(OWN_SAMPLE_BYTES_MAX)
    except OSError as error:
        raise EnvironmentFailure(
            f"a harmless sample cannot be read: {error}", hint="correct its rights"
        ) from None


async def _found(clamd: TrialClamd, octets: bytes) -> bool:
    return bool(await clamd.threat_in(octets))


def _refuse_alarm(threat: str, where: str) -> None:
    if threat:
        raise DefinitionsRefused(f"they find {threat} in {where}")


def _plain(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:100])
