"""How large may a message be, anywhere in the cluster?

Pure. Both ends of the link stand on these: what a satellite may accept, the core must be able to
take, or it stays at the satellite for ever. A setting may be lower, never higher.
"""

from __future__ import annotations

MESSAGE_BYTES_MAX = 1 << 30  # of DATA; what a satellite is set to is a twentieth
MESSAGE_RECIPIENTS_MAX = 1_000  # RFC 5321 section 4.5.3.1.8 asks for at least 100
HEADER_SECTION_BYTES_MAX = 262_144  # as it came; no honest program comes near
# In front of a copy stands the section as it came, rewritten, with our lines: a tenth of the room.
HEAD_BYTES_MAX = 4 * HEADER_SECTION_BYTES_MAX
