"""Calls of LiveKit's server API: rooms and participants, the client and its errors."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import aiohttp
from livekit import api

from settings import Settings

TIMEOUT_S = 3.0
PAUSES_S = (0.1, 0.3)  # between the tries of an idempotent call

MEDIA_ERRORS = (api.ServerError, aiohttp.ClientError, TimeoutError)

_T = TypeVar("_T")


class MediaUnavailable(Exception):
    pass


def make_media_client(settings: Settings) -> api.LiveKitAPI:
    """A client of the media server. Needs a running event loop; the caller closes it."""
    return api.LiveKitAPI(
        settings.livekit_internal_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        failover=False,
    )


async def check_media(lk: api.LiveKitAPI) -> None:
    try:
        await lk.room.list_rooms(api.ListRoomsRequest(names=["-"]))
    except MEDIA_ERRORS as error:
        raise MediaUnavailable from error


async def close_room(lk: api.LiveKitAPI, name: str) -> None:
    try:
        await _retry_call(lambda: lk.room.delete_room(api.DeleteRoomRequest(room=name)))
    except api.ServerError as error:
        if error.code != "not_found":
            raise


async def create_room(lk: api.LiveKitAPI, settings: Settings, name: str, metadata: str) -> api.Room:
    """Creates the room. An existing room is returned unchanged, with its own metadata."""
    return await _retry_call(
        lambda: lk.room.create_room(
            api.CreateRoomRequest(
                name=name,
                metadata=metadata,
                empty_timeout=int(settings.empty_timeout.total_seconds()),
                departure_timeout=int(settings.departure_timeout.total_seconds()),
            )
        )
    )


async def update_room_metadata(lk: api.LiveKitAPI, name: str, metadata: str) -> None:
    await _retry_call(
        lambda: lk.room.update_room_metadata(
            api.UpdateRoomMetadataRequest(room=name, metadata=metadata)
        )
    )


async def update_participant_metadata(
    lk: api.LiveKitAPI, name: str, identity: str, metadata: str
) -> None:
    await _retry_call(
        lambda: lk.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity=identity, metadata=metadata)
        )
    )


async def list_participants(lk: api.LiveKitAPI, name: str) -> list[api.ParticipantInfo]:
    """The participants of a room, including agents. A killed one stays listed for 20 s."""
    answer = await _retry_call(
        lambda: lk.room.list_participants(api.ListParticipantsRequest(room=name))
    )
    gone = api.ParticipantInfo.State.DISCONNECTED
    return [one for one in answer.participants if one.state != gone]


async def list_people_by_identity(lk: api.LiveKitAPI, name: str) -> dict[str, api.ParticipantInfo]:
    people = await list_participants(lk, name)
    return {one.identity: one for one in people if not is_agent(one)}


def is_agent(participant: api.ParticipantInfo) -> bool:
    return participant.kind == api.ParticipantInfo.Kind.AGENT


async def list_room_sids(lk: api.LiveKitAPI, names: Sequence[str]) -> dict[str, str]:
    """Sids by room name, without the rooms that do not exist."""
    answer = await _retry_call(lambda: lk.room.list_rooms(api.ListRoomsRequest(names=names)))
    return {room.name: room.sid for room in answer.rooms}


async def remove_participant(lk: api.LiveKitAPI, name: str, identity: str) -> None:
    try:
        await _retry_call(
            lambda: lk.room.remove_participant(
                api.RoomParticipantIdentity(room=name, identity=identity)
            )
        )
    except api.ServerError as error:
        if error.code != "not_found":
            raise


async def set_publishing(lk: api.LiveKitAPI, name: str, identity: str, *, allowed: bool) -> None:
    """Lets a participant publish tracks, or unpublishes theirs. They keep listening and typing.

    Does nothing if they are not in the room.
    """
    permission = api.ParticipantPermission(
        can_subscribe=True, can_publish=allowed, can_publish_data=True
    )
    try:
        await _retry_call(
            lambda: lk.room.update_participant(
                api.UpdateParticipantRequest(room=name, identity=identity, permission=permission)
            )
        )
    except api.ServerError as error:
        if error.code != "not_found":
            raise


async def _retry_call(call: Callable[[], Awaitable[_T]]) -> _T:
    """Retries an idempotent call after a broken connection or a 5xx response."""
    for pause_s in PAUSES_S:
        try:
            return await call()
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(pause_s)
        except api.ServerError as error:
            if error.status < 500:
                raise
            await asyncio.sleep(pause_s)
    return await call()
