"""How does a shard's report look on the wire?

Pure. The sender cuts what its reader would not take: a report must always pass.
"""

from __future__ import annotations

from borderscout.v1 import control_pb2 as control

from common.counted import counted
from common.reports import (
    EngineReport,
    FilterReport,
    HoldReport,
    NodeReport,
    PreferenceProblem,
    SettingsState,
)
from common.round_trips import TOLD_AT_ONCE_MAX
from common.wire import bounds
from common.wire.bounds import (
    DESTINATION_LENGTH_MAX,
    ENGINES_MAX,
    FAMILIES_MAX,
    FILTERS_MAX,
    HOLDS_MAX,
    NAME_LENGTH_MAX,
    PROBLEMS_MAX,
    REACHED_MAX,
    STATES_MAX,
    TEXT_LENGTH_MAX,
)
from common.wire.definitions import definitions_from_wire, definitions_to_wire
from common.wire.positions import position_from_wire, position_to_wire
from common.wire.round_trips import round_trip_from_wire, round_trip_to_wire


def report_to_wire(report: NodeReport) -> control.Report:
    """Return a report as protobuf."""
    message = control.Report(
        time_us=report.time_us,
        applied=position_to_wire(report.applied),
        spool=dict(report.spool),
        outbox_records=report.outbox_records,
        outbox_quarantine=report.outbox_quarantine,
        accepting=report.accepting,
        not_accepting_reason=report.not_accepting_reason[:TEXT_LENGTH_MAX],
        oldest_us=report.oldest_us,
        problems=_problems(report),
        engines=[
            control.EngineReport(
                name=engine.name,
                answering=engine.answering,
                version=engine.version[:TEXT_LENGTH_MAX],
                detail=engine.detail[:TEXT_LENGTH_MAX],
                definitions=engine.definitions[:TEXT_LENGTH_MAX],
                definitions_us=engine.definitions_us,
            )
            for engine in report.engines[:ENGINES_MAX]
        ],
        holds=[
            control.HoldReport(
                customer=hold.customer,
                destination=hold.destination[:DESTINATION_LENGTH_MAX],
                since_us=hold.since_us,
                reason=hold.reason[:TEXT_LENGTH_MAX],
                messages=hold.messages,
                bytes=hold.bytes,
                oldest_us=hold.oldest_us,
                expires_us=hold.expires_us,
            )
            for hold in report.holds[:HOLDS_MAX]
        ],
        reached=[name[:DESTINATION_LENGTH_MAX] for name in report.reached[:REACHED_MAX]],
        definitions=[definitions_to_wire(d) for d in report.definitions[:FAMILIES_MAX]],
        core_refused=report.core_refused[:TEXT_LENGTH_MAX],
        filters=[
            control.FilterReport(name=one.name, kind=one.kind)
            # A part of them would be a lie about the others: then rather none.
            for one in report.filters[: FILTERS_MAX * (len(report.filters) <= FILTERS_MAX)]
        ],
        settings_digest=report.settings_digest,
        settings_state="" if report.settings_state is None else report.settings_state.value,
        settings_problem=report.settings_problem[:TEXT_LENGTH_MAX],
        settings_told=report.settings_told,
        round_trips=map(round_trip_to_wire, report.round_trips[:TOLD_AT_ONCE_MAX]),
    )
    if report.refused is not None:
        message.refused.CopyFrom(
            control.PreferenceProblem(
                revision=report.refused.revision,
                kind=report.refused.kind[:NAME_LENGTH_MAX],
                key=report.refused.key[:TEXT_LENGTH_MAX],
                reason=report.refused.reason[:TEXT_LENGTH_MAX],
            )
        )
    return message


