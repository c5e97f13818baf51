"""Are a message's attachments, its size, or a mark for tests of filters what a policy counts?

Pure, but for what it asks of the inside of a message: nothing where no document of the kind
``content`` is in force for a recipient. The mark is looked for in the octets that are in memory.
What nobody could read is unknown, which is said, and gives no points.

Source: the GTUBE of SpamAssassin (a body with that line is spam by agreement), and the second of
rspamd's three, which asks to be marked.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from pydantic import Field, ValidationError, field_validator

from common.address import AddressError
from common.kinds import NoOptions, Options, takes
from common.preferences.bodies import FilterBody
from common.preferences.risky_types import RiskyType, RiskyTypesForm
from common.preferences.scopes import Scope
from common.records.bounds import TESTS_MAX
from common.settings.satellite import FilterSettings
from common.verdict import Outcome, Test, Verdict, printable
from satellite.filtering.attachments import DISGUISED, DOUBLE, Danger, dangers
from satellite.filtering.filter import (
    POINTS_MAX,
    Filter,
    FilterContext,
    Mail,
    name_of_test,
)
from satellite.filtering.inside import MailContent, NoInside
from satellite.filtering.scoped import ScopedRecipients

KIND = "content"

# In two, so that mail with this file in it is none.
_GTUBE = b"JS*C4JDBQADN1.NSBN3*2IDNEN" + b"*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
_GTUBES = {
    b"X": Test(name="GTUBE", score=POINTS_MAX),
    b"Y": Test(name="GTUBE_MARK", score=5.0),  # from which mail is marked by default
}
_TYPES = ",".join((RiskyType.PROGRAM, RiskyType.SCRIPT, RiskyType.SHORTCUT))


class ContentOptions(Options):
    """What a document of the kind ``content`` may say in its ``options``."""

    scope: str = "cluster"
    """Whose mail it is applied to."""
    types: str = _TYPES
    """The risky types that count, as of the policy key `zero_hour.types`, or `all`."""
    score: float = Field(default=5.0, ge=-100, le=100, allow_inf_nan=False)
    """The points for each of these types, by what a part is or by its name."""
    double: float = Field(default=3.0, ge=-100, le=100, allow_inf_nan=False)
    """The points for a name of such a type with another ending before the last: `bill.pdf.exe`."""
    disguised: float = Field(default=3.0, ge=-100, le=100, allow_inf_nan=False)
    """The points for a part that is of such a type and is called something else."""
    members: bool = True
    """Whether what lies in archives and documents counts too."""
    bytes_max: float = Field(default=0, ge=0)
    """Octets of a message above which it is too large; 0: it never is."""
    large: float = Field(default=1.0, ge=-100, le=100, allow_inf_nan=False)
    """The points for one that is too large."""

    @field_validator("scope")
    @classmethod
    def _scope(cls, scope: str) -> str:
        return str(Scope.parse(scope))

    @field_validator("types")
    @classmethod
    def _types(cls, types: str) -> str:
        return str(RiskyTypesForm().parse("types", types))

    @property
    def risky(self) -> frozenset[RiskyType]:
        """The types that are meant."""
        return RiskyTypesForm().parse("types", self.types).types

    @property
    def is_on_attachments(self) -> bool:
        """Whether attachments can give points."""
        return bool(self.score or self.double or self.disguised)

    def points(self, what: str) -> float:
        """Return the points of what is dangerous about a part."""
        return {DOUBLE: self.double, DISGUISED: self.disguised}.get(what, self.score)


class ContentFilter:
    """The documents of the kind ``content``, and the marks for tests of filters."""

    def __init__(self) -> None:
        self.name = KIND
        self._read: dict[str, tuple[FilterBody, ContentOptions | str]] = {}

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return a verdict for each document, one more where it could not see all, and the mark."""
        at_once = self.examine_at_once(mail)
        if at_once is not None:
            return at_once
        try:
            content = await mail.inside.content()
        except NoInside as error:
            return tuple(self._verdicts(mail, ScopedRecipients(mail), None, error.what))
        return tuple(self._verdicts(mail, ScopedRecipients(mail), content))

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Do the same, or return None: a document is about what has to be asked for."""
        documents = mail.preferences.filters(KIND)
        if not documents:
            self._read.clear()
            return _marks(mail)
        scopes = ScopedRecipients(mail)
        content: MailContent | None = MailContent()
        if any(self._asks(name, body, scopes) for name, body in documents.items()):
            content = mail.inside.content_at_hand()
        return None if content is None else tuple(self._verdicts(mail, scopes, content))

    async def close(self) -> None:
        """Nothing is held open."""

    def _asks(self, name: str, body: FilterBody, scopes: ScopedRecipients) -> bool:
        options = self._options(name, body)
        if isinstance(options, str) or not scopes.of(options.scope):
            return False
        return options.is_on_attachments

    def _options(self, name: str, body: FilterBody) -> ContentOptions | str:
        """Return a document's options, read once, or what is wrong with them."""
        known = self._read.get(name)
        if known is None or known[0] is not body:
            self._read[name] = known = body, _options_in(body)
        return known[1]

    def _verdicts(
        self, mail: Mail, scopes: ScopedRecipients, content: MailContent | None, why: str = ""
    ) -> Iterator[Verdict]:
        """Yield the verdicts; ``content`` None: it cannot be had, and ``why``."""
        for name, body in mail.preferences.filters(KIND).items():
            options = self._options(name, body)
            if isinstance(options, str):
                yield Verdict(by=name, outcome=Outcome.ERROR, detail=printable(options))
            elif recipients := scopes.of(options.scope):
                known = content or MailContent()
                tests = list(_tests(name, options, mail, known))[: TESTS_MAX // len(recipients)]
                yield Verdict(
                    by=name,
                    outcome=Outcome.SCORED,
                    tests=tuple(_for(test, one) for test in tests for one in recipients),
                )
                unknown = why if content is None else "; ".join(content.unread)
                if unknown and options.is_on_attachments:
                    detail = printable(f"attachments are not known: {unknown}")
                    by = f"{name[:57]}.unread"
                    yield Verdict(by=by, outcome=Outcome.UNAVAILABLE, detail=detail)
        yield from _marks(mail)


def _options_in(body: FilterBody) -> ContentOptions | str:
    try:
        return ContentOptions.model_validate(body.options)
    except AddressError as error:
        return f"the document's option scope is wrong: {error}"
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"the document's option {place} is wrong: {first['msg']}"


def _tests(name: str, options: ContentOptions, mail: Mail, content: MailContent) -> Iterator[Test]:
    """Yield each thing that is found once, with the first part that it was found of."""
    found: dict[str, Danger] = {}
    if options.is_on_attachments:
        parts = dangers(content.parts, types=options.risky, with_members=options.members)
        for danger in parts:
            found.setdefault(danger.what, danger)
    for what, danger in found.items():
        if score := options.points(what):
            part = danger.part
            said = ", ".join([*part.kinds, part.media_type]).strip(", ")
            detail = printable(f"{part.name or 'a part without a name'} ({said}) is {what}")
            yield Test(name=name_of_test("CONTENT", name, what), score=score, detail=detail)
    if options.bytes_max and mail.size > options.bytes_max and options.large:
        detail = f"{mail.size} octets, more than {options.bytes_max:g}"
        yield Test(name=name_of_test("CONTENT", name, "large"), score=options.large, detail=detail)


def _for(test: Test, recipient: str | None) -> Test:
    return Test(name=test.name, score=test.score, detail=test.detail, recipient=recipient)


def _in_base64(octets: bytes) -> Iterator[bytes]:
    """Yield the signs that octets surely have in base64, for each place that they may stand at."""
    for before in range(3):
        signs = b64encode(bytes(before) + octets)
        yield signs[-(-8 * before // 6) : 8 * (before + len(octets)) // 6]


def _decoded_mark(octets: bytes) -> bytes:
    """Return the mark that stands in a message in base64; empty: none does."""
    signs = octets.translate(None, b"\r\n")
    marks = (
        mark for mark, written in _GTUBES_IN_BASE64.items() if any(w in signs for w in written)
    )
    return next(marks, b"")


_GTUBES_IN_BASE64 = {mark + _GTUBE: tuple(_in_base64(mark + _GTUBE)) for mark in _GTUBES}


def _marks(mail: Mail) -> tuple[Verdict, ...]:
    """Return a verdict on the mark for tests of filters; none where there is no such mark."""
    octets = mail.inside.octets_at_hand()
    if octets is None:
        return ()
    if b"base64" in octets:
        octets += b"\n" + _decoded_mark(octets)
    place = octets.find(_GTUBE)
    if place < 1:
        return ()
    test = _GTUBES.get(octets[place - 1 : place])
    if test is None:
        return ()
    return (Verdict(by="content.gtube", outcome=Outcome.SCORED, tests=(test,)),)


@takes(NoOptions, of_document=ContentOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; it is the same everywhere."""
    return ContentFilter()
