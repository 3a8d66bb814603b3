"""LiveKit's server API: room, metadata, join token, dispatch, attendance; the rule of a lesson.

One writer per room at a time: whatever reads and then writes a room holds `lock_room`, because
the media server merges concurrent metadata updates and the winner is not the last one issued.
"""

from rooms.agents import recheck_agent
from rooms.attendance import keep_attendance, reconcile_attendance
from rooms.entry import OpenedRoom, name_of, open_room
from rooms.lessons import adopt_lesson, change_lesson, publish_choices, publish_lesson
from rooms.media import MediaUnavailable, check_media, close_room, connect
from rooms.metadata import sees

__all__ = [
    "MediaUnavailable",
    "OpenedRoom",
    "adopt_lesson",
    "change_lesson",
    "check_media",
    "close_room",
    "connect",
    "keep_attendance",
    "name_of",
    "open_room",
    "publish_choices",
    "publish_lesson",
    "recheck_agent",
    "reconcile_attendance",
    "sees",
]
