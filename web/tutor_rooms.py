"""Entering a tutor room. Owns the module page's request, join tokens and lesson changes."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

import rooms
from courses.course import Lesson
from courses.quiz import Question
from db import NotFound, tenant_tx
from db.attendance import list_present_names
from db.quizzes import list_questions
from db.rooms import find_room
from db.sessions import find_active_session
from protocol import ProtocolError
from web.courses_models import QuizQuestion
from web.dependencies import (
    AppContext,
    Caller,
    Running,
    SignedInAccount,
    count_token_request,
    rate_limited,
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
    RoomPeople,
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
    running: Running,
    caller: Caller,
    lesson: LessonQuery = None,
) -> ModulePage:
    """Everything that a module page needs: texts, room, session type and join token.

    Enrols the caller, moves them to the lesson and opens the room. So it is no GET, which a link on
    another site could make a browser send.
    """
    admission = await _admit_learner(running, caller, course_id, module_id, lesson, stay=False)
    opened = await _enter_if_allowed(running, caller, admission)
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        quizzes = {
            lesson.id: await list_questions(db, caller.tenant_id, lesson.id)
            for lesson in admission.lessons
        }
    return _module_page(running, caller, admission, opened, quizzes)


@router.post("/livekit/token", status_code=201, dependencies=[Depends(count_token_request)])
async def post_token(
    running: Running,
    caller: Caller,
    body: TokenRequest | None = None,
    course_id: Annotated[Key, Query(alias="courseId")] = None,
    module_id: Annotated[Key, Query(alias="moduleId")] = None,
    lesson: LessonQuery = None,
    private: Annotated[bool, Query(description="Join the caller's own room")] = False,
) -> JoinToken:
    """LiveKit's standard token endpoint, by `room_name` or by course and module.

    Without `lesson` the learner stays on the lesson of their last visit to the room.
    """
    if body is not None and body.room_name:
        course_id, module_id, private = await _select_room_parts(running, caller, body.room_name)
    elif not course_id or not module_id:
        raise ProtocolError("Send room_name, or courseId and moduleId")
    admission = await _admit_learner(
        running, caller, course_id, module_id, lesson, stay=True, private=private
    )
    opened = await _enter_room(running, caller, admission)
    return JoinToken(
        server_url=running.settings.livekit_client_url,
        participant_token=opened.token,
        room_name=opened.admission.room.name,
        session_id=opened.session.id,
        metadata=opened.metadata,
        may_restrict=opened.may_restrict,
    )


@router.get("/rooms/{room}/people")
async def get_people(room: str, running: Running, caller: Caller) -> RoomPeople:
    """Who else is in a room that the caller may enter."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        found, private = await rooms.select_own_room(running.settings, db, caller.account, room)
        session = await find_active_session(db, caller.tenant_id, found.id)
        names = (
            await list_present_names(
                db, caller.tenant_id, session.id, except_account_id=caller.account.id
            )
            if session
            else []
        )
    return RoomPeople(is_private=private, names=names)


@router.post("/rooms/{room}/lesson", dependencies=[rate_limited("lesson")])
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


async def _select_room_parts(
    running: AppContext, caller: SignedInAccount, name: str
) -> tuple[str, str, bool]:
    """A room's course and module, and whether it is private. Raises NotFound."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        room, private = await rooms.select_own_room(running.settings, db, caller.account, name)
    return str(room.course_id), str(room.module_id), private


async def _admit_learner(
    running: AppContext,
    caller: SignedInAccount,
    course_key: str,
    module_key: str,
    lesson_key: str | None,
    *,
    stay: bool,
    private: bool = False,
) -> rooms.Admission:
    module_id = _parse_uuid(module_key)
    if module_id is None:
        raise NotFound("module")
    return await rooms.admit_learner(
        running.settings,
        running.pool,
        caller.account,
        course_key,
        module_id,
        lesson_id=_parse_uuid(lesson_key),
        stay=stay,
        private=private,
        now=running.clock(),
    )


async def _enter_room(
    running: AppContext, caller: SignedInAccount, admission: rooms.Admission
) -> rooms.OpenedRoom:
    return await rooms.enter_room(
        running.settings,
        running.lk,
        running.pool,
        caller.account,
        admission,
        now=running.clock(),
    )


async def _enter_if_allowed(
    running: AppContext, caller: SignedInAccount, admission: rooms.Admission
) -> rooms.OpenedRoom | None:
    """None for those who may read the lesson but not join: without consent, or removed."""
    if admission.missing_consents:
        return None
    try:
        return await _enter_room(running, caller, admission)
    except rooms.RemovedFromSession:
        return None


def _parse_uuid(text: str | None) -> UUID | None:
    """None for text that is not an id."""
    try:
        return UUID(text)
    except (ValueError, TypeError):
        return None


def _module_page(
    running: AppContext,
    caller: SignedInAccount,
    entered: rooms.Admission,
    opened: rooms.OpenedRoom | None,
    quizzes: dict[UUID, list[Question]],
) -> ModulePage:
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
        room_scope=entered.scope,
        live_kit_token=opened.token if opened else None,
        ws_url=running.settings.livekit_client_url,
        session_type=SessionTypeResult.model_validate(entered.visit),
        session_id=opened.session.id if opened else None,
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
