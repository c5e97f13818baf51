"""What does a sketch say of things that there was no room for?"""

from __future__ import annotations

from hashlib import blake2b

from satellite.tallies.sketch import GENERATION_S, Sketch


def digest(number: int) -> bytes:
    return blake2b(str(number).encode(), digest_size=16).digest()


def test_an_estimate_is_never_too_little_and_mostly_right() -> None:
    sketch = Sketch(1)
    for number in range(3_000):
        sketch.add(digest(number), number % 5 + 1, now_s=1.0)

    wrong = 0
    for number in range(3_000):
        estimate = sketch.estimate(digest(number), now_s=1.0)
        assert estimate >= number % 5 + 1
        wrong += estimate != number % 5 + 1
    assert wrong < 60


def test_what_nobody_added_is_not_there() -> None:
    sketch = Sketch(1)
    sketch.add(digest(1), 9, now_s=1.0)

    assert sketch.estimate(digest(2), now_s=1.0) == 0


def test_it_forgets_after_two_generations() -> None:
    sketch = Sketch(1)
    sketch.add(digest(1), 9, now_s=GENERATION_S)

    assert sketch.estimate(digest(1), now_s=GENERATION_S * 2.5) == 9
    assert sketch.estimate(digest(1), now_s=GENERATION_S * 3.5) == 0


def test_two_processes_do_not_collide_on_the_same_things() -> None:
    one, other = Sketch(1), Sketch(2)

    places = [[sketch._indexes(digest(number)) for number in range(50)] for sketch in (one, other)]

    assert places[0] != places[1]
