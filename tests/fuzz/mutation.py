"""Which octets come next?

Pure. The input of a number is made from the seed, the number and the corpus alone, so that any of
them can be made again: a kept octet string with a few changes of the kinds that break parsers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

INPUT_BYTES_MAX = 65_536
CHANGES_MAX = 8
REPEATS_MAX = 2_000  # of a piece: what costs its square or its depth shows by then

# Octets that mean something in mail, YAML, JSON, ZIP or protobuf.
TELLING = b'\x00\x01\x7f\x80\xff\r\n\t .,:;=?@<>()[]{}"\\/*%!+-_#&|~\x1b\xc3\xe2'
TOKENS = (
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n.\r\n",
    b"\n.\r\n",
    b"\xe2\x80\xae",  # a bidirectional override
    b"\xed\xa0\x80",  # half a character
    b"9223372036854775808",
    b"-1",
)

Dice = random.Random
Change = Callable[[Dice, bytes, Sequence[bytes], Sequence[bytes]], bytes]


def input_of(
    number: int, *, seed: int, corpus: Sequence[bytes], dictionary: Sequence[bytes]
) -> bytes:
    """Return one input.

    Args:
        number: which one, from 0.
        seed: of the whole run.
        corpus: what to start from, at least one.
        dictionary: words of what the target reads.
    """
    dice = random.Random(f"{seed}:{number}")
    octets = dice.choice(corpus)
    words = (*TOKENS, *dictionary)
    for _ in range(dice.randint(1, CHANGES_MAX)):
        octets = dice.choice(_CHANGES)(dice, octets, corpus, words)[:INPUT_BYTES_MAX]
    return octets


def _place(dice: Dice, octets: bytes) -> int:
    return dice.randint(0, len(octets))


def _piece(dice: Dice, octets: bytes) -> tuple[int, int]:
    """Return where a piece begins and ends; small ones are likelier."""
    start = _place(dice, octets)
    length = min(len(octets) - start, int(2 ** dice.uniform(0, 10)))
    return start, start + length


def _flip(dice: Dice, octets: bytes, *_: object) -> bytes:
    if not octets:
        return b"\0"
    place = dice.randrange(len(octets))
    return octets[:place] + bytes([octets[place] ^ 1 << dice.randrange(8)]) + octets[place + 1 :]


def _set(dice: Dice, octets: bytes, *_: object) -> bytes:
    place = _place(dice, octets)
    return octets[:place] + bytes([dice.choice(TELLING)]) + octets[place + 1 :]


def _remove(dice: Dice, octets: bytes, *_: object) -> bytes:
    start, end = _piece(dice, octets)
    return octets[:start] + octets[end:]


def _insert(dice: Dice, octets: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    place = _place(dice, octets)
    return octets[:place] + dice.choice(words) + octets[place:]


def _noise(dice: Dice, octets: bytes, *_: object) -> bytes:
    place = _place(dice, octets)
    return octets[:place] + dice.randbytes(dice.randint(1, 32)) + octets[place:]


def _repeat(dice: Dice, octets: bytes, *_: object) -> bytes:
    start, end = _piece(dice, octets)
    times = int(2 ** dice.uniform(0, REPEATS_MAX.bit_length()))
    return octets[:start] + octets[start:end] * times + octets[end:]


def _move(dice: Dice, octets: bytes, *_: object) -> bytes:
    start, end = _piece(dice, octets)
    place = _place(dice, octets)
    return octets[:place] + octets[start:end] + octets[place:]


def _splice(dice: Dice, octets: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    other = dice.choice(corpus)
    return octets[: _place(dice, octets)] + other[_place(dice, other) :]


def _cut(dice: Dice, octets: bytes, *_: object) -> bytes:
    return octets[: _place(dice, octets)]


_CHANGES: tuple[Change, ...] = (
    _flip,
    _set,
    _set,
    _remove,
    _insert,
    _insert,
    _noise,
    _repeat,
    _move,
    _splice,
    _cut,
)
