"""How do preferences look on the wire, and what of another version is not applied?

Pure. A batch with a field that we do not know becomes ``Unreadable``: a policy must never be
applied in part (G15).
"""

from __future__ import annotations

from typing import assert_never

from borderscout.v1 import preferences_pb2 as preferences
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from common import link
from common.preferences import Document
from common.wire import bounds
from common.wire.bounds import NAME_LENGTH_MAX, TEXT_LENGTH_MAX, WireError
from common.wire.positions import (
    identity_from_wire,
    identity_to_wire,
    position_from_wire,
    position_to_wire,
)


def preferences_request_to_wire(
    request: link.PreferencesHello | link.Answer,
) -> preferences.PreferencesRequest:
    """Return what a satellite says on the preference stream."""
    match request:
        case link.PreferencesHello():
            return preferences.PreferencesRequest(
                hello=preferences.PreferencesHello(
                    identity=identity_to_wire(request.identity),
                    applied=position_to_wire(request.applied),
                    digest=request.digest,
                    protocol_version=request.protocol_version,
                )
            )
        case link.Answer():
            answer = preferences.PreferencesAnswer(
                nonce=request.nonce,
                applied=position_to_wire(request.applied),
                digest=request.digest,
            )
            if request.refusal is not None:
                answer.refusal.CopyFrom(
                    preferences.PreferenceRefusal(
                        kind=request.refusal.kind[:NAME_LENGTH_MAX],
                        key=request.refusal.key[:TEXT_LENGTH_MAX],
                        reason=request.refusal.reason[:TEXT_LENGTH_MAX],
                        wants_snapshot=request.refusal.wants_snapshot,
                    )
                )
            return preferences.PreferencesRequest(answer=answer)
        case _:
            assert_never(request)


def preferences_request_from_wire(
    message: preferences.PreferencesRequest,
) -> link.PreferencesRequest:
    """Return what a satellite said.

    Raises:
        WireError: it breaks a bound.
    """
    match message.WhichOneof("message"):
        case "hello":
            hello = message.hello
            return link.PreferencesHello(
                identity=identity_from_wire(hello.identity),
                applied=position_from_wire(hello.applied),
                digest=bounds.digest(hello.digest),
                protocol_version=bounds.protocol(hello.protocol_version),
            )
        case "answer":
            return _answer_from_wire(message.answer)
        case _:
            return link.Unreadable(reason="a message that only a later version knows")


def _answer_from_wire(answer: preferences.PreferencesAnswer) -> link.Answer:
    refusal = None
    if answer.HasField("refusal"):
        refusal = link.LinkRefusal(
            kind=bounds.text(answer.refusal.kind, length_max=NAME_LENGTH_MAX),
            key=bounds.text(answer.refusal.key),
            reason=bounds.text(answer.refusal.reason),
            wants_snapshot=answer.refusal.wants_snapshot,
        )
    return link.Answer(
        nonce=bounds.text(answer.nonce, length_max=NAME_LENGTH_MAX),
        applied=position_from_wire(answer.applied),
        digest=bounds.digest(answer.digest),
        refusal=refusal,
    )


def preferences_response_to_wire(
    response: link.Batch | link.Bookmark,
) -> preferences.PreferencesResponse:
    """Return what the core says on the preference stream."""
    match response:
        case link.Batch():
            batch = preferences.PreferencesBatch(
                target=position_to_wire(response.target),
                documents=[_document_to_wire(document) for document in response.documents],
                snapshot=response.snapshot,
                last_part=response.last_part,
                digest=response.digest,
            )
            if response.base is not None:
                batch.base.CopyFrom(position_to_wire(response.base))
            return preferences.PreferencesResponse(nonce=response.nonce, batch=batch)
        case link.Bookmark(position=position, time_us=time_us):
            return preferences.PreferencesResponse(
                bookmark=preferences.PreferencesBookmark(
                    position=position_to_wire(position), time_us=time_us
                )
            )
        case _:
            assert_never(response)


def preferences_response_from_wire(
    message: preferences.PreferencesResponse,
) -> link.PreferencesResponse:
    """Return what the core said.

    Raises:
        WireError: it breaks a bound.
    """
    nonce = bounds.text(message.nonce, length_max=NAME_LENGTH_MAX)
    match message.WhichOneof("message"):
        case "batch":
            if _holds_unknown(message, message.batch, *message.batch.documents):
                reason = "preferences with a field that only a later version knows"
                return link.Unreadable(nonce=nonce, reason=reason)
            return _batch_from_wire(nonce, message.batch)
        case "bookmark":
            bookmark = message.bookmark
            return link.Bookmark(
                position=position_from_wire(bookmark.position), time_us=bookmark.time_us
            )
        case _:
            reason = "preferences of a form that only a later version knows"
            return link.Unreadable(nonce=nonce, reason=reason)


def _batch_from_wire(nonce: str, batch: preferences.PreferencesBatch) -> link.Batch:
    if not nonce:
        raise WireError("a batch of preferences without a nonce")
    base = position_from_wire(batch.base) if batch.HasField("base") else None
    if (base is None) is not batch.snapshot:
        raise WireError("a snapshot has no base, and every other batch has one")
    return link.Batch(
        nonce=nonce,
        base=base,
        target=position_from_wire(batch.target),
        documents=tuple(_document_from_wire(document) for document in batch.documents),
        snapshot=batch.snapshot,
        last_part=batch.last_part,
        digest=bounds.digest(batch.digest),
    )


def _document_to_wire(document: Document) -> preferences.Document:
    return preferences.Document(
        kind=document.kind,
        key=document.key,
        revision=document.revision,
        body=document.body,
        removed=document.removed,
    )


def _document_from_wire(message: preferences.Document) -> Document:
    # What stands in it is judged when it is applied: a refusal must name the document.
    return Document(
        kind=message.kind,
        key=message.key,
        revision=bounds.number(message.revision),
        body=message.body,
        removed=message.removed,
    )


def _holds_unknown(*messages: Message) -> bool:
    return any(len(UnknownFieldSet(message)) for message in messages)
