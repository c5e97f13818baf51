"""Which hosts only lead on to others, so that what they are says nothing of a message?

Pure: tables alone. A redirector has its target in the URL, and the target is asked about in its
place. A shortener has not: it alone knows where it leads, and we do not ask it, since the asking
tells the sender that the message arrived.
"""

from __future__ import annotations

# By host; those below one are meant too. What they lead to stands in the URL as a URL of its own.
REDIRECTORS = frozenset(
    {
        "adclick.g.doubleclick.net",
        "cdn.ampproject.org",
        "click.linksynergy.com",
        "duckduckgo.com",
        "go.microsoft.com",
        "googleadservices.com",
        "google.com",
        "googleusercontent.com",
        "l.facebook.com",
        "lm.facebook.com",
        "l.instagram.com",
        "l.wl.co",
        "linkprotect.cudasvc.com",
        "linkedin.com",
        "protect2.fireeye.com",
        "safelinks.protection.outlook.com",
        "secure-web.cisco.com",
        "slack-redir.net",
        "steamcommunity.com",
        "t.umblr.com",
        "translate.goog",
        "urldefense.com",
        "urldefense.proofpoint.com",
        "vk.com",
        "web.archive.org",
        "www.youtube.com",
    }
)

# A target in its query is written with - for % and _ for /.
DASHED = frozenset({"urldefense.proofpoint.com"})

# By registered domain or host: what they lead to is known to them alone.
SHORTENERS = frozenset(
    {
        "bit.ly",
        "buff.ly",
        "cutt.ly",
        "goo.su",
        "is.gd",
        "lnkd.in",
        "ow.ly",
        "rb.gy",
        "rebrand.ly",
        "s.id",
        "shorturl.at",
        "t.co",
        "t.ly",
        "tiny.cc",
        "tinyurl.com",
        "v.gd",
        "wa.me",
    }
)


_LEADING_ON = REDIRECTORS | SHORTENERS


def leads_on(host: str) -> bool:
    """Say whether a host, or one that it is below, is in the tables."""
    labels = host.split(".")
    above = {".".join(labels[first:]) for first in range(len(labels) - 1)}
    return not above.isdisjoint(_LEADING_ON)
