"""Which filters look at which messages, with which preferences, when they are measured?

Pure. Each kind of filter has the documents of a site that uses it in earnest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain
from types import MappingProxyType
from typing import Any

from common.frozen import dataclass
from common.ids import MessageId
from common.preferences import Document, Kind, Preferences
from satellite.filtering.catalogue import BUILT_IN
from satellite.scanning.sample import Sample
from tests.bench.templates import TOKEN, WORDS, messages
from tests.support.core.preferences import document, preferences, route
from tests.support.network.given_dns import Records, txt
from tests.support.smtp.signing import key_record, signed

DOMAIN = "bench.test"
CLIENT = "192.0.2.7"
RECIPIENT = "user@customer.example"
PLAIN, PAGE = "plain4k", "html4k"
KINDS = (PLAIN, PAGE)  # of messages

DEFAULT, LOCAL, ROUND = "default", "local", "round"
ASKING = frozenset({"dnsbl", "authentication"})  # DNS

# DNS lists by zone; all pass their test, none lists anything of ours.
ZONES = ("zen.dns.test", "good.dns.test", "urls.dns.test", "domains.dns.test")
RECORDS: Records = {
    DOMAIN: txt(f"v=spf1 ip4:{CLIENT} -all"),
    f"_dmarc.{DOMAIN}": txt("v=DMARC1; p=reject"),
    f"test._domainkey.{DOMAIN}": txt(key_record()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterCase:
    """Some filters at work.

    Args:
        kinds: of the filters.
        preferences: by which they go.
    """

    kinds: Sequence[str]
    preferences: Preferences


def filter_cases() -> dict[str, FilterCase]:
    """Return by name: the filters as they are by default, all local ones, all, and each alone."""
    local = [kind for kind in BUILT_IN if kind not in ASKING]
    return {
        DEFAULT: _case(BUILT_IN, ()),
        LOCAL: _case(local, local),
        ROUND: _case(BUILT_IN, BUILT_IN),
        **{kind: _case((kind,), (kind,)) for kind in BUILT_IN},
    }


def _case(kinds: Sequence[str], in_use: Sequence[str]) -> FilterCase:
    documents = chain.from_iterable(DOCUMENTS[kind] for kind in in_use)
    return FilterCase(
        kinds=kinds, preferences=preferences(route("customer.example", "c1"), *documents)
    )


def samples(count: int) -> dict[str, list[Sample]]:
    """Return so many different messages of each kind, signed by their domain, as on the wire."""
    return {
        kind: [_sample(messages()[kind], f"{kind} {number}") for number in range(count)]
        for kind in KINDS
    }


def _sample(template: str, name: str) -> Sample:
    token = sha256(name.encode()).hexdigest()[: len(TOKEN)]
    octets = template.replace(TOKEN, token).replace("\n", "\r\n").encode()
    data = signed(octets, domain=DOMAIN)
    return Sample(id=MessageId(name), size=len(data), sha256=sha256(data).digest(), data=data)


def _filters(kind: str, **bodies: Mapping[str, Any]) -> tuple[Document, ...]:
    return tuple(
        document(Kind.FILTER, name, **({"kind": kind} | dict(body)))
        for name, body in bodies.items()
    )


def _entries() -> Iterator[Document]:
    """Yield list entries of the cluster, and of the one recipient of all messages."""
    for number in range(1_000):
        colour = "white" if number % 3 else "black"
        scope = "cluster" if number % 2 else f"recipient/{RECIPIENT}"
        domain = f"s{number}.example"
        patterns = (domain, f"a{number}@{domain}", f".{domain}", f"10.7.{number % 256}.0/24")
        yield document(Kind.LIST, f"{colour}/{scope}/{patterns[number % 4]}", reason="a partner")


def _rules() -> Iterator[Document]:
    """Yield fifteen rules, half of them on what is inside, none of which matches."""
    fields = ("subject", "sender", "header:X-Mailer", "body", "body", "body", "url", "attachment")
    for number in range(15):
        one, other = WORDS[number], WORDS[-1 - number]
        pattern = rf"(?i)\b(?:{one}|{other})s? +(?:un|re)?sub(?:scri|mit)\w* +now\b"
        body = {"field": fields[number % len(fields)], "pattern": pattern, "score": 1}
        yield document(Kind.RULE, f"RULE{number}", **body)


DOCUMENTS: Mapping[str, tuple[Document, ...]] = MappingProxyType(
    {
        "lists": tuple(_entries()),
        "rules": tuple(_rules()),
        "content": _filters("content", attached={"options": {"bytes_max": 10_000_000}}),
        "volume": _filters(
            "volume",
            flood={"options": {"per": "network", "window_s": 60, "limit": 1e9}},
            many={"options": {"counts": "recipients", "per": "sender", "limit": 1e9}},
            outbreak={"options": {"per": "sender", "rise": 10, "rise_from": 1e9}},
            backscatter={"options": {"of": "bounces", "per": "recipient", "limit": 1e9}},
            bomb={
                "options": {"of": "strangers", "per": "recipient", "window_s": 600, "limit": 1e9}
            },
        ),
        "checksums": _filters("checksums", bulk={"options": {"limit": 1e9}}),
        "authentication": _filters("authentication", authentication={}),
        "spoofing": _filters("spoofing", people={"options": {"people": "Anna Meier; Joerg Gross"}}),
        "dnsbl": _filters(
            "dnsbl",
            zen={"zone": ZONES[0], "codes": {"127.0.0.2": 4, "127.0.0.10": 1.5}},
            good={"zone": ZONES[1], "codes": {"127.0.*.2": -1}},
            urls={
                "zone": ZONES[2],
                "codes": {"127.0.0.2": 5, "127.0.0.64": 3},
                "options": {"asks": "url, from-domain", "names": "registered", "answers": "bits"},
            },
            domains={
                "zone": ZONES[3],
                "codes": {"127.0.1.2": 4},
                "options": {"asks": "url, helo, sender-domain, from-domain"},
            },
        ),
    }
)
