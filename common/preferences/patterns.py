"""How is a pattern from a user made ready, and which ones are refused?

Pure. RE2 takes time linear in the text whatever the pattern is; memory has a bound here. What the
core accepts and what a satellite compiles is the same by this one function.
"""

from __future__ import annotations

from typing import Any

PATTERN_MEMORY_BYTES = 1 << 19  # of one compiled pattern; real ones need a hundredth of it


def compile_pattern(pattern: str) -> Any:
    """Return a compiled pattern; its ``search(text)`` gives a match or None.

    Raises:
        ValueError: it is not valid in RE2's syntax, or needs too much memory.
    """
    # Loaded here, since only core and satellites hold the expression engine.
    import re2

    options = re2.Options()
    options.max_mem = PATTERN_MEMORY_BYTES
    options.log_errors = False  # the caller says it, with the rule's name
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if error.args else "invalid"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"the pattern is not valid: {text}") from None
