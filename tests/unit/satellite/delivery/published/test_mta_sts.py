"""An MTA-STS record or policy that cannot be read is none, and names hosts exactly."""

from __future__ import annotations

import pytest

from satellite.delivery.published.mta_sts import (
    MAX_AGE_S_MAX,
    StsMode,
    StsPolicy,
    parse_sts_policy,
    record_id,
)

GOOD = (
    b"version: STSv1\r\nmode: enforce\r\nmx: Mail.example.com\r\n"
    b"mx: *.example.net\nmax_age: 86400\n"
)


@pytest.mark.parametrize(
    ("texts", "identity"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=spf1 -all", "v=STSv1;id=a1"], "a1"),
        (["v=STSv1; id=a1", "v=STSv1; id=a2"], None),
        (["v=STSv1; id=not-alphanumeric"], None),
        (["v=STSv1; id=" + "a" * 33], None),
        (["v=STSv12; id=a1"], None),
        (["v=STSv1"], None),
        ([], None),
    ],
)
def test_a_record_gives_one_id_or_none(texts: list[str], identity: str | None) -> None:
    assert record_id(texts) == identity


def test_a_policy_is_read() -> None:
    hosts = ("mail.example.com", "*.example.net")

    assert parse_sts_policy(GOOD) == StsPolicy(mode=StsMode.ENFORCE, max_age_s=86_400, hosts=hosts)
    longest = parse_sts_policy(GOOD.replace(b"86400", b"9999999999"))
    assert longest.max_age_s == MAX_AGE_S_MAX


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        (b"STSv1", b"STSv2", "version"),
        (b"enforce", b"Enforce", "mode"),
        (b"mode: enforce\r\n", b"", "mode"),
        (b"86400", b"-1", "max_age"),
        (b"Mail.example.com", b"mail.example.com/../x", "no host name"),
        (b"*.example.net", b"*.*.net", "no host name"),
        (b"mx:", b"nx:", "names no mx"),
        (b"Mail", b"M\xc3\xa4il", "not ASCII"),
    ],
)
def test_what_is_no_policy_is_refused(before: bytes, after: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_sts_policy(GOOD.replace(before, after))


@pytest.mark.parametrize(
    ("host", "is_named"),
    [
        ("mail.example.com", True),
        ("MAIL.example.com.", True),
        ("other.example.com", False),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
    ],
)
def test_a_wildcard_stands_for_one_label(host: str, is_named: bool) -> None:
    assert parse_sts_policy(GOOD).names(host) is is_named
