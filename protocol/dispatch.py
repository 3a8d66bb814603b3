"""Metadata of a dispatch. Only Bodh's server and agents see it."""

from typing import Literal
from uuid import UUID

from protocol.wire import Wire, parse_or_none

SessionKind = Literal["tutor", "mentoring", "class"]


class DispatchMetadata(Wire):
    """The session that an agent is dispatched for."""

    tenant_id: UUID
    room_id: UUID
    session_id: UUID
    epoch: int
    """Grows with every dispatch for the session; only the newest may serve it."""
    kind: SessionKind = "tutor"
    """Not sent by token servers older than the agent."""


def parse_dispatch(text: str | None) -> DispatchMetadata | None:
    """Returns None if the dispatch is not Bodh's. Never raises."""
    return parse_or_none(DispatchMetadata, text)
