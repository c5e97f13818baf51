"""What may an engine or a filter of somebody else import?

Touches nothing: it gives names of other rooms on. This module is the promise to outsiders. What
stands in ``__all__`` keeps its name, its arguments and its meaning within a major version; what is
added has a default, so that a package that was written for an earlier version works on. Every other
module of Border Scout may move or change with any release.

- Both: ``Clock`` (the only source of time), ``Verdict`` with ``Outcome``, ``Test`` and ``Effect``,
  ``printable`` (whatever comes from outside goes through it), ``LocalError`` (wrong settings: it
  stops the start, with a hint); ``takes`` declares on ``build`` which ``Options`` there are, so
  that `inventory check` knows them, and ``options_of`` reads them.
- An engine: ``build(EngineSettings, EngineContext) -> Engine`` under the entry point group
  ``borderscout.engines``; it is shown a ``Sample``, and tells its ``EngineHealth``. What it may be
  beside: ``EngineAnswersAtOnce``, ``JudgesContentAlone``, ``KeepsItsTime``, ``OpensArchives``.
  ``BARRED`` is the detail of its ``skipped`` where mail may not leave the house. docs/engines.md,
  *An engine of your own*.
- A filter: ``build(FilterSettings | None, FilterContext) -> Filter`` under ``borderscout.filters``;
  it examines a ``Mail``, and asks ``mail.inside`` (``Inside``) for its ``MailContent`` with each
  ``ContentPart``, or learns by ``NoInside`` that it cannot be had. What it may be beside:
  ``FilterAnswersAtOnce``, ``FilterTellsProblems``, ``FilterKeepsWatch``, and ``AsksServers``,
  whose ``FilterHealth`` the doctor tells. docs/filters.md, *A filter of your own*.
- The suites that tell whether it is right are ``satellite.scanning.conformance`` and
  ``satellite.filtering.conformance``; they hold to the same promise.
"""

from common.clock import Clock
from common.envelope import Envelope
from common.errors import LocalError
from common.kinds import NoOptions, Options, options_of, takes
from common.preferences import Preferences
from common.settings.satellite import EngineSettings, FilterSettings
from common.settings.values import split_endpoint
from common.verdict import Effect, Outcome, Test, Verdict, printable
from satellite.filtering.filter import (
    AsksServers,
    Filter,
    FilterAnswersAtOnce,
    FilterContext,
    FilterHealth,
    FilterKeepsWatch,
    FilterTellsProblems,
    Mail,
    name_of_test,
)
from satellite.filtering.inside import ContentPart, Inside, MailContent, NoInside
from satellite.filtering.resolver import Resolver
from satellite.headers import HeaderBlock
from satellite.scanning.engine import (
    BARRED,
    Engine,
    EngineAnswersAtOnce,
    EngineContext,
    EngineHealth,
    JudgesContentAlone,
    KeepsItsTime,
    OpensArchives,
)
from satellite.scanning.sample import Sample

__all__ = [
    "BARRED",
    "AsksServers",
    "Clock",
    "ContentPart",
    "Effect",
    "Engine",
    "EngineAnswersAtOnce",
    "EngineContext",
    "EngineHealth",
    "EngineSettings",
    "Envelope",
    "Filter",
    "FilterAnswersAtOnce",
    "FilterContext",
    "FilterHealth",
    "FilterKeepsWatch",
    "FilterSettings",
    "FilterTellsProblems",
    "HeaderBlock",
    "Inside",
    "JudgesContentAlone",
    "KeepsItsTime",
    "LocalError",
    "Mail",
    "MailContent",
    "NoInside",
    "NoOptions",
    "OpensArchives",
    "Options",
    "Outcome",
    "Preferences",
    "Resolver",
    "Sample",
    "Test",
    "Verdict",
    "name_of_test",
    "options_of",
    "printable",
    "split_endpoint",
    "takes",
]
