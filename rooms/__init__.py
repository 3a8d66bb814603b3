"""Rooms in LiveKit: entry, metadata, join tokens, dispatch, attendance, lesson changes.

Hold `db.rooms.lock_room` while reading and then writing a LiveKit room. The media server merges
concurrent metadata updates, and the last one sent does not always win.
"""

from rooms.admission import tutor_room_name
from rooms.agents import recreate_room, repeat_dispatch, replace_agent
from rooms.attendance import reconcile_attendance
from rooms.blocked import remove_blocked
from rooms.entry import OpenedRoom, open_room
from rooms.lessons import adopt_lesson, change_lesson, store_lesson
from rooms.media import (
    MEDIA_ERRORS,
    MediaUnavailable,
    check_media,
    close_room,
    connect_media,
    list_room_sids,
)

__all__ = [
    "MEDIA_ERRORS",
    "MediaUnavailable",
    "OpenedRoom",
    "adopt_lesson",
    "change_lesson",
    "check_media",
    "close_room",
    "connect_media",
    "list_room_sids",
    "open_room",
    "reconcile_attendance",
    "recreate_room",
    "remove_blocked",
    "repeat_dispatch",
    "replace_agent",
    "store_lesson",
    "tutor_room_name",
]
