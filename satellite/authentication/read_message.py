"""What of a message has to do with who answers for it?

Pure. A message whose header section has no end within our bounds goes on as the body of ours: it
has no author and no signatures.
"""

from __future__ import annotations

from common.frozen import dataclass
from satellite.authentication.arc import NO_CHAIN, ArcSet, read_chain
from satellite.authentication.author import Author, author_of
from satellite.authentication.canonical import WantedBody
from satellite.authentication.dkim import ReadSignature, read_signatures, wanted_bodies
from satellite.authentication.dkim_signature import DkimSignature
from satellite.authentication.results import ArcOutcome
from satellite.headers.block import HeaderBlock

NO_AUTHOR = Author("", "the header section is too long")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMessage:
    """What is looked at.

    Args:
        block: the header section.
        author: whose domain the author is of.
        signatures: those that are verified.
        sets: of the ARC chain; empty: there is nothing to verify.
        chain: what is known of the chain then.
    """

    block: HeaderBlock
    author: Author
    signatures: tuple[ReadSignature, ...] = ()
    sets: tuple[ArcSet, ...] = ()
    chain: ArcOutcome = NO_CHAIN

    @property
    def wanted_bodies(self) -> list[WantedBody]:
        """The hashes of the body that are needed; each once."""
        said = [one.said for one in self.signatures]
        return list(wanted_bodies([*said, *(one.message for one in self.sets[-1:])]))

    @property
    def with_keys(self) -> list[DkimSignature]:
        """The signatures whose keys are needed."""
        return [one.said for one in self.signatures if isinstance(one.said, DkimSignature)]


def read_message(block: HeaderBlock) -> ReadMessage:
    """Return what is looked at of a message."""
    if block.oversized:
        return ReadMessage(block=block, author=NO_AUTHOR)
    author = author_of(block)
    chain = read_chain(block)
    return ReadMessage(
        block=block,
        author=author,
        signatures=tuple(read_signatures(block, author_domain=author.domain)),
        sets=() if isinstance(chain, ArcOutcome) else chain,
        chain=chain if isinstance(chain, ArcOutcome) else NO_CHAIN,
    )
