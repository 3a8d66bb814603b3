"""The JSON of the routes, camelCase. Owns their shapes; none has a field for a quiz key."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from courses.progress import ProgressStatus
from db.account_settings import CaptionSize, Theme
from protocol import MAX_ROOM_NAME, Role, SessionType


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
    AfterValidator(_printable),
]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Camel(BaseModel):
    """Python's names inside, JavaScript's outside."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Me(Camel):
    """The signed-in account; `tenant` is a slug."""

    id: UUID
    name: str
    role: Role
    tenant: str


class DevLogin(BaseModel):
    """Sign-in without a password, development only. The same name is the same account."""

    name: Name
    role: Literal["learner", "teacher", "admin", "mentor", "mentee", "student"] = "learner"
    tenant: Slug = "default"


class SignedIn(BaseModel):
    """A bearer token, set as a cookie as well."""

    token: str


class CourseLine(Camel):
    """A course in a list."""

    id: UUID
    slug: str
    title: str


class CourseList(Camel):
    """All courses of the tenant."""

    courses: list[CourseLine]


class LessonLine(Camel):
    """A lesson in a course's tree with the caller's mark; duration in seconds."""

    id: UUID
    title: str
    order_index: int
    duration: int | None
    status: ProgressStatus


class ModuleLine(Camel):
    """A module with its lessons, in order."""

    id: UUID
    title: str
    lessons: list[LessonLine]


class CourseProgress(Camel):
    """Over the published lessons of the course."""

    completed_lessons: int
    total_lessons: int
    last_lesson_title: str | None


class LastLesson(Camel):
    """Where the caller left off: the lesson opened latest, position in seconds into its video."""

    lesson_id: UUID
    module_id: UUID
    last_position: float
    last_accessed_at: datetime


class CourseTree(CourseLine):
    """A course with its modules, in order; `last` is null before the first visit."""

    description: str
    modules: list[ModuleLine]
    progress: CourseProgress
    last: LastLesson | None


class QuizQuestion(Camel):
    """A question as a learner sees it."""

    id: UUID
    number: int
    prompt: str
    options: list[str]
    passage_number: int | None


class PageCourse(Camel):
    """The course of a module page."""

    id: UUID
    title: str
    description: str
    learning_objectives: list[str]


class PageLesson(Camel):
    """A lesson of a module page; duration in seconds."""

    id: UUID
    title: str
    order_index: int
    kpoint_video_id: str | None
    youtube_video_id: str | None
    description: str
    duration: int | None
    quiz: list[QuizQuestion]


class PageModule(Camel):
    """The module of a module page, its lessons in order."""

    id: UUID
    title: str
    lessons: list[PageLesson]


class LessonProgress(Camel):
    """Position in seconds into the video."""

    completion_percentage: int = Field(ge=0, le=100)
    last_position: float
    status: ProgressStatus


class SessionTypeResult(Camel):
    """Which greeting is due, and the facts it rests on. `lessonNumber` is null in a preview."""

    session_type: SessionType
    is_first_course_visit: bool
    is_intro_lesson: bool
    is_first_lesson_visit: bool
    lesson_number: int | None
    prev_lesson_title: str | None
    course_progress: CourseProgress
    lesson_progress: LessonProgress | None


class ModulePage(Camel):
    """All that a module page needs, the room and its token included."""

    course: PageCourse
    module: PageModule
    user_id: UUID
    user_name: str
    lesson_id: UUID | None
    room_name: str
    live_kit_token: str
    ws_url: str
    session_type: SessionTypeResult
    session_id: UUID


class TokenRequest(BaseModel):
    """LiveKit's standard token request.

    Only the room is read: identity, metadata and agents of the request are not taken over.
    """

    room_name: str | None = Field(None, max_length=MAX_ROOM_NAME)


class JoinToken(BaseModel):
    """LiveKit's standard token answer, with the session."""

    server_url: str
    participant_token: str
    room_name: str
    session_id: UUID


class LessonChoice(Camel):
    """The lesson to change to."""

    lesson_id: UUID


class LessonChanged(Camel):
    """The lesson the learner is on, and the number of that change in the room."""

    lesson_id: UUID
    revision: int


