"""How often was the message seen, as the Distributed Checksum Clearinghouse counts?

Touches DCC's dccifd, with a connection for each message, as its protocol has it. By default it is
asked and told nothing. With ``report`` each message is reported once by a worker, and only asked
about when it comes again; what is for nobody but spam traps is reported as spam.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from common.envelope import Envelope
from common.errors import LocalError
from common.kinds import Options, options_of, takes
from common.settings.satellite import FilterSettings
from common.verdict import Test
from satellite.filtering.filter import Filter, FilterContext, Mail, name_of_test
from satellite.filtering.servers import dccifd_protocol
from satellite.filtering.servers.dccifd_protocol import DccCounts, Telling
from satellite.filtering.servers.once_server import OnceServer
from satellite.filtering.servers.point_steps import PointSteps, points_of
from satellite.filtering.servers.scorer import (
    BytesMax,
    Opinion,
    Scorer,
    ServersOptions,
    addresses_of,
    limits_of,
)
from satellite.filtering.servers.spam_traps import TrapAddresses, is_for_traps
from satellite.filtering.servers.taken_over import Most
from satellite.filtering.trial import CLIENT as TRIAL_CLIENT

REPORTED_MAX = 10_000  # messages; a quarter of a megabyte
_NOBODY = Envelope(client_address="", helo="", sender="", recipients=())
PROBE = b"Subject: Is anybody there?\r\n\r\nA message of the mail gateway's own.\r\n"


class DccOptions(ServersOptions):
    """What the settings of a ``dcc`` filter may say."""

    bytes_max: BytesMax = 1_048_576
    """Octets of the largest message that is shown."""
    report: bool = False
    """Report each message to the network, once; else it is only asked."""


class DccWeights(Options):
    """What the document of a ``dcc`` filter may say in its ``options``."""

    steps: PointSteps = "999999=3"
    """From which count on there are how many points; `many` is 999999."""
    reputation: PointSteps = ""
    """From which reputation of the client on there are how many points: `90=1`."""
    rejected: Most = 3.0
    """Points where dccifd would reject the message, by its own thresholds; the higher counts."""
    traps: TrapAddresses = ""
    """Addresses of spam traps; with `report` what is for these alone is reported as spam."""


class AsksDcc:
    """The question, and what its answer comes to.

    Args:
        name: of the filter.
        reports: whether messages are reported.
    """

    def __init__(self, name: str, *, reports: bool) -> None:
        self._name = name
        self._reports = reports
        self._reported: OrderedDict[bytes, None] = OrderedDict()

    async def opinion(
        self, server: OnceServer, mail: Mail, octets: bytes, weights: DccWeights
    ) -> Opinion:
        """Return the points of its counts."""
        telling = self._telling(mail, octets, weights)
        said = await server.said(
            *dccifd_protocol.question(mail.envelope, octets, telling=telling),
            reply_bytes_max=dccifd_protocol.REPLY_BYTES_MAX,
        )
        counts = dccifd_protocol.counts(said)
        return Opinion(tests=tuple(self._tests(counts, weights)), detail=counts.metrics)

    async def condition(self, server: OnceServer) -> str:
        """Return what it says of a message of our own, which is not reported."""
        said = await server.said(
            *dccifd_protocol.question(_NOBODY, PROBE, telling=Telling.QUERY),
            reply_bytes_max=dccifd_protocol.REPLY_BYTES_MAX,
        )
        return dccifd_protocol.counts(said).metrics

    def _telling(self, mail: Mail, octets: bytes, weights: DccWeights) -> Telling:
        """Say what is done with the checksums; from here on a report is taken for made.

        One that failed is not made again: it may have been made all the same, and to count a letter
        twice does more harm than not to count a mailing once.
        """
        if not self._reports or mail.envelope.client_address == TRIAL_CLIENT:
            return Telling.QUERY
        digest = blake2b(octets, digest_size=16).digest()
        if digest in self._reported:
            return Telling.QUERY
        self._reported[digest] = None
        if len(self._reported) > REPORTED_MAX:
            self._reported.popitem(last=False)
        is_spam = is_for_traps(mail.envelope.recipients, weights.traps)
        return Telling.SPAM if is_spam else Telling.REPORT

    def _tests(self, counts: DccCounts, weights: DccWeights) -> list[Test]:
        bulk = points_of(weights.steps, counts.count)
        if counts.is_rejected:
            bulk = max(bulk, weights.rejected)
        tests = [Test(name=name_of_test(self._name, "bulk"), score=bulk, detail=counts.metrics)]
        if counts.reputation is not None:
            points = points_of(weights.reputation, counts.reputation)
            detail = f"rep={counts.reputation}%"
            tests.append(
                Test(name=name_of_test(self._name, "reputation"), score=points, detail=detail)
            )
        return [test for test in tests if test.score]


@takes(DccOptions, of_document=DccWeights)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter.

    Raises:
        LocalError: an address or an option is wrong.
    """
    if settings is None:
        raise LocalError("it is not configured", hint="name it under filters")
    options = options_of(settings, DccOptions)
    return Scorer(
        settings,
        context,
        servers=[OnceServer(at) for at in addresses_of(settings, options)],
        asks=AsksDcc(settings.name, reports=options.report),
        weights=DccWeights,
        limits=limits_of(settings, options, bytes_max=options.bytes_max),
    )
