"""Is a peer that went silent looked after, and no other one; and how large may a packet be?"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from common.errors import PeerError
from common.wireguard.tunnel_file import Endpoint, TunnelFile, TunnelPeer
from common.wireguard.tunnel_mtu import CLOSE, LOWEST, SMALL, path_mtu
from common.wireguard.tunnel_state import (
    PeerNow,
    TunnelNow,
    health_of,
    health_text,
    parse_dump,
    parse_health,
)
from common.wireguard.tunnel_watch import TunnelWatch, is_silent

HERE = Endpoint(host="192.0.2.1", port=51820)
PEER = TunnelPeer(
    name="core", public_key="K", allowed=("10.0.0.1/32",), endpoint=HERE, keepalive_s=25
)
FILE = TunnelFile(private_key="SECRET", addresses=(), peers=(PEER,))
NOW = PeerNow(public_key="K", endpoint=HERE, handshake_s=1000)


def tunnel(peer: PeerNow) -> TunnelNow:
    return TunnelNow(private_key="SECRET", peers=(peer,))


@pytest.mark.parametrize(("at_s", "silent"), [(1000, False), (1135, False), (1136, True)])
def test_a_peer_is_silent_after_135_seconds(at_s: int, silent: bool) -> None:
    assert is_silent(PEER, NOW, at_s=at_s) is silent


def test_a_peer_without_keepalive_or_endpoint_is_never_silent() -> None:
    assert not is_silent(replace(PEER, keepalive_s=0), NOW, at_s=9999)
    assert not is_silent(replace(PEER, endpoint=None), NOW, at_s=9999)


def test_a_peer_that_shook_hands_in_the_future_is_silent() -> None:
    """The clock was set back since."""
    assert is_silent(PEER, NOW, at_s=900)


def test_a_silent_peer_is_sought_less_and_less_often() -> None:
    watch = TunnelWatch()
    silent = tunnel(replace(NOW, handshake_s=0))
    sought = [
        clock
        for clock in range(0, 2000, 10)
        if watch.due(FILE, silent, at_s=2000, clock_s=float(clock))
    ]

    assert sought[:6] == [0, 10, 30, 70, 150, 310]
    assert {b - a for a, b in pairwise(sought[5:])} == {300}
    assert watch.due(FILE, tunnel(NOW), at_s=1000, clock_s=2000.0) == {}
    assert watch.due(FILE, silent, at_s=2000, clock_s=2001.0) == {"K": ""}  # from the beginning


def test_an_address_has_led_nowhere_when_it_was_there_at_the_last_try_already() -> None:
    watch = TunnelWatch()
    silent = tunnel(replace(NOW, handshake_s=0))

    assert watch.due(FILE, silent, at_s=0, clock_s=0.0) == {"K": ""}
    assert watch.due(FILE, silent, at_s=0, clock_s=10.0) == {"K": "192.0.2.1"}


def test_a_path_is_measured_again_after_ten_minutes_or_when_the_peer_moved() -> None:
    watch = TunnelWatch()
    assert watch.to_probe(FILE, tunnel(NOW), at_s=1000, clock_s=5.0) == PEER
    watch.probed(PEER, tunnel(NOW), mtu=1420, clock_s=5.0)

    assert watch.to_probe(FILE, tunnel(NOW), at_s=1000, clock_s=604.0) is None
    assert watch.to_probe(FILE, tunnel(NOW), at_s=1000, clock_s=605.0) == PEER
    moved = tunnel(replace(NOW, endpoint=Endpoint(host="192.0.2.2", port=1)))
    assert watch.to_probe(FILE, moved, at_s=1000, clock_s=6.0) == PEER
    assert watch.to_probe(FILE, tunnel(replace(NOW, handshake_s=0)), at_s=9, clock_s=9e9) is None


@pytest.mark.parametrize("carried", [576, 1136, 1232, 1279, 1280, 1300, 1419, 1420, 2000])
def test_the_largest_packet_that_passes_is_found(carried: int) -> None:
    tried: list[int] = []

    def passes(size: int) -> bool:
        tried.append(size)
        return size <= carried

    found = path_mtu(passes, ceiling=1420)

    assert min(carried, 1420) - CLOSE <= found <= min(carried, 1420)
    assert len(tried) <= 12
    assert carried < 1420 or tried == [SMALL, 1420]


def test_of_a_path_that_answers_nothing_nothing_is_known() -> None:
    assert path_mtu(lambda _: False, ceiling=1420) == 0
    assert path_mtu(lambda size: size < LOWEST, ceiling=1420) == 0


def test_what_wg_prints_is_read() -> None:
    dump = (
        "SECRET\tpub\t51820\toff\n"
        "K\t(none)\t192.0.2.1:51820\t10.0.0.1/32,fd00::1/128\t1000\t5\t6\t25\n"
        "L\tPSK\t(none)\t(none)\t0\t0\t0\toff\n"
        "M\t(none)\t[fe80::1%eth0]:9\t(none)\t0\t0\t0\toff\n"
    )
    first, second, third = parse_dump(dump).peers

    assert first.endpoint == HERE
    assert (first.allowed, first.handshake_s) == (("10.0.0.1/32", "fd00::1/128"), 1000)
    assert (first.received_bytes, first.sent_bytes, first.keepalive_s) == (5, 6, 25)
    assert (second.endpoint, second.allowed, second.preshared_key) == (None, (), "PSK")
    assert third.endpoint == Endpoint(host="fe80::1", port=9)


@pytest.mark.parametrize("text", ["", "a\tb\n", "a\tb\tx\toff\n", "a\tb\t1\toff\nK\t1\n"])
def test_what_wg_never_prints_is_refused(text: str) -> None:
    with pytest.raises(PeerError, match="nobody understands"):
        parse_dump(text)


def test_what_is_told_holds_no_key_and_is_read_again() -> None:
    told = health_of(
        FILE, tunnel(NOW), interface="wg0", at_s=1001, mtu=1420, problem="é\n", path_mtus={"K": 9}
    )
    text = health_text(told)

    assert parse_health(text.encode()) == told
    assert "SECRET" not in text
    assert '"K"' not in text
    assert (told.peers[0].handshake_s, told.peers[0].mtu, told.problem) == (1000, 9, "??")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"interface": "wg0", "at_s": 1, "up": "yes"}',
        '{"interface": "wg0", "at_s": -1, "up": true}',
        '{"interface": "wg0\\n", "at_s": 1, "up": true}',
        '{"interface": "wg0", "at_s": 1, "up": true, "peers": [{"name": "\\u001b[2J"}]}',
        '{"interface": "wg0", "at_s": 1, "up": true, "peers": [{"name": 5}]}',
    ],
)
def test_what_nobody_told_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="validation"):
        parse_health(text.encode())
