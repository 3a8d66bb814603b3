"""Importing courses into Postgres, updating and withdrawing them, and finding them by key."""

import shutil
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from courses.course import Course
from courses.progress import CourseProgress, LessonProgress, Visit, classify_visit
from db import Conflict, Connection, courses, progress
from db.enrollments import ensure_enrollment
from db.search import search_passages
from tests.db.rows import NOW, TINY, import_folder, make_learner, modules_of

TABLES = ("courses", "modules", "lessons", "passages", "quiz_questions", "quiz_keys")


async def rows_of(db: Connection) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a course, without `updated_at`."""
    return {
        table: [
            tuple(value for key, value in row.items() if key != "updated_at")
            for row in await db.fetch(f"select * from {table} order by 1, 2")  # noqa: S608
        ]
        for table in TABLES
    }


async def lessons_by_title(db: Connection, tenant_id: UUID, course: Course) -> dict[str, UUID]:
    """The ids of all lessons, published or not."""
    modules = await modules_of(db, tenant_id, course.id)
    return {
        lesson.title: lesson.id
        for module in modules
        for lesson in await courses.list_lessons(db, tenant_id, module.id, unpublished=True)
    }


async def test_importing_twice_changes_nothing(db: Connection, tenant_id: UUID) -> None:
    await import_folder(db, tenant_id)
    first = await rows_of(db)
    await import_folder(db, tenant_id)
    assert await rows_of(db) == first
    assert {table: len(rows) for table, rows in first.items()} == {
        "courses": 1,
        "modules": 2,
        "lessons": 3,
        "passages": 6,
        "quiz_questions": 2,
        "quiz_keys": 2,
    }


async def test_an_edited_folder_updates_and_keeps_ids(
    db: Connection, tenant_id: UUID, tmp_path: Path
) -> None:
    course = await import_folder(db, tenant_id)
    before = await lessons_by_title(db, tenant_id, course)
    folder = Path(shutil.copytree(TINY, tmp_path / "course"))
    start = folder / "01-start"
    (start / "02-draft.md").rename(start / "00-draft.md")
    (folder / "02-more" / "01-bananas.md").write_text("---\ntitle: Plantains\n---\n\nCook them.\n")
    await import_folder(db, tenant_id, folder)
    after = await lessons_by_title(db, tenant_id, course)
    assert list(after) == ["A draft", "Apples", "Plantains"]
    assert [after["A draft"], after["Apples"]] == [before["A draft"], before["Apples"]]
    assert after["Plantains"] == before["Bananas"]
    passages = await courses.list_passages(db, tenant_id, after["Plantains"])
    assert [passage.body for passage in passages] == ["Cook them."]


async def test_a_removed_lesson_is_deleted_unless_a_learner_opened_it(
    db: Connection, tenant_id: UUID, tmp_path: Path
) -> None:
    course = await import_folder(db, tenant_id)
    lessons = await lessons_by_title(db, tenant_id, course)
    amina = await make_learner(db, tenant_id)
    for title in ("Apples", "Bananas"):
        await progress.record_visit(db, tenant_id, amina.id, lessons[title], NOW)
    folder = Path(shutil.copytree(TINY, tmp_path / "course"))
    shutil.rmtree(folder / "02-more")
    (folder / "01-start" / "02-draft.md").unlink()
    for _ in range(2):
        await import_folder(db, tenant_id, folder)
        outline = await courses.list_outline(db, tenant_id, course.id)
        assert [lesson.title for lesson in outline] == ["Apples"]
        assert list(await lessons_by_title(db, tenant_id, course)) == ["Apples", "Bananas"]
    await import_folder(db, tenant_id)
    facts = await progress.select_visit_facts(
        db, tenant_id, amina.id, course.id, lessons["Bananas"]
    )
    assert facts.progress == LessonProgress(0, 0.0, "in_progress")
    assert len(await courses.list_outline(db, tenant_id, course.id)) == 2


async def test_a_course_id_cannot_belong_to_two_courses(
    db: Connection, tenant_id: UUID, tmp_path: Path
) -> None:
    await import_folder(db, tenant_id)
    folder = Path(shutil.copytree(TINY, tmp_path / "course"))
    page = folder / "course.md"
    page.write_text(page.read_text().replace("slug: tiny-course", "slug: other"))
    with pytest.raises(Conflict):
        await import_folder(db, tenant_id, folder)


async def test_a_course_is_found_by_course_id_then_id_then_slug(
    db: Connection, tenant_id: UUID
) -> None:
    course = await import_folder(db, tenant_id)
    for key in ("tiny", str(course.id), str(course.id).upper(), "tiny-course"):
        assert await courses.find_course(db, tenant_id, key) == course
    by_key = {}
    for course_id, slug in ((str(course.id), "a"), ("tiny-course", "b")):
        by_key[course_id] = await db.fetchval(
            "insert into courses (tenant_id, course_id, slug, title) values ($1, $2, $3, '') "
            "returning id",
            tenant_id,
            course_id,
            slug,
        )
    for key, expected in by_key.items():
        found = await courses.find_course(db, tenant_id, key)
        assert found is not None
        assert found.id == expected


@pytest.mark.parametrize("key", ["", "x" * 5000, "\0", "\ud800", "'; drop table courses", "ü/%"])
async def test_an_odd_key_finds_no_course(db: Connection, tenant_id: UUID, key: str) -> None:
    await import_folder(db, tenant_id)
    assert await courses.find_course(db, tenant_id, key) is None


async def test_a_module_of_another_course_is_not_found(db: Connection, tenant_id: UUID) -> None:
    course = await import_folder(db, tenant_id)
    (module, _) = await modules_of(db, tenant_id, course.id)
    assert await courses.find_module(db, tenant_id, course.id, module.id) == module
    assert await courses.find_module(db, tenant_id, uuid4(), module.id) is None


async def test_enrolling_twice_is_one_enrollment(db: Connection, tenant_id: UUID) -> None:
    course = await import_folder(db, tenant_id)
    amina = await make_learner(db, tenant_id)
    for _ in range(2):
        await ensure_enrollment(db, tenant_id, amina.id, course.id)
    assert await db.fetchval("select count(*) from enrollments") == 1


async def test_session_types_of_six_visits(db: Connection, tenant_id: UUID) -> None:
    course = await import_folder(db, tenant_id)
    lessons = await lessons_by_title(db, tenant_id, course)
    amina = await make_learner(db, tenant_id)

    async def come(title: str | None) -> Visit:
        lesson_id = None if title is None else lessons[title]
        return classify_visit(
            await progress.select_visit_facts(db, tenant_id, amina.id, course.id, lesson_id)
        )

    none = CourseProgress(0, 2, None)
    assert await come(None) == Visit("lesson_welcome", True, False, True, 1, None, none, None)
    assert await come("Apples") == Visit("course_welcome", True, True, True, 1, None, none, None)
    await progress.record_visit(db, tenant_id, amina.id, lessons["Apples"], NOW)
    some = CourseProgress(0, 2, "Apples")
    begun = LessonProgress(0, 0.0, "in_progress")
    assert await come("Apples") == Visit(
        "course_welcome_back", False, True, False, 1, None, some, begun
    )
    assert await come("Bananas") == Visit(
        "lesson_welcome", False, False, True, 2, "Apples", some, None
    )
    done = await progress.update_progress(
        db, tenant_id, amina.id, lessons["Bananas"], last_position=8.5, completed=True, now=NOW
    )
    assert done == LessonProgress(100, 8.5, "completed")
    back = await come("Bananas")
    assert (back.session_type, back.lesson_progress) == ("lesson_welcome_back", done)
    assert back.course_progress.completed_lessons == 1
    draft = await come("A draft")
    assert (draft.session_type, draft.lesson_number) == ("lesson_welcome", None)


async def test_the_intro_is_in_the_first_published_module(
    db: Connection, tenant_id: UUID, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(TINY, tmp_path / "course"))
    page = folder / "01-start" / "module.md"
    page.write_text(page.read_text().replace("start\n", "start\npublished: false\n"))
    course = await import_folder(db, tenant_id, folder)
    (bananas,) = await courses.list_outline(db, tenant_id, course.id)
    amina = await make_learner(db, tenant_id)
    facts = await progress.select_visit_facts(db, tenant_id, amina.id, course.id, bananas.id)
    found = classify_visit(facts)
    assert (found.session_type, found.is_intro_lesson, found.lesson_number) == (
        "course_welcome",
        True,
        1,
    )


async def test_search_finds_published_passages_by_any_word(db: Connection, tenant_id: UUID) -> None:
    course = await import_folder(db, tenant_id)

    async def titles(question: str) -> list[tuple[str, int, int]]:
        hits = await search_passages(db, tenant_id, course.id, question)
        return [(hit.lesson_title, hit.lesson_number, hit.passage.number) for hit in hits]

    assert await titles("um, can you tell me about yellow berries?") == [("Bananas", 2, 1)]
    assert (await titles("seeds"))[0] == ("Apples", 1, 3)
    assert await titles("quinces") == []
    assert await titles("the of and") == []
    assert await titles("\0 & | ! ' \\ :* yellow \ud800") == [("Bananas", 2, 1)]
