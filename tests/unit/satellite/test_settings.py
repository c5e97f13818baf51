"""Is it told with its place when a kind or an option in a node's settings cannot be?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import SettingsError
from satellite.settings import load_settings

SETTINGS = """\
cluster: example
node: lon1
site: london
hostname: lon1.scout.example
mail_domain: mx.scout.example
smtp: {listen: ["127.0.0.1:2525"]}
metrics: 127.0.0.1:9100
core: {address: "127.0.0.1:1", certificate: link.pem, key: link.key, authority: authority.pem}
"""
# As the fork server runs it, but for the descriptors: none is looked at before the settings.
WORKER = """\
import os, socket, sys
from pathlib import Path
from satellite.app import worker
from satellite.node.settings_in_force import lent
from satellite.settings import load_settings
channel, _ = socket.socketpair()
with lent(load_settings(Path(sys.argv[1]))) as settings:
    sys.exit(worker.main(["0", str(os.dup(settings)), str(channel.detach())]))
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "satellite.yaml"
    path.write_text(SETTINGS + text)
    return path


def complaints(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load_settings(path, with_what_it_names=True)
    return [line.removeprefix(f"{path}:") for line in raised.value.complaints]


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_authorities_that_cannot_be_read_are_told_at_their_key(
    tmp_path: Path, content: str | None
) -> None:
    path = written(tmp_path, "delivery:\n  authorities: roots.pem\n")
    if content is not None:
        (tmp_path / "roots.pem").write_text(content)

    (found,) = complaints(path)

    assert found.startswith(f"10:3: delivery.authorities: {tmp_path / 'roots.pem'}: ")
    assert found.endswith("; name a file of certificates in PEM")


def test_every_kind_and_option_that_cannot_be_is_told_at_its_key(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "engines:\n  - {name: a, kind: norton}\n"
        "  - {name: b, kind: yara, options: {speed: 3, shipped: perhaps}}\n"
        "  - {name: c, kind: clamd, address: unix:/run/c, options: {sessions_max: 0}}\n"
        "filters:\n  - {name: d, kind: rules, options: {strict: true}}\n"
        "  - {name: e, kind: colour}\n",
    )

    found = complaints(path)

    assert found == [
        "10:15: no engine of kind 'norton' is installed; there are clamd, yara",
        "11:47: options.shipped: input should be a valid boolean, unable to interpret input, "
        "not 'perhaps'; correct the value",
        "11:37: unknown option 'speed'; there are rules, shipped",
        "12:60: options.sessions_max: input should be greater than or equal to 1, not 0; "
        "correct the value",
        "14:38: unknown option 'strict'; there are none",
        "15:15: no filter of kind 'colour' is installed; there are dnsbl, lists, rules",
    ]
    assert load_settings(path).engines[0].kind == "norton"  # who asks no more is told no more


def test_a_path_with_a_control_character_is_a_complaint_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, 'state: "a\\0b"\n')

    (complaint,) = complaints(path)
    assert complaint.startswith("9:1: state: ")
    assert "is no path; write one without control characters" in complaint


def test_a_worker_ends_with_what_is_wrong_of_an_option_and_no_traceback(tmp_path: Path) -> None:
    path = written(tmp_path, "engines: [{name: y, kind: yara, options: {speed: 3}}]\n")

    ended = subprocess.run(
        [sys.executable, "-c", WORKER, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    said = ended.stdout + ended.stderr
    assert ended.returncode == 1
    # The parent has said its place in the file before: a worker has no file.
    assert "engines.y: unknown option 'speed'; there are rules, shipped" in said
    assert "Traceback" not in said
