"""Join tokens: what a person may do in a room."""

from livekit import api

from db.accounts import Account
from settings import Settings


def make_join_token(
    settings: Settings, account: Account, room_name: str, metadata: str, *, may_publish: bool
) -> str:
    """Allows joining one room and subscribing, but not creating or managing rooms.

    Without `may_publish`, also no microphone; typing still works.
    """
    grants = api.VideoGrants(
        room_join=True,
        room=room_name,
        can_publish=may_publish,
        can_subscribe=True,
        can_publish_data=True,
    )
    token = api.AccessToken(
        settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
    )
    return (
        token.with_identity(account.identity)
        .with_name(account.name)
        .with_ttl(settings.token_ttl)
        .with_grants(grants)
        .with_metadata(metadata)
        .to_jwt()
    )