class LessonPassage(Camel):
    """One numbered passage of a lesson, Markdown; a formula in MathML as well."""

    id: UUID
    number: int
    kind: Literal["text", "code", "formula"]
    heading: str
    body: str
    mathml: str | None = Field(description="Of a formula; null where an older Bodh imported it")


class LessonText(Camel):
    """A lesson to read. `number` counts over the whole course, null for an unpublished one."""

    id: UUID
    course_id: UUID
    module_id: UUID
    number: int | None
    title: str
    description: str
    objectives: list[str]
    passages: list[LessonPassage]
    captions_url: str | None
    quiz: list[QuizQuestion]


class ProgressChange(Camel):
    """What to store; what is left out stays. Position in seconds into the video."""

    percentage: int | None = Field(None, ge=0, le=100)
    last_position: float | None = Field(None, ge=0, le=1_000_000, allow_inf_nan=False)
    completed: bool | None = None


class TranscriptSegment(Camel):
    """One utterance; times in seconds on the session clock; `mine`: the caller said it."""

    id: str
    speaker: str
    name: str
    role: Literal["learner", "tutor"]
    source: Literal["voice", "text"]
    text: str
    start_s: float
    end_s: float
    lesson_id: UUID | None
    language: str | None
    confidence: float | None
    interrupted: bool
    mine: bool


class Transcript(Camel):
    """What was said in a session, in order of speaking; `startedAt` is zero of its clock."""

    session_id: UUID
    started_at: datetime
    segments: list[TranscriptSegment]


class LoggedEvent(Camel):
    """One event of a session. The payload is as it was hashed: ids and numbers, in snake_case."""

    seq: int
    type: str
    version: int
    at: datetime
    payload: dict[str, str | int | None]
    hash: str = Field(description="SHA-256, hexadecimal, over this event and the hash before it")


class EventLog(Camel):
    """All events of a session, `seq` from 1 without gaps."""

    session_id: UUID
    events: list[LoggedEvent]


class NoticeLine(Camel):
    """An alarm of one host; `clearedAt` is null while it stands, `facts` are ids and counts."""

    id: UUID
    host: str
    name: str
    first_at: datetime
    last_at: datetime
    cleared_at: datetime | None
    count: int = Field(description="how often it was raised, each time within an hour of its end")
    facts: dict[str, float | int | str | bool | None]


class Notices(Camel):
    """Alarms that stand, then the newest ones that are over."""

    notices: list[NoticeLine]


class Received(BaseModel):
    """An event is on disk; `repeated` where it was before."""

    status: Literal["ok", "repeated"]


class HeardTalk(Camel):
    """What the caller heard of one session about one lesson; `firstId` is its first segment."""

    session_id: UUID
    course_id: UUID | None
    module_id: UUID | None
    module_title: str | None
    lesson_id: UUID | None
    lesson_title: str | None
    first_id: str
    started_at: datetime
    ended_at: datetime
    segments: int


class Highlight(Camel):
    """A found word: from, to in UTF-16 units of the text, as JavaScript counts them."""

    start: int
    end: int


class HeardSegment(Camel):
    """An utterance that a search found; `startS` in seconds on the session clock."""

    session_id: UUID
    segment_id: str
    module_id: UUID | None
    lesson_id: UUID | None
    lesson_title: str | None
    name: str
    role: Literal["learner", "tutor"]
    mine: bool
    text: str
    started_at: datetime
    start_s: float
    highlights: list[Highlight]


class OwnTranscripts(Camel):
    """The caller's talks, newest first, or what a search found in them, in order of speaking."""

    talks: list[HeardTalk]
    hits: list[HeardSegment]


class WordsErased(Camel):
    """How many utterances of the caller were erased."""

    erased: int


class AccountSettings(Camel):
    """What an account chose; `speechRate` is a factor of the tutor's normal speed."""

    store_words: bool
    speech_rate: float
    voice: bool
    caption_size: CaptionSize
    read_tutor: bool
    single_keys: bool
    theme: Theme


class SettingsChange(Camel):
    """What to store; what is left out stays."""

    store_words: bool | None = None
    speech_rate: float | None = Field(None, ge=0.5, le=2, allow_inf_nan=False)
    voice: bool | None = None
    caption_size: CaptionSize | None = None
    read_tutor: bool | None = None
    single_keys: bool | None = None
    theme: Theme | None = None


class Health(BaseModel):
    """Alive."""

    status: Literal["ok"]
