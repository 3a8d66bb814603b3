"""The rows behind the dispatch that an agent job serves."""

from dataclasses import dataclass
from uuid import UUID

from db.rooms import Room
from db.sessions import Session


@dataclass(frozen=True)
class Dispatch:
    """Where one agent job works."""

    tenant_id: UUID
    room: Room
    session: Session
    epoch: int
