"""Which registered domain does a host stand in?

Touches the list of public suffixes that its package brings, once; a list that grows old calls some
new suffix a registered domain, whose listing nobody has.

Source: the Public Suffix List, with its private part: a customer of a hosting company is somebody.
"""

from __future__ import annotations

import functools

from publicsuffixlist import PublicSuffixList


@functools.cache
def public_suffixes() -> PublicSuffixList:
    """Return the list; the first time it takes a tenth of a second."""
    return PublicSuffixList()


@functools.lru_cache(maxsize=4096)
def registered_domain(name: str) -> str:
    """Return the domain that somebody registered: one label below a public suffix.

    Args:
        name: A-labels in lower case.

    Returns:
        The name itself when it is a public suffix.
    """
    return public_suffixes().privatesuffix(name) or name
