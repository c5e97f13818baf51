"""What stands on a delivered copy, and what must not?"""

from __future__ import annotations

import email
import re
from email.message import Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.message_bounds import HEAD_BYTES_MAX, HEADER_SECTION_BYTES_MAX
from common.verdict import Effect, Outcome, Test, Verdict
from satellite.headers import HEADER_BYTES_MAX, HeaderBlock, KeptHeader, render, render_released
from satellite.headers.forged import FOREIGN_NAMES_MAX, PARTS_MAX, RESULTS_MAX, not_forged
from satellite.headers.ours import TAGGED_SUBJECTS_MAX, _virus
from satellite.spool.model.messages import Copy

US = "mx.scout.example"
ID = "01JDZ0000000000000000000AB"
NOW_US = 1_767_225_600_000_000
HOUR_US = 3_600_000_000
TRACE = b"Received: from a (b [192.0.2.7])\r\n by mx.scout.example; now\r\n"


def rendered(data: bytes, **more: Any) -> Copy:
    facts: dict[str, Any] = {
        "trace": TRACE,
        "id": ID,
        "node": "lon1",
        "revision": 42,
        "disposition_word": "deliver",
        "verdicts": (
            Verdict(
                by="clamav", outcome=Outcome.CLEAN, version="1.4.3", definitions="27807", ms=31
            ),
        ),
        "scanned_us": NOW_US,
        "score": 1.2,
        "required": 5.0,
        "tests": (),
        "spam": False,
    }
    return render(kept(data), **(facts | more))


def kept(data: bytes) -> KeptHeader:
    return KeptHeader(HeaderBlock.parse(data), mail_domain=US)


def is_forged(data: bytes) -> bool:
    block = HeaderBlock.parse(data)
    return len(not_forged(block, US)) < len(block.spans)


def whole(data: bytes, **more: Any) -> bytes:
    copy = rendered(data, **more)
    return copy.head + data[copy.skip :]


def read(data: bytes) -> Message:
    return email.message_from_bytes(data)


def test_our_lines_stand_on_top_in_the_promised_form() -> None:
    copy = rendered(
        b"Subject: hi\r\n\r\nbody",
        verdicts=(
            Verdict(
                by="clamav", outcome=Outcome.CLEAN, version="1.4.3", definitions="27807", ms=31
            ),
            Verdict(by="nod32", outcome=Outcome.UNAVAILABLE),
            Verdict(by="trend", outcome=Outcome.CLEAN, version="9.1", ms=7),
        ),
        tests=(Test(name="DNSBL_ZEN"), Test(name="DKIM_PASS", score=-0.1)),
    )

    assert copy.skip == 0
    assert copy.head == TRACE + (
        b"X-BorderScout: id=01JDZ0000000000000000000AB; node=lon1; revision=42;\r\n"
        b" disposition=deliver\r\n"
        b"X-BorderScout-Virus: clean; clamav=clean 1.4.3/27807 31ms; nod32=unavailable;\r\n"
        b" trend=clean 9.1 7ms\r\n"
        b"X-BorderScout-Spam: no; score=1.2 required=5.0; tests=DNSBL_ZEN:0.0,\r\n"
        b" DKIM_PASS:-0.1\r\n"
        b"Authentication-Results: mx.scout.example; none\r\n"
    )


def with_age(made_us: int) -> Verdict:
    return Verdict(
        by="clamav",
        outcome=Outcome.CLEAN,
        version="1.4.3",
        definitions="27807",
        definitions_us=made_us,
        ms=31,
    )


@pytest.mark.parametrize(
    ("hours", "word"),
    [(0, "0h"), (3, "3h"), (47, "47h"), (48, "2d"), (200, "8d"), (24 * 5000, "999d"), (-9, "0h")],
)
def test_the_line_says_how_old_the_definitions_were(hours: int, word: str) -> None:
    age_us = hours * HOUR_US + (59 * 60_000_000 if hours >= 0 else 0)

    line = read(whole(b"\r\n", verdicts=[with_age(NOW_US - age_us)]))["X-BorderScout-Virus"]

    assert line == f"clean; clamav=clean 1.4.3/27807 {word} 31ms"


def test_the_line_of_one_message_is_kept_for_the_next_ones_of_the_hour() -> None:
    _virus.cache_clear()
    for second in range(60):
        rendered(b"\r\n", verdicts=[with_age(NOW_US)], scanned_us=NOW_US + second * 1_000_000)

    assert _virus.cache_info().misses == 1


