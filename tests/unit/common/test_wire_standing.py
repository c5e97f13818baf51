"""What a core says of itself comes back the same, and nothing else passes for it."""

from __future__ import annotations

import dataclasses

import pytest

from common import wire
from common.link import CoreStanding
from common.preferences import Epoch, Position
from common.wire import WireError

STANDING = CoreStanding(
    position=Position(Epoch(3, "11111111-1111-4111-8111-111111111111"), 42),
    digest=bytes(range(32)),
    life="0123456789abcdef" * 2,
    digest_at_yours=bytes(32),
)


@pytest.mark.parametrize(
    "standing", [STANDING, dataclasses.replace(STANDING, digest_at_yours=None)]
)
def test_a_core_is_known_by_the_first_metadata_of_a_call(standing: CoreStanding) -> None:
    metadata = (("borderscout-let-in", "1"), wire.standing_to_metadata(standing))

    assert wire.standing_from_metadata(metadata) == standing


def test_a_core_of_the_version_before_names_nothing() -> None:
    assert wire.standing_from_metadata((("borderscout-let-in", "1"),)) is None


@pytest.mark.parametrize(
    "standing",
    [
        dataclasses.replace(STANDING, life="of mine"),
        dataclasses.replace(STANDING, digest=b"short"),
        dataclasses.replace(STANDING, digest_at_yours=b"short"),
    ],
)
def test_a_core_that_says_it_wrongly_is_not_taken_for_one_that_says_nothing(
    standing: CoreStanding,
) -> None:
    with pytest.raises(WireError):
        wire.standing_from_metadata([wire.standing_to_metadata(standing)])


def test_octets_that_are_no_message_are_refused() -> None:
    name, _ = wire.standing_to_metadata(STANDING)

    with pytest.raises(WireError):
        wire.standing_from_metadata([(name, b"\xff\xff\xff")])
