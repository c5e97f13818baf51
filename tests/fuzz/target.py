"""Which parsers are fuzzed, and from which octets on?

Touches the files of ``corpus``. A target is a module of ``targets`` with a function ``target``,
which takes octets and fails when a claim about the parser does not hold; ``WORDS`` of what it
reads; ``READS_MAIL`` when the messages of ``tests/mail`` are seeds as well; ``KNOWN``: the names of
kept inputs that fail and are not mended yet, each with the reason; ``KNOWN_ERRORS``: how such
errors begin, which are no news; and ``COST``: for how many inputs of others one of its own counts.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.fuzz import targets
from tests.fuzz.mutation import INPUT_BYTES_MAX
from tests.support.smtp import corpus as mail

CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True, slots=True)
class Target:
    """One parser, or a few that read the same octets."""

    name: str
    run: Callable[[bytes], None]
    words: tuple[bytes, ...]
    reads_mail: bool
    known: Mapping[str, str]
    known_errors: tuple[str, ...]
    cost: int

    @property
    def folder(self) -> Path:
        """Where its kept inputs are."""
        return CORPUS / self.name

    def kept(self) -> dict[str, bytes]:
        """Return the kept inputs by name."""
        if not self.folder.is_dir():
            return {}
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}

    def seeds(self) -> list[bytes]:
        """Return what inputs are made from: all that is kept, but for what is known to fail."""
        found = [octets for name, octets in self.kept().items() if name not in self.known]
        if self.reads_mail:
            found += [mail.message(name)[:INPUT_BYTES_MAX] for name in mail.names()]
        return found or [b""]

    def keep(self, octets: bytes) -> Path:
        """Write an input into the corpus; return its file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"found-{sha256(octets).hexdigest()[:12]}"
        path.write_bytes(octets)
        return path


def target_names() -> list[str]:
    """Return the names of all targets."""
    return sorted(module.name for module in pkgutil.iter_modules(targets.__path__))


def load(name: str) -> Target:
    """Return a target."""
    module = importlib.import_module(f"tests.fuzz.targets.{name}")
    return Target(
        name=name,
        run=module.target,
        words=tuple(getattr(module, "WORDS", ())),
        reads_mail=getattr(module, "READS_MAIL", False),
        known=getattr(module, "KNOWN", {}),
        known_errors=tuple(getattr(module, "KNOWN_ERRORS", ())),
        cost=getattr(module, "COST", 1),
    )
