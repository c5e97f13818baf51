"""A scanning server does not start with settings that would lose mail or take that of anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import SettingsError
from satellite.scan_server.settings_file import read_scan_settings

GOOD: dict[str, Any] = {
    "hostname": "scan.example",
    "next_hop": "127.0.0.1:10026",
    "smtp": {"listen": ["127.0.0.1:10025"]},
    "engines": [{"name": "yara", "kind": "yara"}],
}


def complaints(folder: Path, **changed: Any) -> str:
    """Return what is said of the good settings with these changes; None takes a key away."""
    said = {key: value for key, value in (GOOD | changed).items() if value is not None}
    (folder / "scan.yaml").write_text(yaml.safe_dump(said))
    try:
        read_scan_settings(folder / "scan.yaml")
    except SettingsError as error:
        return "\n".join(error.complaints)
    return ""


def test_the_good_ones_are_taken_with_their_paths_below_the_file(tmp_path: Path) -> None:
    assert complaints(tmp_path, preferences="p.json") == ""

    settings = read_scan_settings(tmp_path / "scan.yaml")

    assert settings.state == str(tmp_path / "state")
    assert settings.preferences == str(tmp_path / "p.json")
    assert settings.queue == "after"
    assert settings.quarantine == "keep"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"smtp": None, "next_hop": None}, "it listens nowhere"),
        ({"next_hop": None}, "smtp and next_hop need each other"),
        ({"smtp": None, "milter": {"listen": ["127.0.0.1:1"]}}, "smtp and next_hop need"),
        ({"next_hop": "acme.example/mx"}, "not an MX"),
        ({"quarantine": "refuse"}, "bounces to forged senders"),
        ({"smtp": {"listen": ["192.0.2.1:10025"]}}, "no loopback address"),
        ({"smtp": {"listen": ["[::]:10025"]}}, "no loopback address"),
        ({"milter": {"listen": ["0.0.0.0:10027"]}}, "no loopback address"),
        ({"clients": ["0.0.0.0/0"]}, "is everybody"),
        ({"engines": []}, "engines"),
        ({"engines": [{"name": "a", "kind": "none-such"}]}, "none-such"),
        ({"core": {}}, "unknown key 'core'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    assert said in complaints(tmp_path, **changed)


def test_elsewhere_it_listens_for_whom_it_names(tmp_path: Path) -> None:
    smtp = {"listen": ["192.0.2.1:10025"]}

    assert complaints(tmp_path, smtp=smtp, clients=["192.0.2.25/32"]) == ""


def test_before_the_queue_mail_may_be_refused(tmp_path: Path) -> None:
    assert complaints(tmp_path, queue="before", quarantine="refuse") == ""
