"""Is a result of Trend Vision One File Security clean only when it says so of this message?

Pure.
"""

from __future__ import annotations

import json
from hashlib import sha256

from common.verdict import DETAIL_LENGTH_MAX, THREAT_LENGTH_MAX, Outcome
from satellite.scanning.file_security.outcomes import refused, result_of

WORDS = (
    b'"result"',
    b'"atse"',
    b'"malwareCount": 0',
    b'"malware": [{"name": "A"}]',
    b'"error": "ATSE_ZIP"',
    b'"scanResult": 0',
    b'"scanId": "1"',
    b'"foundMalwares": []',
    b'"version": {"engine": "1"}',
    b"null",
    b"{}",
)
DIGEST = sha256(b"").digest()


def target(data: bytes) -> None:
    """Read a result, and the words of a refusal."""
    text = data.decode("utf-8", "replace")
    said = result_of(text, sha256=DIGEST)
    if said.meaning.outcome is Outcome.CLEAN:
        result = json.loads(text)
        by_patterns = (result.get("result") or {}).get("atse", {})
        assert by_patterns.get("malwareCount") == 0 or not result["scanResult"]
    for meaning in (said.meaning, refused(len(data) % 20, text)):
        assert (meaning.outcome is Outcome.INFECTED) is bool(meaning.threats)
        assert all(len(threat) <= THREAT_LENGTH_MAX for threat in meaning.threats)
        assert len(meaning.detail) <= 2 * DETAIL_LENGTH_MAX
        for words in (*meaning.threats, meaning.detail, said.version, said.definitions):
            assert words.isascii()
            assert words.isprintable() or not words
    assert refused(len(data) % 20, text).outcome is not Outcome.CLEAN
