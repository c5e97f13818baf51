"""Until when is a certificate good, and does its key belong to it?

Pure, but for the registry that asks for the metrics. A certificate and its key are two files, and
whoever renews them writes one after the other: a pair that does not fit is a moment of that, and
what is in use stays in use.

Source: RFC 5280 section 4.1.2.5 (validity).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from common.errors import EnvironmentFailure


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """A certificate that is in use.

    Attributes:
        not_after_s: when it ends, in seconds since the epoch (UTC).
        problem: why what its files hold by now is not used; empty when it is.
    """

    not_after_s: float
    problem: str = ""


def not_after_s(certificate: bytes) -> float:
    """Return when a certificate ends, in seconds since the epoch (UTC).

    Args:
        certificate: PEM; the first one counts, what follows are its issuers.

    Raises:
        EnvironmentFailure: it is none.
    """
    return _leaf(certificate).not_valid_after_utc.timestamp()


def check_pair(certificate: bytes, key: bytes) -> None:
    """Do nothing when a key belongs to a certificate.

    Raises:
        EnvironmentFailure: it does not, or one of them is not what it should be.
    """
    try:
        ours = load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EnvironmentFailure("the key is no PEM key without a password") from error
    if ours != _leaf(certificate).public_key():
        raise EnvironmentFailure("the key belongs to another certificate")


def _leaf(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise EnvironmentFailure("the certificate is no PEM certificate") from error


class CertificateMetrics(Collector):
    """Until when each certificate of a process is good.

    Args:
        certificates: by role, what returns its status; None while none is in use.
        registry: where they are collected.
    """

    def __init__(
        self,
        certificates: Mapping[str, Callable[[], CertificateStatus | None]],
        registry: CollectorRegistry,
    ) -> None:
        self._certificates = certificates
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return the times as they are now; a certificate that is not in use has none."""
        ends = GaugeMetricFamily(
            "borderscout_cert_not_after_timestamp_seconds",
            "When the certificate in use ends, since the epoch (UTC)",
            labels=["role"],
        )
        unusable = GaugeMetricFamily(
            "borderscout_cert_renewal_unusable",
            "1 while the files hold what cannot be used, and the certificate before still is",
            labels=["role"],
        )
        for role, status_of in self._certificates.items():
            status = status_of()
            if status is not None:
                ends.add_metric([role], status.not_after_s)
                unusable.add_metric([role], bool(status.problem))
        return [ends, unusable]
