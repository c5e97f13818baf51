"""A certificate says when it ends, and an operator is told in time."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry

from common.certificate import CertificateMetrics, CertificateStatus

ENDS = "borderscout_cert_not_after_timestamp_seconds"
UNUSABLE = "borderscout_cert_renewal_unusable"


def test_each_role_has_its_own_end_and_one_that_is_not_in_use_has_none() -> None:
    registry = CollectorRegistry()
    statuses: dict[str, CertificateStatus | None] = {
        "smtp": CertificateStatus(1_800_000_000.0),
        "link": CertificateStatus(1_700_000_000.0, "the key belongs to another certificate"),
        "none": None,
    }
    CertificateMetrics({role: partial(statuses.get, role) for role in statuses}, registry)

    assert [registry.get_sample_value(ENDS, {"role": role}) for role in statuses] == [
        1_800_000_000.0,
        1_700_000_000.0,
        None,
    ]
    assert [registry.get_sample_value(UNUSABLE, {"role": role}) for role in statuses] == [
        0,
        1,
        None,
    ]
