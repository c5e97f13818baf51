"""What was stolen is let in no more, and what is honest is let in all along."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

import cli.inventory
import core.settings
from common.certificate import serial_number
from common.errors import LocalError
from inventory.let_in import BOOK_FILE, CertificateBook, certificate_book
from inventory.load import load_inventory
from inventory.model import Inventory
from inventory.render.folder import render_folder
from inventory.render.revocation import revoke_node

NOW_US = time.time_ns() // 1000
DAY_US = 86_400_000_000


def render(inventory: Inventory, out: Path, *, days: int = 0) -> None:
    render_folder(inventory, out, loopback=True, now_us=NOW_US + days * DAY_US)


def let_in(out: Path, node: str = "lon1") -> list[str]:
    settings = core.settings.load_settings(out / "core" / "core.yaml")
    return {one.name: one.certificates for one in settings.nodes}[node]


def shown(out: Path, name: str = "node", node: str = "lon1") -> str:
    return serial_number((out / node / "tls" / f"{name}.crt").read_bytes())


def secrets(out: Path, node: str = "lon1") -> dict[str, bytes]:
    files = [*(out / node / "tls").glob("*.key"), out / node / "wireguard.key"]
    return {file.name: file.read_bytes() for file in files}


def test_the_core_lets_in_each_nodes_certificate_and_no_other(
    example: Inventory, tmp_path: Path
) -> None:
    render(example, tmp_path)

    assert let_in(tmp_path) == [shown(tmp_path)]
    assert let_in(tmp_path, "fra1") == [shown(tmp_path, node="fra1")]


def test_the_certificate_before_a_renewal_is_let_in_until_it_ends(
    example: Inventory, tmp_path: Path
) -> None:
    render(example, tmp_path)
    before = shown(tmp_path)

    render(example, tmp_path, days=80)
    after = shown(tmp_path)
    assert after != before
    assert let_in(tmp_path) == [before, after]
    render(example, tmp_path, days=89)
    assert let_in(tmp_path) == [before, after]

    render(example, tmp_path, days=91)
    assert let_in(tmp_path) == [after]


def test_a_folder_of_the_version_before_lets_in_what_its_nodes_show(
    example: Inventory, tmp_path: Path
) -> None:
    render(example, tmp_path)
    before = shown(tmp_path)
    (tmp_path / BOOK_FILE).unlink()

    render(example, tmp_path, days=80)

    assert let_in(tmp_path) == [before, shown(tmp_path)]


def test_a_revoked_node_has_new_keys_and_others_keep_theirs(
    example: Inventory, tmp_path: Path
) -> None:
    render(example, tmp_path)
    render(example, tmp_path, days=80)
    stolen, kept = secrets(tmp_path), secrets(tmp_path, "fra1")
    of_thief = let_in(tmp_path)

    revoke_node(tmp_path, "lon1")
    render(example, tmp_path, days=80)

    assert len(of_thief) == 2
    assert let_in(tmp_path) == [shown(tmp_path)]
    assert not set(let_in(tmp_path)) & set(of_thief)
    fresh = secrets(tmp_path)
    assert fresh.keys() == stolen.keys()
    assert all(fresh[name] != stolen[name] for name in fresh)
    assert secrets(tmp_path, "fra1") == kept
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    render(example, tmp_path, days=80)
    assert {path: path.read_bytes() for path in after} == after


def test_a_revocation_that_was_cut_is_completed_by_the_next_rendering(
    example: Inventory, tmp_path: Path
) -> None:
    render(example, tmp_path)
    stolen, files = secrets(tmp_path), {}
    for name in ("node", "smtp", "smtp-rsa"):
        for end in ("crt", "key"):
            file = tmp_path / "lon1" / "tls" / f"{name}.{end}"
            files[file] = file.read_bytes()
    serial = shown(tmp_path)
    revoke_node(tmp_path, "lon1")
    render(example, tmp_path)
    for file, content in files.items():  # what a torn rendering had not written yet
        file.write_bytes(content)

    render(example, tmp_path)

    assert serial not in let_in(tmp_path)
    assert shown(tmp_path) in let_in(tmp_path)
    assert all(secrets(tmp_path)[name] != stolen[name] for name in stolen)


def test_a_damaged_book_stops_the_rendering(example: Inventory, tmp_path: Path) -> None:
    for content in ("[]", "{", '{"lon1": {"let_in": 1}}'):
        (tmp_path / BOOK_FILE).write_text(content)
        with pytest.raises(LocalError, match="no list of certificates"):
            render(example, tmp_path)


def test_a_node_has_so_many_certificates_at_once_at_the_most(
    example: Inventory, tmp_path: Path
) -> None:
    render(example, tmp_path)
    pem = (tmp_path / "lon1" / "tls" / "node.crt").read_bytes()
    ends_s = int(x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp())
    book = CertificateBook()
    many = {f"{number:x}": ends_s - 100 + number for number in range(1, 40)}
    book.nodes["lon1"] = book.of("lon1").model_copy(update={"let_in": many})

    book.made("lon1", pem, now_us=NOW_US)

    assert len(book.of("lon1").let_in) == 16
    assert serial_number(pem) in book.of("lon1").let_in


def test_the_command_revokes_and_says_what_to_copy_what_shuts_out_first(
    small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    inventory = load_inventory(small)
    node = next(node.name for _, node in inventory.nodes())
    render(inventory, out)
    before = shown(out, node=node)

    told = CliRunner().invoke(
        cli.inventory.app, ["revoke", node, str(small), "--out", str(out), "--json"]
    )

    assert told.exit_code == 0, told.output
    assert shown(out, node=node) != before
    assert certificate_book(out).of(node).revoked.count(before) == 1
    copies = json.loads(told.stdout)["copy"]
    assert copies[0]["file"].endswith("core/core.yaml")
    assert all(Path(copy["file"]).exists() for copy in copies)
    spoken = CliRunner().invoke(cli.inventory.app, ["revoke", node, str(small), "--out", str(out)])
    assert "core/core.yaml -> core:/etc/borderscout/core.yaml" in spoken.stdout


def test_a_cluster_that_was_tried_on_loopback_is_revoked_on_its_machines(
    small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    inventory = load_inventory(small)
    node = next(node.name for _, node in inventory.nodes())
    render(inventory, out)
    render_folder(inventory, out, loopback=False, now_us=NOW_US)
    before = core.settings.load_settings(out / "core" / "core.yaml")

    told = CliRunner().invoke(cli.inventory.app, ["revoke", node, str(small), "--out", str(out)])

    assert told.exit_code == 0, told.output
    after = core.settings.load_settings(out / "core" / "core.yaml")
    assert after.grpc == before.grpc
    assert "127.0.0.1" not in after.grpc


def test_the_command_refuses_a_node_that_is_not_there(small: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    out = str(tmp_path / "out")

    unknown = run(cli.inventory.app, ["revoke", "gone1", str(small), "--out", out])
    node = next(node.name for _, node in load_inventory(small).nodes())
    empty = run(cli.inventory.app, ["revoke", node, str(small), "--out", out])
    half = run(cli.inventory.app, ["revoke", node, str(small)])

    assert (unknown.exit_code, empty.exit_code, half.exit_code) == (1, 1, 2)
    assert "has no node gone1" in unknown.stderr
    assert "render it first" in empty.stderr
