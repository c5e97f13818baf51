"""Where do the messages lie that engines are shown in a measurement?"""

from __future__ import annotations

from hashlib import sha256

from tests.bench.scanned_mail import drawn, scanned_mail


def test_large_messages_are_files_as_in_a_spool_and_small_ones_are_not() -> None:
    with scanned_mail() as mail:
        small, middle, large = mail.named(["plain4k", "multi60k", "multi500k"], "x")

        assert small.data is not None and middle.data is not None and large.data is None
        assert large.path is not None and large.path.stat().st_size == large.size
        assert sha256(b"".join(large.chunks())).digest() == large.sha256

    assert not large.path.exists()


def test_no_two_messages_are_alike_but_those_of_one_name() -> None:
    with scanned_mail() as mail:
        sent = mail.named(["plain4k", "plain4k"], "x") + mail.named(["plain4k"], "y")
        again = mail.named(["plain4k"], "x")

    assert len({one.sha256 for one in sent}) == 3
    assert again[0].sha256 == sent[0].sha256


def test_a_mix_is_the_same_each_time() -> None:
    assert drawn("mix", 300) == drawn("mix", 300)
    assert {"plain4k", "multi60k", "multi500k"} <= set(drawn("mix", 300))