def test_a_message_without_forged_fields_is_sent_on_octet_for_octet() -> None:
    data = b"Subject: hi\nodd line\r\nX-Other: 1\r\n\r\n\x00\xffbody"

    copy = rendered(data)

    assert (copy.skip, whole(data)) == (0, copy.head + data)


@pytest.mark.parametrize(
    "forged",
    [
        b"X-BorderScout: id=x\r\n",
        b"x-borderscout-virus: clean\r\n",
        b"X-BORDERSCOUT-SPAM : no\r\n",
        b"X-BorderScout\t:\r\n id=x\r\n",
        b"X-BorderScout\r\n : id=x\r\n",
        b"X-BorderScout-Anything-New: yes\r\n",
        b"X-Border\x00Scout: id=x\r\n",
        b"X-Harmless: a\rX-BorderScout: id=x\r\n",
        b"X-BorderScout without a colon\r\n",
        b"Authentication-Results: mx.scout.example; spf=pass\r\n",
        b"authentication-results: MX.Scout.Example; dkim=pass\r\n",
        b'Authentication-Results: "mx.scout.example"; dkim=pass\r\n',
        b"Authentication-Results: (we (really)) mx.scout.example (us) 1; dkim=pass\r\n",
        b"Authentication-Results:\r\n (a \\) b) mx.scout.example; dkim=pass\r\n",
        b"Authentication-Results : mx.scout.example.; dkim=pass\r\n",
        b"Authentication-Results: mx.scout.example\r\n",
        b"Authentication-Results: MX.scout.example. 1; dkim=pass\r\n",
        b'Authentication-Results: "mx.scout.exam\\ple"; dkim=pass\r\n',
        b"Authentication-Results: mx.(x)scout.example; dkim=pass\r\n",
        b"Authentication-Results: (never closed mx.scout.example; dkim=pass\r\n",
        b"Authentication-Results: mx\xe3\x80\x82scout\xe3\x80\x82example; dkim=pass\r\n",
    ],
)
def test_a_forged_field_is_taken_out_wherever_it_stands(forged: bytes) -> None:
    for data in (
        forged + b"Subject: hi\r\n\r\nbody",
        b"Subject: hi\r\n" + forged + b"To: x\r\n\r\nbody",
        b"Subject: hi\r\n" + forged + b"\r\nbody",
        b"Subject: hi\r\n" + forged,
    ):
        copy = rendered(data)

        assert copy.skip == HeaderBlock.parse(data).end
        assert copy.head.count(b"Subject: hi\r\n") == 1
        assert forged not in copy.head
        assert whole(data) == copy.head + data[copy.skip :]


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: other.example; spf=pass (mx.scout.example)\r\n",
        b"Authentication-Results: mx.scout.example.evil.example; spf=pass\r\n",
        b"Authentication-Results: (mx.scout.example) other.example; spf=pass\r\n",
        b"ARC-Authentication-Results: i=1; mx.scout.example; spf=pass\r\n",
        b"X-Border: x\r\n",
        b"Subject: X-BorderScout: id=x\r\n",
        b"Subject: fold\r\n X-BorderScout: id=x\r\n",
    ],
)
def test_a_field_of_somebody_else_is_kept(field: bytes) -> None:
    assert not is_forged(field)
    assert rendered(field + b"\r\nbody").skip == 0


