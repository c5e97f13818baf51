"""Results are summed, and a flood of domains is one row more and no memory."""

from __future__ import annotations

from satellite.delivery.published.tls_results import (
    RESULTS_MAX,
    PublishedPolicy,
    TlsResult,
    TlsResultKind,
    TlsResults,
)


def result(domain: str) -> TlsResult:
    return TlsResult(domain, PublishedPolicy.STS, f"mx.{domain}", TlsResultKind.SUCCESS)


def test_equal_results_are_one_row_and_are_taken_once() -> None:
    results = TlsResults()
    for domain in ("b.example", "a.example", "b.example"):
        results.add(result(domain))

    assert results.take() == [(result("a.example"), 1), (result("b.example"), 2)]
    assert results.take() == []


def test_results_beyond_the_most_are_counted_together() -> None:
    results = TlsResults()
    for number in range(RESULTS_MAX + 50):
        results.add(result(f"d{number}.example"))

    rows = dict(results.take())
    assert len(rows) == RESULTS_MAX + 1
    others = TlsResult("", PublishedPolicy.STS, "", TlsResultKind.SUCCESS)
    assert rows[others] == 50
