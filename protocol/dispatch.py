"""Metadata of a dispatch. Only Bodh's server and agents see it."""

from uuid import UUID

from protocol.wire import Wire, find


class DispatchMetadata(Wire):
    """The session that an agent is dispatched for."""

    tenant_id: UUID
    room_id: UUID
    session_id: UUID
    epoch: int
    """Grows with every dispatch for the session; only the newest may serve it."""


def parse_dispatch(text: str | None) -> DispatchMetadata | None:
    """None where the dispatch is not Bodh's. Never raises."""
    return find(DispatchMetadata, text)
