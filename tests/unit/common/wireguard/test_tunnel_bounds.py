"""Does a tunnel lead nowhere else than root allows?"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from common.errors import SettingsError
from common.wireguard.tunnel_bounds import must_lie_within, networks_text, parse_networks
from common.wireguard.tunnel_file import parse_tunnel_file
from common.wireguard.tunnel_interface import read_tunnel_file

KEY = base64.b64encode(bytes(32)).decode()
ALLOWED = networks_text(["10.77.0.0/16", "fd00:77::/64"])


def text(*, address: str = "10.77.1.1/32", allowed: str = "10.77.0.1/32, fd00:77::1/128") -> str:
    return (
        f"[Interface]\nAddress = {address}\nPrivateKey = {KEY}\n"
        f"[Peer]\nPublicKey = {KEY}\nAllowedIPs = {allowed}\n"
    )


@pytest.mark.parametrize(
    ("said", "outside"),
    [
        ({}, ""),
        ({"allowed": "10.77.0.0/16"}, ""),
        ({"allowed": "10.77.0.1/32, 0.0.0.0/1"}, "0.0.0.0/1"),
        ({"allowed": "10.0.0.0/8"}, "10.0.0.0/8"),
        ({"allowed": "::/1"}, "::/1"),
        ({"address": "192.0.2.53/32"}, "192.0.2.53/32"),
        ({"address": "10.77.1.1/8"}, "10.0.0.0/8"),
    ],
)
def test_a_tunnel_to_elsewhere_is_refused(said: dict[str, str], outside: str) -> None:
    networks = parse_networks(ALLOWED, file="n")
    tunnel = parse_tunnel_file(text(**said), file="w")

    if not outside:
        must_lie_within(tunnel, networks, file="w")
        return
    with pytest.raises(SettingsError) as refused:
        must_lie_within(tunnel, networks, file="w")
    assert f"w:1:1: {outside} lies outside" in str(refused.value)


def test_a_file_that_names_no_network_allows_none() -> None:
    tunnel = parse_tunnel_file(text(), file="w")

    with pytest.raises(SettingsError, match="lies outside"):
        must_lie_within(tunnel, parse_networks("# nothing\n", file="n"), file="w")


def test_a_line_that_is_no_network_is_named() -> None:
    with pytest.raises(SettingsError, match="n:2:1: is no network"):
        parse_networks("10.77.0.0/16\nall\n", file="n")


def test_bounds_hold_where_their_file_is(tmp_path: Path) -> None:
    config, within = tmp_path / "wg0.conf", tmp_path / "tunnel.networks"
    config.write_text(text(allowed="0.0.0.0/1"))

    read_tunnel_file(config, within=within)
    within.write_text(ALLOWED)

    with pytest.raises(SettingsError, match="lies outside"):
        read_tunnel_file(config, within=within)
