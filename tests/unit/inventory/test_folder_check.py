"""Is a folder left as it is when the clock or the inventory is a wrong one?"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

import cli.inventory
from common.errors import LocalError
from inventory.certificates import AUTHORITY_CERTIFICATE, AUTHORITY_KEY
from inventory.issuer_files import sign_request, write_request
from inventory.lab.least_core import RENDERED, put_core
from inventory.load import load_inventory, no_progress
from inventory.render.folder import render_folder
from inventory.smtp_keys import shown_keys

NOW_US = time.time_ns() // 1000
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def render(file: Path, out: Path, *, at_us: int = 0, elsewhere: Path | None = None) -> None:
    now_us = NOW_US + at_us
    render_folder(load_inventory(file), out, loopback=False, now_us=now_us, elsewhere=elsewhere)


def contents(out: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def keys(out: Path) -> dict[Path, bytes]:
    return {path: text for path, text in contents(out).items() if path.suffix == ".key"}


def begins(file: Path) -> float:
    found = x509.load_pem_x509_certificate(file.read_bytes())
    return found.not_valid_before_utc.timestamp()


@pytest.fixture
def out(small: Path, tmp_path: Path) -> Path:
    """The rendered folder of the small inventory."""
    render(small, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def renamed(out: Path, changed: Callable[..., Path]) -> Path:
    """The small inventory, of a cluster of another name than the folder."""
    return changed(("name: example", "name: other"))


@pytest.mark.parametrize("days", [1, 365])
def test_a_clock_that_is_behind_makes_nothing_anew(small: Path, out: Path, days: int) -> None:
    before = contents(out)

    with pytest.raises(LocalError, match=r"authority\.crt: begins at .* set the clock"):
        render(small, out, at_us=-days * DAY_US)
    assert contents(out) == before


def test_clocks_that_differ_by_minutes_meet_no_refusal(small: Path, out: Path) -> None:
    before = contents(out)

    render(small, out, at_us=-HOUR_US * 9 // 10)
    assert contents(out) == before


def test_a_first_rendering_by_a_clock_that_was_ahead_is_mended_as_it_is_said(
    small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ahead"
    render(small, out, at_us=10 * DAY_US)
    before, shown = keys(out), shown_keys(out, ["lon1"])
    with pytest.raises(LocalError, match=r"if it is right, .*: delete it and render, which"):
        render(small, out)

    (out / AUTHORITY_CERTIFICATE).unlink()
    render(small, out)

    assert keys(out) == before
    assert shown_keys(out, ["lon1"]) == shown
    assert all(begins(file) < NOW_US / 1_000_000 for file in out.rglob("*.crt"))
    after = contents(out)
    render(small, out)
    assert contents(out) == after


def test_a_certificate_that_begins_later_is_made_anew_for_its_key(small: Path, out: Path) -> None:
    tls = out / "lon1" / "tls"
    render(small, out, at_us=80 * DAY_US)  # by a clock that was ahead: all but the authority's
    before, shown = keys(out), shown_keys(out, ["lon1"])

    render(small, out, at_us=20 * DAY_US)

    assert keys(out) == before
    assert shown_keys(out, ["lon1"]) == shown
    assert begins(tls / "smtp.crt") < NOW_US / 1_000_000 + 20 * 86_400


def test_a_folder_that_is_older_than_the_clock_is_behind_is_safe_too(
    small: Path, out: Path
) -> None:
    render(small, out, at_us=400 * DAY_US)
    before = contents(out)

    with pytest.raises(LocalError, match=r"node\.crt: begins at .*delete .*/\*/tls/\*\.crt"):
        render(small, out, at_us=40 * DAY_US)
    assert contents(out) == before

    for file in out.glob("*/tls/*.crt"):
        file.unlink()
    render(small, out, at_us=40 * DAY_US)
    assert begins(out / "lon1" / "tls" / "smtp.crt") < NOW_US / 1_000_000 + 40 * 86_400


def test_without_the_authoritys_key_the_clock_is_said_and_not_the_key_asked_for(
    small: Path, out: Path, tmp_path: Path
) -> None:
    safe = tmp_path / "safe"
    safe.mkdir()
    render(small, out, at_us=80 * DAY_US)
    (out / AUTHORITY_KEY).rename(safe / AUTHORITY_KEY)
    shutil.copy(out / AUTHORITY_CERTIFICATE, safe)
    before = contents(tmp_path)

    with pytest.raises(LocalError, match=r"node\.crt: begins at .*set the .*--authority DIR"):
        render(small, out, at_us=70 * DAY_US)
    for elsewhere in (None, safe):
        with pytest.raises(LocalError, match=r"out/authority\.crt: begins .* --authority DIR"):
            render(small, out, at_us=-DAY_US, elsewhere=elsewhere)
    (out / AUTHORITY_CERTIFICATE).unlink()
    with pytest.raises(LocalError, match=r"safe/authority\.crt: begins at"):
        render(small, out, at_us=-DAY_US, elsewhere=safe)
    shutil.copy(safe / AUTHORITY_CERTIFICATE, out)
    assert contents(tmp_path) == before


def test_a_clock_that_is_behind_signs_no_issuer(small: Path, out: Path, tmp_path: Path) -> None:
    request, answer = tmp_path / "issuer.csr", tmp_path / "issuer.crt"
    write_request(load_inventory(small).cluster, out, request)

    with pytest.raises(LocalError, match="set the clock"):
        sign_request(request, out, answer, now_us=NOW_US - DAY_US)
    assert not answer.exists()


def test_another_clusters_inventory_renames_no_authority(renamed: Path, out: Path) -> None:
    before = contents(out)

    said = r"is the authority of the cluster example, and the inventory is of other; name another"
    with pytest.raises(LocalError, match=said):
        render(renamed, out)
    assert contents(out) == before


def test_a_cluster_that_was_renamed_is_rendered_as_it_is_said(renamed: Path, out: Path) -> None:
    key, shown = (out / AUTHORITY_KEY).read_bytes(), shown_keys(out, ["lon1"])

    (out / AUTHORITY_CERTIFICATE).unlink()
    render(renamed, out)

    assert (out / AUTHORITY_KEY).read_bytes() == key
    root = x509.load_pem_x509_certificate((out / AUTHORITY_CERTIFICATE).read_bytes())
    for file in out.rglob("tls/*.crt"):
        x509.load_pem_x509_certificate(file.read_bytes()).verify_directly_issued_by(root)
    assert len(set(shown["lon1"]) & set(shown_keys(out, ["lon1"])["lon1"])) == 2


@pytest.mark.parametrize("wrong", ["clock", "cluster"])
def test_a_revocation_that_cannot_be_rendered_revokes_nothing(
    small: Path,
    changed: Callable[..., Path],
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
) -> None:
    if wrong == "clock":
        behind_ns = (NOW_US - DAY_US) * 1000
        monkeypatch.setattr(time, "time_ns", lambda: behind_ns)
    else:
        changed(("name: example", "name: other"))
    before = contents(out)

    told = CliRunner().invoke(cli.inventory.app, ["revoke", "lon1", str(small), "--out", str(out)])

    assert told.exit_code == 1
    assert "authority.crt: " in told.stderr
    assert contents(out) == before


def test_a_new_lab_may_be_of_another_cluster_and_one_that_goes_on_may_not(
    small: Path, changed: Callable[..., Path], tmp_path: Path
) -> None:
    lab = tmp_path / "lab"
    put_core(load_inventory(small), lab, is_new=True, now_us=NOW_US, progress=no_progress)
    first = (lab / RENDERED / AUTHORITY_CERTIFICATE).read_bytes()
    put_core(load_inventory(small), lab, is_new=True, now_us=NOW_US, progress=no_progress)
    assert (lab / RENDERED / AUTHORITY_CERTIFICATE).read_bytes() == first

    other = load_inventory(changed(("name: example", "name: other")))
    with pytest.raises(LocalError, match="the cluster example, and the inventory is of other"):
        put_core(other, lab, is_new=False, now_us=NOW_US, progress=no_progress)
    put_core(other, lab, is_new=True, now_us=NOW_US, progress=no_progress)

    assert (lab / RENDERED / AUTHORITY_CERTIFICATE).read_bytes() != first
