"""Rooms in LiveKit: entry, metadata, join tokens, dispatch, attendance, lesson changes.

Hold a room (`rooms.room_lock.hold_room`) from reading what to publish until it is published. Never
call the media server inside a transaction: while it hangs, no connection would be left.
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
