"""Webhooks of the media server. Owns /api/webhooks/livekit."""

import base64
import hashlib
import hmac
import logging
import re
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, Request
from google.protobuf.json_format import Parse
from livekit import api
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.webhook import WebhookEvent
from pydantic import BaseModel

from db.local_inbox import MediaEvent
from protocol import AGENT_PREFIX, ProtocolError
from settings import Settings
from telemetry import metrics
from web.dependencies import Running
from web.error_responses import PROBLEMS
from web.errors import SignInRequired

SECRET_HEADER = "X-Webhook-Secret"  # noqa: S105 a name, not a secret
CONTENT_TYPES = ("application/webhook+json", "application/json")
MAX_TEXT = 256  # LiveKit's limit for names, identities and ids
MAX_EPOCH_S = 2**33  # the year 2242

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"], responses=PROBLEMS)
logger = logging.getLogger(__name__)

_ID = re.compile(r"[\x21-\x7e]{1,128}")
_NAME = re.compile(r"[a-z_]{1,64}")


class Received(BaseModel):
    """The event is on disk. `repeated` means it was there already."""

    status: Literal["ok", "repeated"]


@router.post("/livekit")
async def receive_webhook(request: Request, running: Running) -> Received:
    """Stores an event that the media server signed with our key. Repeats change nothing."""
    digest = verify_and_read_digest(request, running.settings)
    body = await request.body()
    if not hmac.compare_digest(digest, hashlib.sha256(body).digest()):
        metrics.WEBHOOKS.inc(outcome="refused")
        logger.warning("webhook refused", extra={"why": "another_body"})
        raise SignInRequired
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type not in CONTENT_TYPES:
        raise ProtocolError("Send the webhook as application/webhook+json")
    new = await running.inbox.put_event(parse_event(body))
    metrics.WEBHOOKS.inc(outcome="received" if new else "repeated")
    return Received(status="ok" if new else "repeated")


def verify_and_read_digest(request: Request, settings: Settings) -> bytes:
    """The SHA-256 of the body, according to the signature. Raises SignInRequired."""
    try:
        _check_secret(request, settings)
        verifier = api.TokenVerifier(
            settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
        )
        claims = verifier.verify(request.headers["authorization"])
        # a join token is signed with the same key, but has no hash of the body
        digest = base64.b64decode(claims.sha256 or "", validate=True)
        if len(digest) != hashlib.sha256().digest_size:
            raise SignInRequired
    except Exception as error:  # a forged token can make the library raise anything
        metrics.WEBHOOKS.inc(outcome="refused")
        logger.warning("webhook refused", extra={"why": type(error).__name__})
        raise SignInRequired from error
    return digest


def _check_secret(request: Request, settings: Settings) -> None:
    """Raises SignInRequired. The embedded media server cannot send the header."""
    secret = settings.livekit_webhook_secret.get_secret_value()
    if not secret or settings.embedded_livekit:
        return
    sent = request.headers.get(SECRET_HEADER, "")
    if not hmac.compare_digest(sent.encode(), secret.encode()):
        raise SignInRequired


def parse_event(body: bytes) -> MediaEvent:
    """The fields of an event that Bodh uses. Raises ProtocolError if the body is not an event."""
    try:
        event = Parse(body.decode(), WebhookEvent(), ignore_unknown_fields=True)
    except Exception as error:
        raise ProtocolError("The body is not a LiveKit event") from error
    if not _ID.fullmatch(event.id) or not _NAME.fullmatch(event.event):
        raise ProtocolError("The event has no valid id or name")
    person = event.participant
    return MediaEvent(
        id=event.id,
        name=event.event,
        at=_parse_epoch_time(event.created_at),
        room=_check_name(event.room.name),
        room_sid=_check_name(event.room.sid),
        sid=_check_name(person.sid),
        identity=_check_name(person.identity),
        agent=person.kind == ParticipantInfo.Kind.AGENT or person.identity.startswith(AGENT_PREFIX),
        joined_at=_parse_joined_at(person),
    )


def _parse_joined_at(person: ParticipantInfo) -> datetime | None:
    if person.joined_at_ms:
        return _parse_epoch_time(person.joined_at_ms / 1000)
    return _parse_epoch_time(person.joined_at) if person.joined_at else None


def _check_name(value: str) -> str:
    if len(value) > MAX_TEXT or not value.isprintable():
        raise ProtocolError("A name in the event is too long or has control characters")
    return value


def _parse_epoch_time(epoch_s: float) -> datetime:
    if not 0 < epoch_s < MAX_EPOCH_S:
        raise ProtocolError("A time in the event is out of range")
    return datetime.fromtimestamp(epoch_s, UTC)
