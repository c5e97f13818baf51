"""Is a rendered folder whole, the same each time, and without others' secrets?"""

from __future__ import annotations

import base64
import json
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import core.settings
import satellite.settings
from common.durable import write_file
from common.errors import EnvironmentFailure, LocalError
from common.preferences import Document, Preferences
from common.preferences.documents import NOTHING, canonical_json
from common.settings.yaml_tree import parse_yaml
from inventory.certificates import AUTHORITY_CERTIFICATE
from inventory.load import load_inventory
from inventory.model import Inventory
from inventory.render.folder import render_folder, strangers
from satellite.smtp.certificate import StarttlsCertificate

NOW_US = 1_795_500_000_000_000  # in November 2026
DAY_US = 86_400_000_000


def contents(out: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file with its content and mode."""
    return {
        str(path.relative_to(out)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def render(inventory: Inventory, out: Path, *, loopback: bool = True, now_us: int = NOW_US) -> dict:  # type: ignore[type-arg]
    return render_folder(inventory, out, loopback=loopback, now_us=now_us)


@pytest.mark.parametrize("loopback", [True, False])
def test_the_same_inventory_gives_the_same_files(
    example: Inventory, tmp_path: Path, loopback: bool
) -> None:
    out = tmp_path / "out"
    first = render(example, out, loopback=loopback)
    before = contents(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*")}

    assert render(example, out, loopback=loopback, now_us=NOW_US + 30 * DAY_US) == first
    assert contents(out) == before
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times


def test_what_decides_nothing_about_the_order_of_files_changes_none(
    small: Path, tmp_path: Path
) -> None:
    render(load_inventory(small), tmp_path / "out")
    before = contents(tmp_path / "out")
    small.write_text(f"# a comment\n{small.read_text()}")

    render(load_inventory(small), tmp_path / "out")
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("loopback", [True, False])
def test_every_node_can_read_its_settings(
    example: Inventory, tmp_path: Path, loopback: bool
) -> None:
    endpoints = render(example, tmp_path, loopback=loopback)

    for name, entry in endpoints["satellites"].items():
        settings = satellite.settings.load_settings(tmp_path / entry["config"])
        assert (settings.node, settings.site) == (name, entry["site"])
        assert all(
            Path(file).is_file()
            for file in (
                settings.smtp.certificate,
                settings.smtp.key,
                settings.smtp.rsa_certificate,
                settings.smtp.rsa_key,
                settings.core.certificate,
                settings.core.key,
                settings.core.authority,
            )
        )
        assert settings.core.address == endpoints["core"]["grpc"]
    of_core = core.settings.load_settings(tmp_path / endpoints["core"]["config"])
    assert Path(of_core.tls.key).is_file()
    assert of_core.token_file == endpoints["core"]["token_file"]
    assert [(node.name, node.site) for node in of_core.nodes] == [
        ("lon1", "london"),
        ("lon2", "london"),
        ("fra1", "frankfurt"),
        ("mad1", "madrid"),
    ]


def test_endpoints_are_what_was_written(example: Inventory, tmp_path: Path) -> None:
    endpoints = render(example, tmp_path)

    assert json.loads((tmp_path / "endpoints.json").read_text()) == endpoints
    assert endpoints["core"]["config"] == "core/core.yaml"
    assert endpoints["core"]["url"].startswith("http://127.0.0.1:")
    lon1 = endpoints["satellites"]["lon1"]
    settings = satellite.settings.load_settings(tmp_path / lon1["config"])
    assert settings.smtp.listen == [lon1["smtp"]]
    assert lon1["metrics"] == f"http://{settings.metrics}/metrics"


def test_on_loopback_every_port_can_be_had_by_an_ordinary_user(
    example: Inventory, tmp_path: Path
) -> None:
    render(example, tmp_path)
    chosen = json.loads((tmp_path / "ports.json").read_text())
    every = [port for ports in chosen.values() for port in ports.values()]

    assert len(set(every)) == len(every) == 12
    assert all(1024 <= port < 32_768 for port in every)
    for port in every:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_private_key_stands_in_its_own_nodes_folder_alone(
    example: Inventory, tmp_path: Path
) -> None:
    render(example, tmp_path, loopback=False)
    found = contents(tmp_path)
    # Of a PEM key its first line: the later ones hold the public key, which is no secret.
    secrets = {
        name: next(line for line in content.splitlines() if b"-----" not in line)
        for name, (content, _) in found.items()
        if name.endswith((".key", "token")) or name == "authority"
    }

    assert len(secrets) == 4 * 6 + 3 + 1 + 1
    assert len(set(secrets.values())) == len(secrets)
    for owner, secret in secrets.items():
        folder = owner.partition("/")[0]
        for name, (content, mode) in found.items():
            if secret in content:
                assert name.partition("/")[0] == folder, f"{owner} shows in {name}"
                assert mode == 0o600, name


def test_folders_are_closed_to_others(example: Inventory, tmp_path: Path) -> None:
    render(example, tmp_path / "a" / "out")

    for folder in [tmp_path / "a" / "out" / "lon1", tmp_path / "a" / "out" / "lon1" / "tls"]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_with_a_wider_mode_is_closed_again(example: Inventory, tmp_path: Path) -> None:
    render(example, tmp_path)
    before = contents(tmp_path)
    (tmp_path / "lon1" / "tls" / "node.key").chmod(0o644)

    render(example, tmp_path)
    assert contents(tmp_path) == before


def test_wireguard_peers_fit_each_other(example: Inventory, tmp_path: Path) -> None:
    render(example, tmp_path, loopback=False)
    core_text = (tmp_path / "core" / "wg0.conf").read_text()
    lon1_text = (tmp_path / "lon1" / "wg0.conf").read_text()

    from inventory.keys import public_key

    core_key = public_key((tmp_path / "core" / "wireguard.key").read_text().strip())
    lon1_key = public_key((tmp_path / "lon1" / "wireguard.key").read_text().strip())
    assert f"PublicKey = {lon1_key}\nAllowedIPs = 10.77.1.1/32" in core_text
    assert f"PublicKey = {core_key}\nAllowedIPs = 10.77.0.1/32" in lon1_text
    assert lon1_text.count("[Peer]") == 1
    assert core_text.count("[Peer]") == 4
    for line in (core_text + lon1_text).splitlines():
        if line.startswith(("PrivateKey", "PublicKey")):
            assert len(base64.b64decode(line.partition(" = ")[2], validate=True)) == 32


def test_rendering_never_touches_state(example: Inventory, tmp_path: Path) -> None:
    render(example, tmp_path)
    spool = tmp_path / "lon1" / "state" / "shard-0" / "spool.db"
    spool.parent.mkdir(parents=True)
    spool.write_bytes(b"mail")
    spool.parent.chmod(0o500)
    before = spool.stat()

    render(example, tmp_path)
    after = spool.stat()
    assert (after.st_mtime_ns, after.st_ino, spool.read_bytes()) == (
        before.st_mtime_ns,
        before.st_ino,
        b"mail",
    )


def test_a_node_that_comes_changes_no_other_node(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    render(load_inventory(changed()), out)
    before = contents(out)
    more = "      - {name: par2, public: 198.51.100.11, vpn_address: 10.77.2.2}\ncustomers:\n"

    render(load_inventory(changed(("customers:\n", more))), out)
    after = contents(out)
    differing = {name for name in before if after[name] != before[name]}
    assert differing == {
        "certificates.json",
        "core/core.yaml",
        "core/preferences.json",
        "core/wg0.conf",
        "endpoints.json",
        "ports.json",
    }
    assert {name.partition("/")[0] for name in after.keys() - before.keys()} == {"par2"}


def test_a_node_that_went_is_named_and_left(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    render(load_inventory(small), out)
    small.write_text(small.read_text().replace("par1", "par9"))
    inventory = load_inventory(small)
    render(inventory, out)

    assert strangers(inventory, out) == ["par1"]
    assert (out / "par1" / "satellite.yaml").is_file()


def test_certificates_that_are_due_are_renewed_and_nothing_else(
    example: Inventory, tmp_path: Path
) -> None:
    render(example, tmp_path)
    before = contents(tmp_path)

    render(example, tmp_path, now_us=NOW_US + 85 * DAY_US)
    after = contents(tmp_path)
    differing = {name for name in before if after[name] != before[name]}
    assert differing == {"certificates.json", "core/core.yaml"} | {
        name
        for name in before
        if Path(name).parent.name == "tls" and Path(name).name != AUTHORITY_CERTIFICATE
    }


def test_certificates_name_their_nodes(example: Inventory, tmp_path: Path) -> None:
    render(example, tmp_path)

    for folder, uri in (("core", "core/core"), ("fra1", "satellite/fra1")):
        pem = (tmp_path / folder / "tls" / "node.crt").read_bytes()
        names = (
            x509.load_pem_x509_certificate(pem)
            .extensions.get_extension_for_class(x509.SubjectAlternativeName)
            .value
        )
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
            f"borderscout://example/{uri}"
        ]


def test_the_first_revision_holds_routes_and_weights(example: Inventory, tmp_path: Path) -> None:
    render(example, tmp_path)
    tree = json.loads((tmp_path / "core" / "preferences.json").read_text())
    preferences = Preferences.from_documents(
        [Document(one["kind"], one["key"], 0, canonical_json(one["body"])) for one in tree],
        position=NOTHING,
    )

    route = preferences.route("initech.example")
    assert route is not None
    assert (route.customer, route.hold_days) == ("initech", 14)
    assert preferences.filters("dnsbl")["zen"].codes == {"127.0.0.2": 4.0, "127.0.0.10": 1.5}
    assert preferences.engine_is_required("clamav")
    kinds = ["route"] * 5 + ["engine"] * 2 + ["filter"] + ["node"] * 4
    assert [one["kind"] for one in tree] == kinds


@pytest.mark.parametrize("loopback", [True, False])
def test_a_document_of_a_node_has_the_settings_that_are_rendered_for_it_and_no_key(
    example: Inventory, tmp_path: Path, loopback: bool
) -> None:
    render(example, tmp_path, loopback=loopback)
    tree = json.loads((tmp_path / "core" / "preferences.json").read_text())
    bodies = {one["key"]: one["body"] for one in tree if one["kind"] == "node"}

    for name, body in bodies.items():
        assert (
            body["settings"] == parse_yaml((tmp_path / name / "satellite.yaml").read_text()).value
        )
        assert ("wireguard" in body) is not loopback
        key = (tmp_path / name / "wireguard.key").read_text().strip()
        assert key not in json.dumps(body)


def test_a_limit_of_volume_is_a_document_and_no_setting(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    entry = "filters: [{name: flood, kind: volume, options: {per: sender, limit: 20}}]"
    path = changed(("customers:\n", f"{entry}\ncustomers:\n"))

    render(load_inventory(path), tmp_path / "out")

    tree = json.loads((tmp_path / "out" / "core" / "preferences.json").read_text())
    assert {"per": "sender", "limit": 20} in [one["body"].get("options") for one in tree]
    assert "limit" not in (tmp_path / "out" / "lon1" / "satellite.yaml").read_text()


def test_what_a_filter_weighs_stands_in_its_document_and_the_rest_in_the_settings(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    entry = "{name: ours, kind: rspamd, address: '127.0.0.1:11333', weights: {factor: 0.5}}"
    path = changed(("customers:\n", f"filters: [{entry}]\ncustomers:\n"))
    render(load_inventory(path), tmp_path / "out")
    tree = json.loads((tmp_path / "out" / "core" / "preferences.json").read_text())

    (body,) = (one["body"] for one in tree if one["kind"] == "filter")
    assert body == {"kind": "rspamd", "enabled": True, "options": {"factor": 0.5}}
    settings = next((tmp_path / "out").glob("*/satellite.yaml")).read_text()
    assert "address: 127.0.0.1:11333" in settings
    assert "weights" not in settings


def test_an_engine_is_optional_only_where_all_nodes_say_so(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    path = changed(
        (
            "capacity: 200",
            "engines: [{name: a, kind: yara}, {name: b, kind: yara, required: false}]",
        ),
        ("customers:\n", "engines: [{name: a, kind: yara, required: false}]\ncustomers:\n"),
    )
    render(load_inventory(path), tmp_path / "out")
    tree = json.loads((tmp_path / "out" / "core" / "preferences.json").read_text())

    engines = {one["key"]: one["body"]["required"] for one in tree if one["kind"] == "engine"}
    assert engines == {"a": True, "b": False}


def test_of_several_ages_of_an_engines_definitions_the_lowest_holds(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    ages = "engines: [{name: a, kind: yara, definitions_age_max_h: %s}, {name: b, kind: yara}]"
    path = changed(
        ("capacity: 200", ages % 48),
        ("customers:\n", f"{ages % 0}\ncustomers:\n"),
    )
    render(load_inventory(path), tmp_path / "out")
    tree = json.loads((tmp_path / "out" / "core" / "preferences.json").read_text())

    ages_h = {
        one["key"]: one["body"].get("definitions_age_max_h")
        for one in tree
        if one["kind"] == "engine"
    }
    assert ages_h == {"a": 48.0, "b": None}


@pytest.mark.parametrize(
    "file", ["authority", "ports.json", "core/wireguard.key", "core/token", "lon1/tls/node.crt"]
)
def test_nothing_is_written_when_a_kept_file_is_damaged(
    example: Inventory, tmp_path: Path, file: str
) -> None:
    render(example, tmp_path)
    (tmp_path / file).write_text("")
    (tmp_path / "lon1" / "satellite.yaml").unlink()
    before = contents(tmp_path)

    with pytest.raises(LocalError):
        render(example, tmp_path)
    assert contents(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(
    example: Inventory, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EnvironmentFailure, match="name another folder"):
        render(example, tmp_path / "file" / "out")


def test_a_rendering_that_was_torn_is_finished_by_the_next(
    example: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inventory.render import machine_file

    written: list[Path] = []

    def torn(path: Path, content: bytes, *, mode: int) -> None:
        if len(written) == 12:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        write_file(path, content, mode=mode)

    monkeypatch.setattr(machine_file, "write_file", torn)
    with pytest.raises(EnvironmentFailure, match="No space left"):
        render(example, tmp_path)
    kept = contents(tmp_path)
    monkeypatch.undo()

    render(example, tmp_path)
    after = contents(tmp_path)
    assert len(kept) == 12
    assert {name: after[name] for name in kept if not name.endswith("node.key")} == {
        name: found for name, found in kept.items() if not name.endswith("node.key")
    }


def test_a_node_has_a_certificate_for_senders_with_ecdsa_and_one_for_those_without(
    example: Inventory, tmp_path: Path
) -> None:
    endpoints = render(example, tmp_path)

    smtp = satellite.settings.load_settings(
        tmp_path / endpoints["satellites"]["lon1"]["config"]
    ).smtp
    of_ecdsa, of_rsa = (
        x509.load_pem_x509_certificate(Path(file).read_bytes())
        for file in (smtp.certificate, smtp.rsa_certificate)
    )
    assert isinstance(of_ecdsa.public_key(), ec.EllipticCurvePublicKey)
    assert isinstance(of_rsa.public_key(), rsa.RSAPublicKey)
    names = x509.SubjectAlternativeName
    assert of_rsa.extensions.get_extension_for_class(
        names
    ) == of_ecdsa.extensions.get_extension_for_class(names)
    assert StarttlsCertificate(smtp).load() is not None, "the files belong together"
