"""Does the subject shout?

Pure. It needs nobody, so it answers at once: a filter that asks a server does so in ``examine``,
within a time of its own, and says ``unavailable`` or ``timeout`` in its verdict when it fails.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from satellite.plugin import (
    Filter,
    FilterContext,
    FilterSettings,
    Mail,
    Options,
    Outcome,
    Test,
    Verdict,
    options_of,
    printable,
    takes,
)

LETTERS_MIN = 8  # shorter ones are abbreviations


class ExampleOptions(Options):
    """What an inventory may say under ``options``; anything else is a complaint with its place."""

    points: Annotated[float, Field(gt=-100, lt=100)] = 1.0


@takes(ExampleOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter."""
    options = options_of(settings, ExampleOptions) if settings else ExampleOptions()
    return ExampleFilter(settings.name if settings else "example", options.points)


class ExampleFilter:
    """Gives points to a subject whose letters are all capitals."""

    def __init__(self, name: str, points: float) -> None:
        self.name = name
        self._points = points

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict; its test is there only if the subject shouts."""
        subject = mail.headers.subject
        letters = [character for character in subject if character.isalpha()]
        shouts = len(letters) >= LETTERS_MIN and all(map(str.isupper, letters))
        test = Test(name="SUBJECT_SHOUTS", score=self._points, detail=printable(subject))
        return (Verdict(by=self.name, outcome=Outcome.SCORED, tests=(test,) if shouts else ()),)

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return the same."""
        return self.examine_at_once(mail)

    async def close(self) -> None:
        """Nothing is held open."""
