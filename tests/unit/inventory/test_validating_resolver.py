"""Is a node's resolver told what it needs, in words that unbound takes?"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from inventory.render.validating_resolver import is_own_resolver, resolver_text


@pytest.mark.parametrize(
    ("resolver", "is_own"),
    [("127.0.0.1:53", True), ("[::1]:53", True), ("192.0.2.53:53", False), (None, False)],
)
def test_only_a_resolver_on_the_node_is_ours_to_set_up(resolver: str | None, is_own: bool) -> None:
    assert is_own_resolver(resolver) is is_own


def test_it_asks_by_the_families_that_the_node_has() -> None:
    text = resolver_text("127.0.0.1:53", ["2001:db8::1"])

    assert "do-ip4: no" in text
    assert "do-ip6: yes" in text


@pytest.mark.parametrize("resolver", ["127.0.0.1:53", "[::1]:5353"])
def test_unbound_takes_it(tmp_path: Path, resolver: str) -> None:
    program = shutil.which("unbound-checkconf", path="/usr/bin:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("unbound is not installed: unbound-checkconf")
    anchor = tmp_path / "root.key"
    anchor.write_text(
        ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
    )
    path = tmp_path / "unbound.conf"
    text = resolver_text(resolver, ["192.0.2.1", "2001:db8::1"], anchor=str(anchor))
    path.write_text(
        f'server:\n    chroot: ""\n    username: ""\n    directory: "{tmp_path}"\n{text}'
    )

    found = subprocess.run([program, path], capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stderr
    path.write_text(path.read_text().replace("do-ip6", "do-ip7"))
    assert subprocess.run([program, path], capture_output=True, check=False).returncode != 0
