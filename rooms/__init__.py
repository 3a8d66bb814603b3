"""Rooms in LiveKit: entry, metadata, join tokens, dispatch, attendance, lesson changes.

Hold a room (`rooms.room_lock.hold_room`) from reading what to publish until it is published. Never
call the media server inside a transaction: while it hangs, no connection would be left.
"""

from rooms.admission import Admission, select_own_room
from rooms.agents import recreate_room_and_dispatch_agent, repeat_dispatch, replace_agent
from rooms.attendance import reconcile_attendance
from rooms.blocked import remove_blocked_people
from rooms.consents import (
    AccountConsents,
    ConsentRequired,
    GuardianConsentRequired,
    remove_account_from_rooms,
    remove_people_without_consent,
    select_consents,
)
from rooms.entry import (
    EntryRefusal,
    OpenedRoom,
    admit_learner,
    enter_room,
    find_entry_refusal,
)
from rooms.lessons import adopt_lesson, change_lesson, store_lesson_change
from rooms.media import (
    MEDIA_ERRORS,
    MediaUnavailable,
    check_media,
    close_room,
    list_room_sids,
    make_media_client,
    remove_participant,
)
from rooms.restrictions import RemovedFromSession, change_restriction, enforce_restrictions

__all__ = [
    "MEDIA_ERRORS",
    "AccountConsents",
    "Admission",
    "ConsentRequired",
    "EntryRefusal",
    "GuardianConsentRequired",
    "MediaUnavailable",
    "OpenedRoom",
    "RemovedFromSession",
    "admit_learner",
    "adopt_lesson",
    "change_lesson",
    "change_restriction",
    "check_media",
    "close_room",
    "enforce_restrictions",
    "enter_room",
    "find_entry_refusal",
    "list_room_sids",
    "make_media_client",
    "reconcile_attendance",
    "recreate_room_and_dispatch_agent",
    "remove_account_from_rooms",
    "remove_blocked_people",
    "remove_participant",
    "remove_people_without_consent",
    "repeat_dispatch",
    "replace_agent",
    "select_consents",
    "select_own_room",
    "store_lesson_change",
]
