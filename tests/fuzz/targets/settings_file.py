"""Does every file of settings load, or get complaints that name a place and a remedy?

Touches one temporary file, since a place in a file is what a complaint is about.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from common.errors import SettingsError
from common.settings.core import CoreSettings
from common.settings.satellite import SatelliteSettings
from core.settings import load_settings as load_core
from inventory.load import examine
from satellite.settings import load_settings as load_satellite

WORDS = (
    b"smtp: ", b"listen: [", b"engines:\n  - ", b"name: ", b"&a ", b"*a", b"<<: *a", b"!!python/x ",
    b"!!str ", b"! ", b"<<: [*a, *a]", b"1_0", b"0o7", b"---\n", b"#", b"'", b'"', b"|\n ",
    b"core: {", b"sites:\n", b"nodes: [", b"0x10", b"1e400", b".nan", b"\n  ", b"? ", b"- - - ",
    b"2001:db8::1", b"\xef\xbb\xbf", b"%YAML 1.1\n---\n", b"...\n", b"true", b"null", b"12:30:45",
)  # fmt: skip

COST = 2
FILE_BYTES_MAX = 16_384
_COMPLAINT = re.compile(r".*:[1-9][0-9]*:[1-9][0-9]*: [^\r\n]+; [^\r\n]+")


def target(data: bytes) -> None:
    """Load the octets as the settings of a node, of the core, and as an inventory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.yaml"
        path.write_bytes(data[:FILE_BYTES_MAX])
        for load in (load_satellite, load_core):
            _load(path, load)
        examined = examine(path)
        complaints = [str(one) for one in (*examined.errors, *examined.warnings)]
        assert (examined.inventory is None) is bool(examined.errors)
        _check_complaints(complaints)


def _load(path: Path, load: object) -> None:
    assert callable(load)
    try:
        assert isinstance(load(path), SatelliteSettings | CoreSettings)
    except SettingsError as error:
        _check_complaints(error.complaints)
        assert error.complaints


def _check_complaints(complaints: list[str]) -> None:
    for complaint in complaints:
        assert _COMPLAINT.fullmatch(complaint), complaint
        assert complaint.isprintable(), "it goes to a terminal"
