"""Is the next key of a node known before it is shown?"""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import LocalError
from common.issuing import LIFETIME_DAYS
from inventory.load import load_inventory
from inventory.render.folder import render_folder
from inventory.render.revocation import revoke_node
from inventory.smtp_keys import shown_keys

NOW_US = 1_790_000_000_000_000
DAY_US = 86_400_000_000


def render(small: Path, out: Path, day: int = 0) -> dict[str, list[str]]:
    render_folder(load_inventory(small), out, loopback=False, now_us=NOW_US + day * DAY_US)
    return shown_keys(out, ["lon1"])


def test_a_node_has_a_key_in_use_and_a_next_one_of_each_kind(small: Path, tmp_path: Path) -> None:
    first, again = render(small, tmp_path / "out"), render(small, tmp_path / "out")

    assert len(set(first["lon1"])) == 4
    assert first == again
    for path in (tmp_path / "out" / "lon1" / "tls").glob("*-next.key"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_at_a_renewal_the_next_key_comes_into_use(small: Path, tmp_path: Path) -> None:
    tls = tmp_path / "out" / "lon1" / "tls"
    before = render(small, tmp_path / "out")
    awaited = {name: (tls / f"{name}-next.key").read_bytes() for name in ("smtp", "smtp-rsa")}
    after = render(small, tmp_path / "out", day=LIFETIME_DAYS - 1)

    for name, key in awaited.items():
        assert (tls / f"{name}.key").read_bytes() == key
        assert (tls / f"{name}-next.key").read_bytes() != key
    assert len(set(before["lon1"]) & set(after["lon1"])) == 2


def test_what_a_thief_has_is_never_shown_again(small: Path, tmp_path: Path) -> None:
    before = render(small, tmp_path / "out")
    revoke_node(tmp_path / "out", "lon1")
    after = render(small, tmp_path / "out")

    assert not set(before["lon1"]) & set(after["lon1"])


def test_a_folder_without_the_node_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"smtp\.crt: is not there; render the inventory"):
        shown_keys(tmp_path, ["lon1"])
