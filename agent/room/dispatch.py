"""The dispatch that an agent job serves, with its rows."""

from dataclasses import dataclass
from uuid import UUID

from db.rooms import Room
from db.sessions import Session


@dataclass(frozen=True)
class Dispatch:
    tenant_id: UUID
    room: Room
    session: Session
    epoch: int