def _problems(report: NodeReport) -> list[str]:
    """Return what an operator should know, first of all that this report does not hold all."""
    cut = report.holds_untold + max(0, len(report.holds) - HOLDS_MAX)
    away = counted(cut, "destination is", "destinations are")
    notes = [f"{away} away beyond the {HOLDS_MAX} that are told of"]
    found = [*(notes if cut > 0 else ()), *report.problems]
    return [problem[:TEXT_LENGTH_MAX] for problem in found[:PROBLEMS_MAX]]


def report_from_wire(message: control.Report) -> NodeReport:
    """Return what a satellite reported.

    Raises:
        WireError: it breaks a bound.
    """
    bounds.at_most(len(message.engines), ENGINES_MAX, "engines")
    bounds.at_most(len(message.holds), HOLDS_MAX, "holds")
    bounds.at_most(len(message.spool), STATES_MAX, "states")
    bounds.at_most(len(message.problems), PROBLEMS_MAX, "problems")
    bounds.at_most(len(message.reached), REACHED_MAX, "destinations reached")
    bounds.at_most(len(message.definitions), FAMILIES_MAX, "families of definitions")
    bounds.at_most(len(message.filters), FILTERS_MAX, "filters")
    bounds.at_most(len(message.round_trips), TOLD_AT_ONCE_MAX, "round trips")
    refused = None
    if message.HasField("refused"):
        refused = PreferenceProblem(
            revision=bounds.number(message.refused.revision),
            kind=bounds.text(message.refused.kind, length_max=NAME_LENGTH_MAX),
            key=bounds.text(message.refused.key),
            reason=bounds.text(message.refused.reason),
        )
    return NodeReport(
        time_us=message.time_us,
        applied=position_from_wire(message.applied),
        refused=refused,
        spool={
            bounds.text(k, length_max=NAME_LENGTH_MAX): bounds.number(v)
            for k, v in sorted(message.spool.items())
        },
        engines=tuple(
            EngineReport(
                name=bounds.text(engine.name, length_max=NAME_LENGTH_MAX),
                answering=engine.answering,
                version=bounds.text(engine.version),
                detail=bounds.text(engine.detail),
                definitions=bounds.text(engine.definitions),
                definitions_us=bounds.moment(engine.definitions_us),
            )
            for engine in message.engines
        ),
        holds=tuple(
            HoldReport(
                customer=bounds.text(hold.customer),
                destination=bounds.destination(hold.destination),
                since_us=bounds.moment(hold.since_us),
                reason=bounds.text(hold.reason),
                messages=bounds.number(hold.messages),
                bytes=bounds.number(hold.bytes),
                oldest_us=bounds.moment(hold.oldest_us),
                expires_us=bounds.moment(hold.expires_us),
            )
            for hold in message.holds
        ),
        outbox_records=bounds.number(message.outbox_records),
        outbox_quarantine=bounds.number(message.outbox_quarantine),
        accepting=message.accepting,
        not_accepting_reason=bounds.text(message.not_accepting_reason),
        oldest_us=bounds.number(message.oldest_us),
        problems=tuple(bounds.text(problem) for problem in message.problems),
        reached=tuple(bounds.destination(name) for name in message.reached),
        definitions=tuple(definitions_from_wire(family) for family in message.definitions),
        core_refused=bounds.text(message.core_refused),
        filters=tuple(
            FilterReport(
                name=bounds.text(one.name, length_max=NAME_LENGTH_MAX),
                kind=bounds.text(one.kind, length_max=NAME_LENGTH_MAX),
            )
            for one in message.filters
        ),
        settings_digest=bounds.settings_digest_or_none(message.settings_digest),
        settings_told=bounds.settings_digest_or_none(message.settings_told),
        settings_state=_settings_state(message.settings_state),
        settings_problem=bounds.text(message.settings_problem),
        round_trips=tuple(map(round_trip_from_wire, message.round_trips)),
    )


def _settings_state(said: str) -> SettingsState | None:
    """Return how a node stands with its settings; None: it is of a version that does not say."""
    if not said:
        return None
    try:
        return SettingsState(said)
    except ValueError:
        return SettingsState.OTHER
