"""Is it told with its place when a kind, an option or a file in a node's settings cannot be?"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from common.errors import SettingsError
from common.exit_status import WRONG_SETTINGS
from inventory.load import load_inventory
from inventory.render.folder import render_folder
from satellite.settings import load_settings, read_settings
from tests.support.our_files import ROOT

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
PARENT = "import sys; from satellite.app import serve; sys.exit(serve.main(sys.argv[1:]))"
# As the fork server runs it, but for the descriptors: none is looked at before the settings.
WORKER = """\
import os, socket, sys
from importlib.metadata import entry_points
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

    filters = ", ".join(sorted(entry_points(group="borderscout.filters").names))
    assert found == [
        "10:15: no engine of kind 'norton' is installed; there are clamd, command, icap, "
        "trend-v1fs, yara",
        "11:47: options.shipped: input should be true or false, not 'perhaps'; correct the value",
        "11:37: unknown option 'speed'; there are rules, shipped",
        "12:60: options.sessions_max: input should be greater than or equal to 1, not 0; "
        "correct the value",
        "14:38: unknown option 'strict'; there are none",
        f"15:15: no filter of kind 'colour' is installed; there are {filters}",
    ]
    assert load_settings(path).engines[0].kind == "norton"  # who asks no more is told no more


def test_definitions_for_an_engine_that_cannot_load_them_are_a_complaint(tmp_path: Path) -> None:
    more = "engines:\n  - {name: yara, kind: yara}\ndefinitions:\n"
    path = written(tmp_path, f"{more}  - {{engine: yara, folder: db}}\n")

    assert complaints(path) == [
        "12:6: 'yara' is no engine of the kind clamd; name one of `engines`"
    ]
    path = written(
        tmp_path,
        more.replace("kind: yara", "kind: clamd, address: 'unix:/x'")
        + "  - {engine: yara, folder: db}\n",
    )
    settings = load_settings(path, with_what_it_names=True)
    assert settings.definitions[0].folder == str(tmp_path / "db")


def test_a_network_of_clients_with_two_settings_is_a_complaint_with_its_place(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, "")
    twice = "{network: 10.0.0.0/8, bare_newlines: normalise}, {network: 10.0.0.0/8}"
    path.write_text(path.read_text().replace("smtp: {", f"smtp: {{clients: [{twice}], "))

    (found,) = complaints(path)

    assert found == (
        "6:8: smtp.clients: the network 10.0.0.0/8 stands twice; remove one of the two"
    )


def test_tries_of_an_engine_that_cannot_end_in_their_time_are_a_complaint(tmp_path: Path) -> None:
    path = written(tmp_path, "engines: [{name: y, kind: yara, timeout_s: 120, tries: 3}]\n")

    (complaint,) = complaints(path)

    assert (
        "engine y: tries 3 of up to 120 s each, with pauses of 3 s, take 363 s, and "
        "total_timeout_s is 300; raise that, or lower timeout_s or tries" in complaint
    )


def test_the_tries_of_the_largest_mail_count(tmp_path: Path) -> None:
    """Fifty MiB by default, where the engine itself has no bound."""
    engine = "name: y, kind: yara, timeout_s: 60, timeout_s_per_mib: 5"
    path = written(tmp_path, f"engines: [{{{engine}}}]\n")

    (complaint,) = complaints(path)

    assert "tries 1 of up to 310 s each, with pauses of 0 s, take 310 s" in complaint
    for bound in ("bytes_max: 49283072", "total_timeout_s: 310"):
        load_settings(written(tmp_path, f"engines: [{{{engine}, {bound}}}]\n"))


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


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node's folder as the inventory renders it."""
    out = tmp_path_factory.mktemp("rendered")
    inventory = load_inventory(ROOT / "inventory" / "example.yaml")
    render_folder(inventory, out, loopback=False, now_us=time.time_ns() // 1000)
    return out / "lon1"


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("smtp.crt", None, "smtp.certificate: {}: No such file or directory"),
        ("smtp.crt", b"x", "smtp.certificate: {}: the certificate is no PEM certificate"),
        ("smtp.key", None, "smtp.key: {}: No such file or directory"),
        ("smtp.key", b"x", "smtp.key: {}: the key is no PEM key without a password"),
        ("smtp-rsa.key", "smtp.key", "smtp.rsa_key: {}: the key belongs to another certificate"),
        ("smtp-rsa.crt", "/", "smtp.rsa_certificate: {}: Is a directory"),
        ("node.key", None, "core.key: {}: No such file or directory"),
        ("authority.crt", None, "core.authority: {}: No such file or directory"),
        ("authority.crt", b"x", "core.authority: {}: "),
    ],
)
def test_a_node_does_not_begin_with_a_certificate_that_cannot_be_used(
    node: Path, tmp_path: Path, file: str, content: str | bytes | None, told: str
) -> None:
    folder = shutil.copytree(node, tmp_path / "lon1")
    config, broken = folder / "satellite.yaml", folder / "tls" / file
    read_settings(config)  # as it was rendered
    broken.unlink()
    match content:
        case bytes():
            broken.write_bytes(content)
        case "/":
            broken.mkdir()
        case str():
            shutil.copy(folder / "tls" / content, broken)

    with pytest.raises(SettingsError) as raised:
        read_settings(config)

    (complaint,) = raised.value.complaints
    place, _, what = complaint.partition(": ")
    assert place.startswith(f"{config}:")
    assert what.startswith(told.format(broken))
    assert "; " in what
    assert load_settings(config, with_what_it_names=True)  # the doctor tells of them apart


def test_a_parent_that_must_not_begin_says_so_in_lines_and_in_its_exit_status(
    node: Path, tmp_path: Path
) -> None:
    config = shutil.copytree(node, tmp_path / "lon1") / "satellite.yaml"
    for file in ("smtp.key", "node.crt"):
        (config.parent / "tls" / file).unlink()
    parent = [sys.executable, "-c", PARENT, str(config)]  # it sets up the logging of its process

    said = subprocess.run(parent, capture_output=True, text=True, check=False, timeout=60)

    assert said.returncode == WRONG_SETTINGS
    assert said.stdout == ""
    assert [line.split(": ")[1] for line in said.stderr.splitlines()] == [
        "smtp.key",
        "core.certificate",
    ]