@pytest.mark.parametrize(
    ("field", "count", "expected"),
    [
        ("Authentication-Results: other.example; spf=pass\r\n", RESULTS_MAX, RESULTS_MAX),
        ("Authentication-Results: other.example; spf=pass\r\n", 4_000, RESULTS_MAX),
        ("Authentication-Results: \u00fc.example; spf=pass\r\n", FOREIGN_NAMES_MAX // 2, 4),
        ("Authentication-Results: \u00fc.example; spf=pass\r\n", 4_000, FOREIGN_NAMES_MAX // 2),
        (f"Authentication-Results: {'()' * PARTS_MAX} other.example; spf=pass\r\n", 1, 0),
    ],
)
def test_of_too_many_or_too_odd_results_those_beyond_the_bounds_are_taken_for_ours(
    field: str, count: int, expected: int
) -> None:
    block = HeaderBlock.parse(field.encode() * count + b"\r\n")

    assert len(not_forged(block, US)) == expected


def test_a_message_that_begins_with_a_fold_does_not_continue_our_last_line() -> None:
    data = b" spf=pass\r\nSubject: hi\r\n\r\nbody"

    message = read(whole(data))

    assert message["Authentication-Results"] == "mx.scout.example; none"
    assert whole(data).endswith(b"none\r\n\r\n" + data)


def test_a_message_without_a_header_becomes_all_body() -> None:
    assert read(whole(b"hello world\r\n")).get_payload() == "hello world\r\n"


def test_an_empty_message_gets_our_lines() -> None:
    assert read(whole(b""))["X-BorderScout-Spam"].startswith("no;")


def test_a_header_too_large_to_look_through_becomes_body_so_that_nothing_forged_survives() -> None:
    data = b"A: b\r\n" * (HEADER_BYTES_MAX // 6 + 10) + b"X-BorderScout-Virus: clean\r\n\r\n"

    message = read(whole(data))

    assert len(message.get_all("X-BorderScout-Virus", [])) == 1
    assert whole(data).endswith(data)


def test_a_subject_tag_stands_before_the_subject_and_leaves_its_octets() -> None:
    data = b"To: x\r\nsubject: =?utf-8?q?caf=C3=A9?=\r\n more\r\n\r\nbody"

    copy = rendered(data, subject_tag="[SPAM]")

    assert b"subject: [SPAM] =?utf-8?q?caf=C3=A9?=\r\n more\r\n\r\n" in copy.head
    assert whole(data, subject_tag="[SPAM]").endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize(
    ("subject", "tagged"),
    [
        (b"Subject: " + b"x" * 990 + b"\r\n", b"Subject: [SPAM]\r\n " + b"x" * 990 + b"\r\n"),
        (b"Subject:\r\n folded\r\n", b"Subject: [SPAM]\r\n folded\r\n"),
        (b"Subject:\r\n", b"Subject: [SPAM]\r\n"),
        (b"Subject: \r\n \r\n", b"Subject: [SPAM]\r\n"),
        (b"Subject:tight\r\n", b"Subject: [SPAM] tight\r\n"),
        (b"Subject: a\r\nSubject: b\r\n", b"Subject: [SPAM] a\r\nSubject: [SPAM] b\r\n"),
        (b"To: x\r\n", b"Subject: [SPAM]\r\nTo: x\r\n"),
    ],
)
def test_any_subject_can_be_tagged(subject: bytes, tagged: bytes) -> None:
    assert whole(subject + b"\r\nbody", subject_tag="[SPAM]").endswith(tagged + b"\r\nbody")


def test_without_a_subject_to_change_the_message_stays_as_it_is() -> None:
    assert rendered(b"To: x\r\n\r\nbody", subject_tag="[SPAM]").skip == 0


def test_a_release_says_what_it_was_released_from_and_takes_forged_fields_out() -> None:
    data = b"X-BorderScout: forged\r\nSubject: hi\r\n\r\nbody"

    copy = render_released(
        kept(data),
        trace=b"",
        id=ID,
        node="par1",
        revision=7,
        released_from="01JDZ0000000000000000000CD",
    )

    assert copy.head == (
        b"X-BorderScout: id=01JDZ0000000000000000000AB; node=par1; revision=7;\r\n"
        b" disposition=deliver; released_from=01JDZ0000000000000000000CD\r\n"
        b"Authentication-Results: mx.scout.example; none\r\nSubject: hi\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("outcomes", "summary"),
    [
        ([Outcome.CLEAN, Outcome.INFECTED], "infected"),
        ([Outcome.CLEAN, Outcome.LIMITS], "limits"),
        ([Outcome.CLEAN, Outcome.UNAVAILABLE], "clean"),
        ([Outcome.UNAVAILABLE, Outcome.ERROR], "error"),
        ([Outcome.UNAVAILABLE], "unavailable"),
        ([Outcome.SKIPPED], "skipped"),
        ([], "unscanned"),
    ],
)
def test_the_summary_is_never_clean_unless_an_engine_said_so(
    outcomes: list[Outcome], summary: str
) -> None:
    verdicts = [Verdict(by=f"e{n}", outcome=outcome) for n, outcome in enumerate(outcomes)]

    line = read(whole(b"\r\n", verdicts=verdicts))["X-BorderScout-Virus"]

    assert line.split(";")[0] == summary


hostile_text = st.text(max_size=40) | st.sampled_from(
    ["a\r\nBcc: x", "a\nb", "\r", "x; score=-99", "é" * 300, "a" * 2000, "\x00\x1b[2J", "\u202e"]
)
odd_verdicts = st.lists(
    st.builds(
        Verdict,
        by=hostile_text,
        outcome=st.sampled_from(Outcome),
        version=hostile_text,
        definitions=hostile_text,
        definitions_us=st.integers(0, 1 << 63),
        ms=st.integers(0, 10**9),
        threats=st.lists(hostile_text, max_size=5).map(tuple),
        detail=hostile_text,
    ),
    max_size=40,
)
odd_tests = st.lists(
    st.builds(Test, name=hostile_text, score=st.floats(-1e4, 1e4), detail=hostile_text),
    max_size=150,
)


@given(odd_verdicts, odd_tests, hostile_text, st.floats(-1e5, 1e5))
def test_no_value_breaks_a_line_or_makes_one_too_long(
    verdicts: list[Verdict], tests: list[Test], tag: str, score: float
) -> None:
    head = rendered(
        b"To: x\r\n\r\n", verdicts=verdicts, tests=tests, score=score, subject_tag=tag
    ).head

    lines = head.removesuffix(b"\r\n").split(b"\r\n")
    assert all(b"\r" not in line and b"\n" not in line for line in lines)
    assert all(len(line) <= 998 for line in lines)
    assert all(re.fullmatch(rb"[ -~]+", line) for line in lines)
    names = [line.partition(b":")[0] for line in lines if not line.startswith(b" ")]
    expected = [b"Received", b"X-BorderScout", b"X-BorderScout-Virus", b"X-BorderScout-Spam"]
    assert names == [*expected, b"Authentication-Results", *([b"Subject"] if tag else [])]


piece = st.sampled_from(
    [
        b"X-BorderScout", b"x-borderscout-spam", b"Authentication-Results", b"Subject", b"To",
        b":", b" :", b" ", b"\t", b"\r\n", b"\n", b"\r", b"\r\n ", b"\x00", b"(", b")", b'"',
        b"mx.scout.example", b"MX.SCOUT.EXAMPLE", b"other.example", b";", b" none", b"\\", b"\xff",
    ]
)  # fmt: skip
odd_mail = st.lists(piece, max_size=40).map(b"".join) | st.binary(max_size=200)


@given(odd_mail, st.sampled_from(["", "[SPAM]"]))
def test_the_body_is_never_changed(data: bytes, tag: str) -> None:
    end = HeaderBlock.parse(data).end

    assert whole(data, subject_tag=tag).endswith(data[end:])
    assert rendered(data, subject_tag=tag).skip in (0, end)


def claims_to_be_ours(name: str, value: str) -> bool:
    if name.strip().lower().startswith("x-borderscout"):
        return True
    text = re.sub(r"\s", "", value).lower()
    return name.strip().lower() == "authentication-results" and text.startswith("mx.scout.example;")


@given(odd_mail)
def test_whatever_comes_in_only_our_own_fields_bear_our_name(data: bytes) -> None:
    message = read(whole(data, trace=b""))

    found = [name for name, value in message.items() if claims_to_be_ours(name, str(value))]
    assert found == [
        "X-BorderScout",
        "X-BorderScout-Virus",
        "X-BorderScout-Spam",
        "Authentication-Results",
    ]


@given(odd_mail)
def test_taking_forged_fields_out_twice_finds_nothing_more(data: bytes) -> None:
    copy = rendered(data)
    ours = rendered(b"").head.removesuffix(b"\r\n")

    again = copy.head[len(ours) :] + data[copy.skip :]

    assert again.startswith((b"\r\n", b"\n")) or not is_forged(again)


SEPARATOR = b"From a@b.example Mon Mar  2 09:30:00 2026\r\n"


@pytest.mark.parametrize("tag", ["", "[SPAM]"])
def test_a_mailbox_files_separator_becomes_a_field_and_the_header_stays_one(tag: str) -> None:
    data = SEPARATOR + b"X-BorderScout: forged\r\nSubject: hi\r\nTo: x@y\r\n\r\nbody"

    delivered = read(whole(data, subject_tag=tag))

    assert delivered["X-Mailbox-Line"] == SEPARATOR.strip().decode()
    assert delivered["Subject"] == f"{tag} hi".strip()
    assert delivered["To"] == "x@y"
    assert delivered.get_all("X-BorderScout") == [read(whole(b"\r\n"))["X-BorderScout"]]
    assert delivered.get_payload() == "body"


def test_a_mailbox_files_separator_is_all_that_is_left_out_of_the_message() -> None:
    copy = rendered(SEPARATOR + b"Subject: hi\r\n\r\nbody")

    assert copy.skip == len(SEPARATOR)


@pytest.mark.parametrize("rest", [b"", b"\r\nbody", b"no field\r\n\r\nbody"])
def test_a_separator_with_no_header_behind_it_loses_nothing(rest: bytes) -> None:
    said = whole(SEPARATOR + rest)

    assert said.endswith(rest)
    assert b"From a@b.example Mon" in said


def test_a_separator_cannot_forge_a_line_of_ours_or_a_long_one() -> None:
    for text in (b"x\rX-BorderScout: forged", b"y" * 5000):
        head = rendered(b"From " + text + b"\r\nTo: x@y\r\n\r\n").head

        assert b"\r" not in head.replace(b"\r\n", b"")
        assert max(map(len, head.split(b"\r\n"))) <= 998


def test_the_results_of_sender_authentication_stand_in_one_field_of_ours() -> None:
    results = (("spf=pass", "smtp.mailfrom=a.example"), ("dkim=none",), ("dmarc=pass", "(p=none)"))
    forged = b"Authentication-Results: mx.scout.example; spf=fail\r\nSubject: hi\r\n\r\nbody"

    data = whole(forged, results=results)

    fields = read(data).get_all("Authentication-Results")
    assert fields == [
        "mx.scout.example; spf=pass smtp.mailfrom=a.example;\r\n dkim=none; dmarc=pass (p=none)"
    ]


def test_a_test_that_tells_has_its_words_in_a_field_of_its_own() -> None:
    told = Test(name="CLOUDMARK", detail="v=2.4 cv=Vq5x== a=b:117", effect=Effect.TELL)
    quiet = Test(name="DNSBL_ZEN", detail="not for readers")

    copy = rendered(b"Subject: x\r\n\r\n", tests=(told, quiet))

    assert b"\r\nX-BorderScout-Analysis: CLOUDMARK; v=2.4 cv=Vq5x== a=b:117\r\n" in copy.head
    assert copy.head.count(b"X-BorderScout-Analysis") == 1
    assert b"not for readers" not in copy.head


@pytest.mark.parametrize("detail", ["a\r\nBcc: all", "x" * 5_000, "y " * 5_000, "ü; (\x00"])
def test_words_of_a_stranger_stay_in_their_field(detail: str) -> None:
    tests = [Test(name="CLOUDMARK", detail=detail, effect=Effect.TELL)] * 9

    head = rendered(b"Subject: x\r\n\r\n", tests=tests).head

    assert head.count(b"X-BorderScout-Analysis") == 4
    assert b"Bcc" not in [line.partition(b":")[0] for line in head.split(b"\r\n")]
    assert max(map(len, head.split(b"\r\n"))) < 998
    assert len(head) < 8_000


def test_the_longest_copy_that_a_stranger_can_have_made_is_one_that_the_core_takes() -> None:
    forged = b"X-Spam-Status: No\r\n"  # with one of ours to drop, the whole section is written anew
    subjects = b"".join(b"Subject: %s\r\n" % (b"s" * 9_000) for _ in range(TAGGED_SUBJECTS_MAX))
    ours = b"X-Scout-Id: forged\r\n" + forged + subjects
    room = HEADER_SECTION_BYTES_MAX - len(ours) - len(b"X: \r\n\r\n")
    data = ours + b"X: " + b"x" * room + b"\r\n\r\nbody"
    long = "w" * 5_000

    copy = rendered(
        data,
        node="n" * 64,
        verdicts=(Verdict(by=long[:64], outcome=Outcome.INFECTED, threats=(long,) * 9),) * 64,
        tests=(Test(name=long),) * 2_000,
        subject_tag=long,
        results=((long[:320],) * 10,) * 20,  # of signatures and their domains
    )

    assert HEADER_SECTION_BYTES_MAX < len(copy.head) < HEAD_BYTES_MAX / 2
