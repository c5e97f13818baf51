"""What lies in a winmail.dat is read, in each form that Outlook has for it; damage is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.scanning import tnef
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.unpack import Unpacking
from tests.support.scanning.messages import with_attachment, zipped
from tests.support.scanning.winmail import winmail

SECRET = b"the content that matters" * 4


def read(content: bytes) -> tuple[list[bytes], list[str]]:
    unpacking = Unpacking(UnfoldingLimits())
    return [
        unit.content for unit in unpacking.units(with_attachment(content))
    ], unpacking.limits_met


@pytest.mark.parametrize(
    "content",
    [
        winmail(SECRET),
        winmail(b"x" * 70_000, SECRET, b"y" * 70_000),
        winmail(zipped(("a.txt", SECRET)), b"x" * 90_000),
        winmail(message=winmail(SECRET)),
        winmail(message=winmail(message=winmail(zipped(("a.txt", SECRET))))),
        zipped(("winmail.dat", winmail(SECRET))),
    ],
)
def test_a_file_in_a_winmail_dat_is_read(content: bytes) -> None:
    found, limits_met = read(content)

    assert SECRET in found
    assert limits_met == []


@pytest.mark.parametrize("left_out", [30, 90])
def test_a_winmail_dat_that_is_cut_off_is_damage_and_read_as_far_as_it_goes(left_out: int) -> None:
    found, limits_met = read(winmail(SECRET)[:-left_out])

    assert any(SECRET[:20] in content for content in found)
    assert limits_met == ["a damaged winmail.dat"]


@given(st.data())
def test_no_damage_fails_or_lasts(data: st.DataObject) -> None:
    octets = bytearray(winmail(SECRET, message=winmail(SECRET)))
    for _ in range(3):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))

    try:
        assert len(list(tnef.files(bytes(octets)))) < 100
    except LimitExceeded as error:
        assert error.what == "a damaged winmail.dat"
