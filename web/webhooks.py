"""Webhooks of the media server. Owns /api/webhooks/livekit: signed, on disk, then answered."""

import base64
import hashlib
import hmac
import logging
import re
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from google.protobuf.json_format import Parse
from livekit import api
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.webhook import WebhookEvent

from db.inbox import Event
from protocol import AGENT_PREFIX, ProtocolError
from settings import Settings
from telemetry import metrics
from web.context import Running
from web.errors import PROBLEMS, SignInRequired
from web.models import Received

SECRET_HEADER = "X-Webhook-Secret"  # noqa: S105 the name of it
CONTENT_TYPES = ("application/webhook+json", "application/json")
MAX_TEXT = 256  # LiveKit's limit of names, identities and ids
MAX_EPOCH_S = 2**33  # the year 2242

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"], responses=PROBLEMS)
logger = logging.getLogger(__name__)

_ID = re.compile(r"[\x21-\x7e]{1,128}")
_NAME = re.compile(r"[a-z_]{1,64}")


@router.post("/livekit")
async def receive(request: Request, running: Running) -> Received:
    """Takes an event of the media server, signed with our key; a repeat changes nothing."""
    digest = signed_digest(request, running.settings)
    body = await request.body()
    if not hmac.compare_digest(digest, hashlib.sha256(body).digest()):
        metrics.WEBHOOKS.inc(outcome="refused")
        logger.warning("webhook refused", extra={"why": "another_body"})
        raise SignInRequired
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type not in CONTENT_TYPES:
        raise ProtocolError("A webhook is application/webhook+json")
    new = await running.inbox.put(parse_event(body))
    metrics.WEBHOOKS.inc(outcome="received" if new else "repeated")
    return Received(status="ok" if new else "repeated")


def signed_digest(request: Request, settings: Settings) -> bytes:
    """The SHA-256 of the body that the signature vouches for. Raises SignInRequired."""
    try:
        _check_secret(request, settings)
        verifier = api.TokenVerifier(
            settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
        )
        claims = verifier.verify(request.headers["authorization"])
        # a join token carries the same signature, but vouches for no body
        digest = base64.b64decode(claims.sha256 or "", validate=True)
        if len(digest) != hashlib.sha256().digest_size:
            raise SignInRequired
    except Exception as error:  # the library raises whatever a forgery makes it raise
        metrics.WEBHOOKS.inc(outcome="refused")
        logger.warning("webhook refused", extra={"why": type(error).__name__})
        raise SignInRequired from error
    return digest


def _check_secret(request: Request, settings: Settings) -> None:
    """Our own media server sends no header, so only another one's proxy must."""
    secret = settings.livekit_webhook_secret.get_secret_value()
    if not secret or settings.embedded_livekit:
        return
    sent = request.headers.get(SECRET_HEADER, "")
    if not hmac.compare_digest(sent.encode(), secret.encode()):
        raise SignInRequired


def parse_event(body: bytes) -> Event:
    """What has an effect, of a body that may hold anything. Raises ProtocolError."""
    try:
        told = Parse(body.decode(), WebhookEvent(), ignore_unknown_fields=True)
    except Exception as error:
        raise ProtocolError("Not an event of LiveKit") from error
    if not _ID.fullmatch(told.id) or not _NAME.fullmatch(told.event):
        raise ProtocolError("An event has an id and a name")
    person = told.participant
    return Event(
        id=told.id,
        name=told.event,
        at=_moment(told.created_at),
        room=_text(told.room.name),
        room_sid=_text(told.room.sid),
        sid=_text(person.sid),
        identity=_text(person.identity),
        agent=person.kind == ParticipantInfo.Kind.AGENT or person.identity.startswith(AGENT_PREFIX),
        joined_at=_joined_at(person),
    )


def _joined_at(person: ParticipantInfo) -> datetime | None:
    if person.joined_at_ms:
        return _moment(person.joined_at_ms / 1000)
    return _moment(person.joined_at) if person.joined_at else None


def _text(value: str) -> str:
    if len(value) > MAX_TEXT or not value.isprintable():
        raise ProtocolError("A name is too long or holds control characters")
    return value


def _moment(epoch_s: float) -> datetime:
    if not 0 < epoch_s < MAX_EPOCH_S:
        raise ProtocolError("A time is out of range")
    return datetime.fromtimestamp(epoch_s, UTC)
