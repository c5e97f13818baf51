"""How do an offer of definitions, and what a shard says of them, look on the wire?

Pure. The sender cuts what its reader would not take. A serial names a folder and a family another:
both are bounded here, once.
"""

from __future__ import annotations

from borderscout.v1 import control_pb2 as control

from common.link import DefinitionsOffer
from common.reports import DefinitionsReport, DefinitionsState
from common.wire import bounds
from common.wire.bounds import TEXT_LENGTH_MAX, WireError


def offer_to_wire(offer: DefinitionsOffer) -> control.DefinitionsCommand:
    """Return an offer as protobuf."""
    return control.DefinitionsCommand(
        family=offer.family,
        serial=offer.serial,
        sha256=offer.sha256,
        may_load=offer.may_load,
        port=offer.port,
    )


def offer_from_wire(message: control.DefinitionsCommand) -> DefinitionsOffer:
    """Return what the core offers.

    Raises:
        WireError: it breaks a bound.
    """
    if message.serial == 0:
        raise WireError("an offer of definitions without a serial")
    return DefinitionsOffer(
        family=bounds.family(message.family),
        serial=bounds.number(message.serial),
        sha256=bounds.digest(message.sha256),
        may_load=message.may_load,
        port=bounds.port(message.port),
    )


def definitions_to_wire(report: DefinitionsReport) -> control.DefinitionsReport:
    """Return what a shard says of a family as protobuf."""
    return control.DefinitionsReport(
        family=report.family,
        serial=report.serial,
        offered=report.offered,
        state=report.state.value,
        detail=report.detail[:TEXT_LENGTH_MAX],
        version=report.version[:TEXT_LENGTH_MAX],
        made_us=report.made_us,
    )


def definitions_from_wire(message: control.DefinitionsReport) -> DefinitionsReport:
    """Return what a shard says of a family; a state that only a later version knows is ``OTHER``.

    Raises:
        WireError: it breaks a bound.
    """
    return DefinitionsReport(
        family=bounds.family(message.family),
        serial=bounds.number(message.serial),
        offered=bounds.number(message.offered),
        state=_state(message.state),
        detail=bounds.text(message.detail),
        version=bounds.text(message.version),
        made_us=bounds.moment(message.made_us),
    )


def _state(said: str) -> DefinitionsState:
    try:
        return DefinitionsState(said)
    except ValueError:
        return DefinitionsState.OTHER
