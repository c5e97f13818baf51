"""Which messages are there, and are the files beside this one what the code makes?

Touches the folder. ``python -m tests.mail.make`` writes the files anew; ``--check`` only compares.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.mail import attachments, automatic, everyday, hostile, odd, signed
from tests.mail.specimens import Specimen

FOLDER = Path(__file__).parent

ALL: Mapping[str, Specimen] = {
    specimen.name: specimen
    for module in (everyday, automatic, attachments, signed, odd, hostile)
    for specimen in module.SPECIMENS
}


def wanted() -> dict[str, bytes]:
    """Return the files that should stand in the folder, by name."""
    return {f"{one.name}.eml": one.make() for one in ALL.values() if one.in_file}


def differences(folder: Path = FOLDER) -> list[str]:
    """Return one line for each file that is missing, differs, or belongs to nobody."""
    files = wanted()
    there = {path.name: path.read_bytes() for path in folder.glob("*.eml")}
    complaints = [f"{name} is missing" for name in sorted(files.keys() - there.keys())]
    complaints += [f"{name} is made by nothing" for name in sorted(there.keys() - files.keys())]
    common = sorted(files.keys() & there.keys())
    return complaints + [f"{name} differs" for name in common if files[name] != there[name]]


def write(folder: Path = FOLDER) -> None:
    """Make the folder hold exactly the files that are wanted."""
    files = wanted()
    for path in folder.glob("*.eml"):
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def main(argv: list[str]) -> int:
    """Write the files, or with ``--check`` say what differs."""
    if argv != ["--check"]:
        write()
        return 0
    complaints = differences()
    for complaint in complaints:
        print(f"tests/mail: {complaint}; run python -m tests.mail.make", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
