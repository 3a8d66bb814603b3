"""The JSON of entering a tutor room and changing the lesson."""

from uuid import UUID

from pydantic import BaseModel, Field

from protocol import MAX_ROOM_NAME, RoomMetadata, SessionType
from settings import RoomScope
from web.camel import CamelModel
from web.courses_models import CourseProgress, LessonProgress, QuizQuestion


class PageCourse(CamelModel):
    id: UUID
    title: str
    description: str
    learning_objectives: list[str]


class PageLesson(CamelModel):
    """A lesson of a module page. `duration` is in seconds."""

    id: UUID
    title: str
    order_index: int
    kpoint_video_id: str | None
    youtube_video_id: str | None
    description: str
    duration: int | None
    quiz: list[QuizQuestion]


class PageModule(CamelModel):
    id: UUID
    title: str
    lessons: list[PageLesson]


class SessionTypeResult(CamelModel):
    """Which greeting the tutor gives, and why. `lessonNumber` is null in a preview."""

    session_type: SessionType
    is_first_course_visit: bool
    is_intro_lesson: bool
    is_first_lesson_visit: bool
    lesson_number: int | None
    prev_lesson_title: str | None
    course_progress: CourseProgress
    lesson_progress: LessonProgress | None


class ModulePage(CamelModel):
    """Until the caller has given the needed consents, there is no token and no session.

    `roomScope` says whether the room is shared (`module`), private (`learner`), or the caller's
    choice: then `roomName` is the shared one.
    """

    course: PageCourse
    module: PageModule
    user_id: UUID
    user_name: str
    lesson_id: UUID | None
    room_name: str
    room_scope: RoomScope
    live_kit_token: str | None
    ws_url: str
    session_type: SessionTypeResult
    session_id: UUID | None


class TokenRequest(BaseModel):
    """LiveKit's standard token request. Only `room_name` is read.

    Identity, metadata and agents are always set by the server.
    """

    room_name: str | None = Field(None, max_length=MAX_ROOM_NAME)


class JoinToken(BaseModel):
    """LiveKit's standard token response, plus the session and the learner's own metadata.

    The metadata in the token has no private facts, because everyone in the room can read it.
    `may_restrict` says whether the caller may remove and mute learners in the session.
    """

    server_url: str
    participant_token: str
    room_name: str
    session_id: UUID
    metadata: RoomMetadata
    may_restrict: bool


class RoomPeople(CamelModel):
    """Who else is in a room, in the order in which they came. They hear and read everything."""

    is_private: bool
    names: list[str]


class LessonChoice(CamelModel):
    lesson_id: UUID


class LessonChanged(CamelModel):
    """The learner's current lesson, and the revision of the change."""

    lesson_id: UUID
    revision: int
