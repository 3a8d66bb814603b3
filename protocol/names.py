"""Roles, names of rooms and identities of participants. Names are built here, never parsed."""

from typing import Literal
from uuid import UUID

from protocol.wire import ProtocolError

AGENT_PREFIX = "a_"  # of an identity; people have l_ or m_
MAX_ROOM_NAME = 256  # characters; LiveKit's limit

Role = Literal["learner", "teacher", "admin"]


def room_name(course_id: UUID, module_id: UUID, suffix: str = "") -> str:
    """`{courseId}-{moduleId}`, or `{courseId}-{moduleId}-{suffix}` for a learner's private room."""
    name = f"{course_id}-{module_id}" + (f"-{suffix}" if suffix else "")
    if len(name) > MAX_ROOM_NAME:
        raise ProtocolError(f"room name is longer than {MAX_ROOM_NAME} characters")
    return name


def agent_identity(session_id: UUID, epoch: int) -> str:
    """A new identity per dispatch: LiveKit ends the newer of two jobs that share an identity."""
    return f"{AGENT_PREFIX}{session_id}_{epoch}"
