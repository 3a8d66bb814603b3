"""Entering a tutor room. Owns the module page's request, join tokens and lesson changes."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

import rooms
from courses.course import Lesson
from courses.quiz import Question
from db import NotFound, tenant_tx
from db.quizzes import list_questions
from db.rooms import find_room
from protocol import ProtocolError
from web.courses_models import QuizQuestion
from web.dependencies import (
    AppContext,
    Caller,
    Running,
    SignedInAccount,
    count_token_request,
    limited,
)
from web.error_responses import PROBLEMS
from web.tutor_rooms_models import (
    JoinToken,
    LessonChanged,
    LessonChoice,
    ModulePage,
    PageCourse,
    PageLesson,
    PageModule,
    SessionTypeResult,
    TokenRequest,
)

router = APIRouter(prefix="/api", tags=["rooms"], responses=PROBLEMS)

LessonQuery = Annotated[str | None, Query(max_length=200, description="The id of a lesson")]
Key = Annotated[str | None, Query(max_length=200)]


@router.post(
    "/v2/course/{course_id}/module/{module_id}", dependencies=[Depends(count_token_request)]
)
async def post_module_page(
    course_id: str,
    module_id: str,
    response: Response,
    running: Running,
    caller: Caller,
    lesson: LessonQuery = None,
) -> ModulePage:
    """Everything that a module page needs: texts, room, session type and join token.

    Enrols the caller, moves them to the lesson and opens the room. So it is no GET, which a link on
    another site could make a browser send.
    """
    opened = await _open_room(running, caller, course_id, module_id, lesson, stay=False)
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        quizzes = {
            lesson.id: await list_questions(db, caller.tenant_id, lesson.id)
            for lesson in opened.admission.lessons
        }
    response.headers["Cache-Control"] = "no-store"
    return _module_page(running, caller, opened, quizzes)


@router.post("/livekit/token", status_code=201, dependencies=[Depends(count_token_request)])
async def post_token(
    response: Response,
    running: Running,
    caller: Caller,
    body: TokenRequest | None = None,
    course_id: Annotated[Key, Query(alias="courseId")] = None,
    module_id: Annotated[Key, Query(alias="moduleId")] = None,
    lesson: LessonQuery = None,
) -> JoinToken:
    """LiveKit's standard token endpoint, by `room_name` or by course and module.

    Without `lesson` the learner stays on the lesson of their last visit to the room.
    """
    course_key, module_key = await _requested_course_and_module(
        running, caller, body, course_id, module_id
    )
    opened = await _open_room(running, caller, course_key, module_key, lesson, stay=True)
    response.headers["Cache-Control"] = "no-store"
    return JoinToken(
        server_url=running.settings.livekit_client_url,
        participant_token=opened.token,
        room_name=opened.admission.room.name,
        session_id=opened.session.id,
        metadata=opened.metadata,
    )


@router.post("/rooms/{room}/lesson", dependencies=[limited("lesson")])
async def post_lesson(
    room: str, body: LessonChoice, running: Running, caller: Caller
) -> LessonChanged:
    """Changes the caller's lesson in a room.

    The change is stored first, then published in the room's metadata.
    """
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        found = await find_room(db, caller.tenant_id, room)
    if found is None:
        raise NotFound("room")
    revision = await rooms.change_lesson(
        running.lk, running.pool, found, caller.account, body.lesson_id, now=running.clock()
    )
    return LessonChanged(lesson_id=body.lesson_id, revision=revision)


async def _requested_course_and_module(
    running: AppContext,
    caller: SignedInAccount,
    body: TokenRequest | None,
    course_id: str | None,
    module_id: str | None,
) -> tuple[str, str]:
    """The keys of course and module. Raises NotFound, or ProtocolError if the request has none."""
    if body is None or not body.room_name:
        if course_id and module_id:
            return course_id, module_id
        raise ProtocolError("Send room_name, or courseId and moduleId")
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        room = await find_room(db, caller.tenant_id, body.room_name)
    if room is None or room.course_id is None or room.module_id is None:
        raise NotFound("room")
    # with ROOM_SCOPE=learner, another learner's room is not found
    own = rooms.tutor_room_name(running.settings, caller.account, room.course_id, room.module_id)
    if room.name != own:
        raise NotFound("room")
    return str(room.course_id), str(room.module_id)


async def _open_room(
    running: AppContext,
    caller: SignedInAccount,
    course_key: str,
    module_key: str,
    lesson_key: str | None,
    *,
    stay: bool,
) -> rooms.OpenedRoom:
    module_id = _parse_uuid(module_key)
    if module_id is None:
        raise NotFound("module")
    return await rooms.open_room(
        running.settings,
        running.lk,
        running.pool,
        caller.account,
        course_key,
        module_id,
        lesson_id=_parse_uuid(lesson_key),
        stay=stay,
        now=running.clock(),
    )


def _parse_uuid(text: str | None) -> UUID | None:
    """None for text that is not an id."""
    try:
        return UUID(text)
    except (ValueError, TypeError):
        return None


def _module_page(
    running: AppContext,
    caller: SignedInAccount,
    opened: rooms.OpenedRoom,
    quizzes: dict[UUID, list[Question]],
) -> ModulePage:
    entered = opened.admission
    return ModulePage(
        course=PageCourse.model_validate(entered.course),
        module=PageModule(
            id=entered.module.id,
            title=entered.module.title,
            lessons=[_page_lesson(lesson, quizzes[lesson.id]) for lesson in entered.lessons],
        ),
        user_id=caller.account.id,
        user_name=caller.account.name,
        lesson_id=entered.lesson.id if entered.lesson else None,
        room_name=entered.room.name,
        live_kit_token=opened.token,
        ws_url=running.settings.livekit_client_url,
        session_type=SessionTypeResult.model_validate(entered.visit),
        session_id=opened.session.id,
    )


def _page_lesson(lesson: Lesson, questions: list[Question]) -> PageLesson:
    return PageLesson(
        id=lesson.id,
        title=lesson.title,
        order_index=lesson.order_index,
        kpoint_video_id=lesson.kpoint_video_id,
        youtube_video_id=lesson.youtube_video_id,
        description=lesson.description,
        duration=lesson.duration_s,
        quiz=[QuizQuestion.model_validate(question) for question in questions],
    )
