"""What does a DMARC record say?"""

from __future__ import annotations

import pytest

from satellite.authentication.dmarc_record import DmarcRecord, dmarc_record


def test_all_tags_are_read() -> None:
    text = "v=DMARC1; p=reject; sp=Quarantine; np=none; adkim=s; aspf=s; psd=n; t=y; rua=x; pct=5"

    assert dmarc_record([text]) == DmarcRecord(
        policy="reject",
        subdomain_policy="quarantine",
        missing_policy="none",
        spf_is_strict=True,
        dkim_is_strict=True,
        is_public_suffix=False,
        is_testing=True,
    )


@pytest.mark.parametrize("text", ["v=DMARC1", "v=DMARC1; p=nonsense; adkim=x", " v = DMARC1 ;;="])
def test_what_is_wrong_counts_as_not_there(text: str) -> None:
    assert dmarc_record([text]) == DmarcRecord()


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["v=DMARC10; p=none"],
        ["p=reject; v=DMARC1"],
        ["v=dmarc1; p=reject"],
        ["v=DMARC1; p=none", "v=DMARC1; p=reject"],
    ],
)
def test_without_just_one_record_there_is_none(texts: list[str]) -> None:
    assert dmarc_record(texts) is None
