"""Which octets ask an ICAP service for its offer, and show it a message?

Pure. The message travels as the body of an HTTP answer that we make up: scanners that speak ICAP
were built for proxies.

Source: RFC 3507 sections 4.3.2, 4.4 and 4.5; some parsers are strict about the order in a head.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from common.frozen import dataclass
from satellite.scanning.icap.offer import IcapOffer
from satellite.scanning.icap.profiles import Profile
from satellite.scanning.sample import Sample

USER_AGENT = "BorderScout"
CONTENT_TYPE = "message/rfc822"
END = b"0\r\n\r\n"
END_OF_FILE = b"0; ieof\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Which service is asked.

    Args:
        host: ``HOST:PORT`` as the address has it.
        path: of the service, without its first slash.
        profile: of the product.
    """

    host: str
    path: str
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What is said to show one message.

    Args:
        head: of the ICAP request and of both HTTP heads in it.
        preview_bytes: of the message, before the server asks for the rest; None: all at once.
    """

    head: bytes
    preview_bytes: int | None


def options(service: Service) -> bytes:
    """Return the question for what a service offers."""
    return _icap("OPTIONS", service, ("Encapsulated", "null-body=0"))


def respmod(service: Service, sample: Sample, offer: IcapOffer) -> Showing:
    """Return the head that shows a message."""
    request = f"GET http://127.0.0.1/mail/{quote(sample.id, safe='')} HTTP/1.0\r\n\r\n".encode()
    answer = (
        f"HTTP/1.0 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {sample.size}\r\n\r\n"
    ).encode()
    preview = _preview_bytes(sample, offer)
    fields = [
        *([("Allow", "204")] if offer.allows_204 else []),
        *([("Preview", str(preview))] if preview is not None else []),
        *_client(service, sample),
        *service.profile.fields,
        (
            "Encapsulated",
            f"req-hdr=0, res-hdr={len(request)}, res-body={len(request) + len(answer)}",
        ),
    ]
    head = _icap("RESPMOD", service, *fields) + request + answer
    return Showing(head=head, preview_bytes=preview)


def preview(question: Showing, sample: Sample) -> Iterator[bytes]:
    """Yield the head and the preview.

    Raises:
        SampleUnreadable: the sample cannot be read.
    """
    assert question.preview_bytes is not None
    yield question.head
    yield chunk(b"".join(sample.chunks(0, question.preview_bytes)))
    yield END if sample.size else END_OF_FILE


def rest(question: Showing, sample: Sample) -> Iterator[bytes]:
    """Yield what follows the preview; the head and the whole message where there is none.

    Raises:
        SampleUnreadable: the sample cannot be read.
    """
    if question.preview_bytes is None:
        yield question.head
    for one in sample.chunks(question.preview_bytes or 0):
        yield chunk(one)
    yield END


def chunk(octets: bytes) -> bytes:
    """Return some octets as a chunk, nothing for none: an empty chunk is the end."""
    return b"%x\r\n%b\r\n" % (len(octets), octets) if octets else b""


def _client(service: Service, sample: Sample) -> list[tuple[str, str]]:
    told = service.profile.tells_client and sample.client
    return [("X-Client-IP", sample.client)] if told else []


def _preview_bytes(sample: Sample, offer: IcapOffer) -> int | None:
    """Return how much of a message is shown at first.

    Never all of it, however small it is: only who asks for the rest means to look at the whole.
    c-icap says 204, which else means clean, as soon as a message is larger or of another kind than
    its settings have it scan, and nothing in that answer tells so.
    """
    if offer.preview_bytes is None:
        return None
    return max(min(offer.preview_bytes, sample.size - 1), 0)


def _icap(method: str, service: Service, *fields: tuple[str, str]) -> bytes:
    lines = [
        f"{method} icap://{service.host}/{service.path} ICAP/1.0",
        f"Host: {service.host}",
        f"User-Agent: {USER_AGENT}",
        *(f"{name}: {value}" for name, value in fields),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")
