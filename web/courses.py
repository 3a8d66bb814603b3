"""Reading courses and lessons. Owns /api/courses and /api/lessons."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter, Response

from courses.course import Lesson, Passage
from courses.pictures import link_pictures
from courses.progress import MarkedModule, count_progress, last_visited_lesson
from db import Connection, NotFound, tenant_tx
from db.accounts import Account
from db.courses import (
    find_course,
    find_lesson,
    find_video_captions,
    list_courses,
    list_outline,
    list_passages,
)
from db.pictures import picture_object
from db.progress import list_modules_with_progress, update_progress
from db.quizzes import list_questions
from db.roles import has_permission, may_see_lesson
from web.courses_models import (
    CourseLine,
    CourseList,
    CourseProgress,
    CourseTree,
    LastLesson,
    LessonLine,
    LessonPassage,
    LessonProgress,
    LessonText,
    ModuleLine,
    ProgressChange,
    QuizQuestion,
)
from web.dependencies import AppContext, Caller, Running, rate_limited
from web.error_responses import PROBLEMS
from web.files import file_link

router = APIRouter(prefix="/api", tags=["courses"], responses=PROBLEMS)


@router.get("/courses")
async def get_courses(running: Running, caller: Caller) -> CourseList:
    """All courses of the tenant."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        courses = await list_courses(db, caller.tenant_id)
    return CourseList(courses=[CourseLine.model_validate(course) for course in courses])


@router.get("/courses/{course_id}")
async def get_course(course_id: str, running: Running, caller: Caller) -> CourseTree:
    """A course with its modules and lessons, and the caller's progress.

    `course_id` is the course's id, its slug, or its key in another system.
    """
    tenant_id, account = caller.tenant_id, caller.account
    async with tenant_tx(running.pool, tenant_id) as db:
        course = await find_course(db, tenant_id, course_id)
        if course is None:
            raise NotFound("course")
        unpublished = has_permission(account, "see_unpublished")
        modules = await list_modules_with_progress(
            db, tenant_id, account.id, course.id, unpublished=unpublished
        )
    return CourseTree(
        id=course.id,
        slug=course.slug,
        title=course.title,
        description=course.description,
        modules=[_module_line(module) for module in modules],
        progress=CourseProgress.model_validate(count_progress(modules)),
        last=_last_lesson(modules),
    )


@router.get("/lessons/{lesson_id}")
async def get_lesson(lesson_id: UUID, running: Running, caller: Caller) -> LessonText:
    """A lesson to read: objectives, numbered passages, captions, quiz questions."""
    tenant_id = caller.tenant_id
    async with tenant_tx(running.pool, tenant_id) as db:
        lesson = await _find_visible_lesson(db, caller.account, lesson_id)
        outline = [x.id for x in await list_outline(db, tenant_id, lesson.course_id)]
        passages = await list_passages(db, tenant_id, lesson_id)
        captions = await find_video_captions(db, tenant_id, lesson_id)
        questions = await list_questions(db, tenant_id, lesson_id)
    return LessonText(
        id=lesson.id,
        course_id=lesson.course_id,
        module_id=lesson.module_id,
        number=outline.index(lesson.id) + 1 if lesson.id in outline else None,
        title=lesson.title,
        description=lesson.description,
        objectives=list(lesson.objectives),
        passages=[
            _passage_of(running, tenant_id, lesson.course_id, passage) for passage in passages
        ],
        captions_url=f"/api/lessons/{lesson.id}/captions" if captions else None,
        quiz=[QuizQuestion.model_validate(question) for question in questions],
    )


@router.get(
    "/lessons/{lesson_id}/captions",
    response_class=Response,
    responses={200: {"content": {"text/vtt": {"schema": {"type": "string"}}}}},
)
async def get_captions(lesson_id: UUID, running: Running, caller: Caller) -> Response:
    """The captions of the lesson's video, as WebVTT."""
    async with tenant_tx(running.pool, caller.tenant_id) as db:
        await _find_visible_lesson(db, caller.account, lesson_id)
        captions = await find_video_captions(db, caller.tenant_id, lesson_id)
    if not captions:
        raise NotFound("captions")
    return Response(captions, media_type="text/vtt")


@router.put("/lessons/{lesson_id}/progress", dependencies=[rate_limited("progress")])
async def put_progress(
    lesson_id: UUID, body: ProgressChange, running: Running, caller: Caller
) -> LessonProgress:
    """Stores the caller's progress in a lesson. `completed: true` completes it."""
    tenant_id, account = caller.tenant_id, caller.account
    async with tenant_tx(running.pool, tenant_id) as db:
        await _find_visible_lesson(db, account, lesson_id)
        stored = await update_progress(
            db,
            tenant_id,
            account.id,
            lesson_id,
            percentage=body.percentage,
            last_position=body.last_position,
            completed=body.completed,
            now=running.clock(),
        )
    return LessonProgress.model_validate(stored)


def _passage_of(
    running: AppContext, tenant_id: UUID, course_id: UUID, passage: Passage
) -> LessonPassage:
    def picture_link(name: str) -> str:
        stored = picture_object(course_id, name)
        return file_link(running.settings, tenant_id, stored, running.clock())

    return LessonPassage.model_validate(
        replace(passage, body=link_pictures(passage.body, picture_link))
    )


def _module_line(module: MarkedModule) -> ModuleLine:
    lines = [
        LessonLine(
            id=lesson.id,
            title=lesson.title,
            order_index=lesson.order_index,
            duration=lesson.duration_s,
            status=lesson.status,
        )
        for lesson in module.lessons
    ]
    return ModuleLine(id=module.id, title=module.title, lessons=lines)


def _last_lesson(modules: Sequence[MarkedModule]) -> LastLesson | None:
    lesson = last_visited_lesson(modules)
    if lesson is None or lesson.last_accessed_at is None:
        return None
    return LastLesson(
        lesson_id=lesson.id,
        module_id=lesson.module_id,
        last_position=lesson.last_position,
        last_accessed_at=lesson.last_accessed_at,
    )


async def _find_visible_lesson(db: Connection, account: Account, lesson_id: UUID) -> Lesson:
    """Raises NotFound for a lesson that the account may not see."""
    lesson = await find_lesson(db, account.tenant_id, lesson_id)
    if lesson is None or not may_see_lesson(account, lesson):
        raise NotFound("lesson")
    return lesson
