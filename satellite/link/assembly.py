"""What have the parts of one batch of preferences brought so far?

Pure. A batch is put together in memory, within limits, and worth nothing before its last part.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from common.link import Batch
from common.preferences import Document

ASSEMBLY_BYTES_MAX = 640 * 1024 * 1024  # a million list entries with long reasons, and the rest
ASSEMBLY_DOCUMENTS_MAX = 4_000_000
DOCUMENT_OVERHEAD_BYTES = 200  # what Python keeps beside key and body


@dataclass(slots=True)
class Assembly:
    """The parts of one batch so far."""

    first: Batch
    documents: list[Document] = field(default_factory=list)
    byte_count: int = 0
    is_refused: bool = False  # answered already; the rest is passed over

    def add(self, part: Batch) -> str:
        """Take one part; return what is wrong with it, or an empty text."""
        same = (part.base, part.target, part.digest, part.snapshot)
        if same != (self.first.base, self.first.target, self.first.digest, self.first.snapshot):
            return "the parts of a batch disagree"
        self.byte_count += sum(
            len(document.key) + len(document.body) + DOCUMENT_OVERHEAD_BYTES
            for document in part.documents
        )
        if self.byte_count > ASSEMBLY_BYTES_MAX:
            return f"a batch of more than {ASSEMBLY_BYTES_MAX >> 20} MiB"
        if len(self.documents) + len(part.documents) > ASSEMBLY_DOCUMENTS_MAX:
            return f"a batch of more than {ASSEMBLY_DOCUMENTS_MAX} documents"
        self.documents.extend(part.documents)
        return ""
