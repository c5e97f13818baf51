"""What does a filter examine that may hang, or was only given a message that it cannot finish?

Pure. It decides what the mail is and what counts as having examined it.
"""

from __future__ import annotations

from common.address import domain_of
from common.envelope import Envelope
from common.verdict import Outcome, Verdict
from satellite.filtering.filter import Mail
from satellite.filtering.inside import GivenInside
from satellite.headers import HeaderBlock

CLIENT = "192.0.2.1"  # RFC 5737: nobody's


def trial_mail(like: Mail, token: str) -> Mail:
    """Return a small message of ours, to the postmaster of the domain that another one is for.

    Of that other one, which may be crafted, it has nothing but what is the customer's.

    Args:
        like: for whose domain and by which preferences.
        token: makes it unlike any other.
    """
    data = f"Subject: trial {token}\r\n\r\n".encode()
    address = f"postmaster@{domain_of(like.envelope.recipients[0])}"
    return Mail(
        envelope=Envelope(
            client_address=CLIENT, helo="trial.invalid", sender=address, recipients=(address,)
        ),
        headers=HeaderBlock.parse(data),
        size=len(data),
        preferences=like.preferences,
        now_us=like.now_us,
        inside=GivenInside(data=data),
    )


def has_worked(answer: object) -> bool:
    """Say whether a filter examined a message; one that skips it may hang on all others."""
    return isinstance(answer, tuple) and any(
        isinstance(each, Verdict) and each.outcome is Outcome.SCORED for each in answer
    )
