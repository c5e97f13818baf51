"""How do hellos, commands and claims look on the wire?

Pure.
"""

from __future__ import annotations

from typing import assert_never

from borderscout.v1 import control_pb2 as control

from common import link
from common.identity import SHARDS_MAX
from common.link import DRAIN_S_MAX
from common.reports import NodeReport
from common.wire import bounds
from common.wire.bounds import NAME_LENGTH_MAX, TEXT_LENGTH_MAX, WireError
from common.wire.definitions import offer_from_wire, offer_to_wire
from common.wire.fields import fields_from_wire, fields_to_wire
from common.wire.positions import identity_from_wire, identity_to_wire
from common.wire.reports import report_from_wire, report_to_wire
from common.wire.standing import standing_from_wire, standing_to_wire


def control_request_to_wire(
    request: link.Hello | NodeReport,
) -> control.ControlRequest:
    """Return what a satellite says on the control stream."""
    match request:
        case link.Hello():
            return control.ControlRequest(
                hello=control.Hello(
                    identity=identity_to_wire(request.identity),
                    shards=request.shards,
                    version=request.version,
                    protocol_version=request.protocol_version,
                )
            )
        case NodeReport():
            return control.ControlRequest(report=report_to_wire(request))
        case _:
            assert_never(request)


def control_request_from_wire(message: control.ControlRequest) -> link.ControlRequest:
    """Return what a satellite said.

    Raises:
        WireError: it breaks a bound.
    """
    match message.WhichOneof("message"):
        case "hello":
            hello = message.hello
            if not 1 <= hello.shards <= SHARDS_MAX:
                raise WireError(f"a node has 1 to {SHARDS_MAX} shards, not {hello.shards}")
            return link.Hello(
                identity=identity_from_wire(hello.identity),
                shards=hello.shards,
                version=bounds.text(hello.version, length_max=NAME_LENGTH_MAX),
                protocol_version=bounds.protocol(hello.protocol_version),
            )
        case "report":
            return report_from_wire(message.report)
        case _:
            return link.Unreadable(reason="a message that only a later version knows")


def control_response_to_wire(  # noqa: PLR0911 - one for each command
    response: link.Welcome | link.Command,
) -> control.ControlResponse:
    """Return what the core says on the control stream."""
    match response:
        case link.Welcome(core=core, time_us=time_us, standing=standing):
            welcome = control.Welcome(core=core, time_us=time_us)
            if standing is not None:
                welcome.standing.CopyFrom(standing_to_wire(standing))
            return control.ControlResponse(welcome=welcome)
        case link.ReleaseOffer(release_id=release_id, message_id=message_id):
            return control.ControlResponse(
                release=control.ReleaseCommand(release_id=release_id, message_id=message_id)
            )
        case link.Flush(destination=destination):
            return control.ControlResponse(flush=control.FlushCommand(destination=destination))
        case link.Hint(destination=destination):
            return control.ControlResponse(hint=control.HintCommand(destination=destination))
        case link.DefinitionsOffer():
            return control.ControlResponse(definitions=offer_to_wire(response))
        case link.SettingsOrder(digest=digest, drain_s=drain_s):
            told = control.SettingsCommand(digest=digest, drain_s=drain_s)
            return control.ControlResponse(settings=told)
        case link.DrainOrder(on=on):
            return control.ControlResponse(drain=control.DrainCommand(on=on))
        case _:
            assert_never(response)


def control_response_from_wire(  # noqa: PLR0911 - one for each command
    message: control.ControlResponse,
) -> link.ControlResponse:
    """Return what the core said.

    Raises:
        WireError: it breaks a bound.
    """
    match message.WhichOneof("message"):
        case "welcome":
            welcome = message.welcome
            named = welcome.HasField("standing")
            return link.Welcome(
                bounds.text(welcome.core, length_max=NAME_LENGTH_MAX),
                welcome.time_us,
                standing_from_wire(welcome.standing) if named else None,
            )
        case "release":
            return link.ReleaseOffer(
                bounds.ulid(message.release.release_id), bounds.ulid(message.release.message_id)
            )
        case "flush":
            return link.Flush(bounds.text(message.flush.destination))
        case "hint":
            return link.Hint(bounds.destination(message.hint.destination))
        case "definitions":
            return offer_from_wire(message.definitions)
        case "settings":
            return link.SettingsOrder(
                bounds.settings_digest(message.settings.digest),
                min(message.settings.drain_s, DRAIN_S_MAX),
            )
        case "drain":
            return link.DrainOrder(message.drain.on)
        case _:
            return link.Unreadable(reason="a command that only a later version knows")


def claim_to_wire(claim: link.Claim) -> control.ClaimResponse:
    """Return the answer to a claim as protobuf."""
    return control.ClaimResponse(
        granted=claim.granted, reason=claim.reason[:TEXT_LENGTH_MAX], **fields_to_wire(claim)
    )


def claim_from_wire(message: control.ClaimResponse) -> link.Claim:
    """Return the answer to our claim.

    Raises:
        WireError: it breaks a bound.
    """
    if not message.granted:
        return link.Claim(granted=False, reason=bounds.text(message.reason))
    return link.Claim(granted=True, **fields_from_wire(message, link.Claim))
