"""Reading courses and lessons: fields, order, who sees what, and no quiz answers."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from courses.folder import read_course
from courses.pictures import PICTURE
from db import tenant_tx
from db.pictures import picture_object
from tests.conftest import ROOT
from tests.web.conftest import School

ODD_KEYS = ["nothing", "%00", "a%00b", "%ed%a0%80", "..%2F..", "%F0%9F%98%80", "x" * 3000, "'--"]


async def test_courses_are_listed_by_id_slug_and_title(library: School) -> None:
    course = library.course
    assert await library.get("/api/courses", "Amina") == {
        "courses": [{"id": str(course.id), "slug": course.slug, "title": course.title}]
    }


async def test_course_has_its_published_lessons_in_order(library: School) -> None:
    course = await library.get(f"/api/courses/{library.course.slug}", "Newcomer")
    assert course == {
        "id": str(library.course.id),
        "slug": library.course.slug,
        "title": library.course.title,
        "description": library.course.description,
        "progress": {"completedLessons": 0, "totalLessons": 6, "lastLessonTitle": None},
        "last": None,
        "modules": [
            {
                "id": str(module.id),
                "title": module.title,
                "lessons": [
                    {
                        "id": str(x.id),
                        "title": x.title,
                        "orderIndex": x.order_index,
                        "duration": x.duration_s,
                        "status": "not_started",
                    }
                    for x in lessons
                    if x.is_published
                ],
            }
            for module, lessons in zip(library.modules, library.lessons, strict=True)
        ],
    }


async def test_staff_see_unpublished_lessons(library: School) -> None:
    path = f"/api/courses/{library.course.id}"
    seen = {
        role: sum(len(m["lessons"]) for m in (await library.get(path, role, role))["modules"])
        for role in ("learner", "teacher", "admin")
    }
    assert seen == {"learner": 6, "teacher": 8, "admin": 8}


async def test_course_shows_the_callers_progress_and_last_lesson(
    school: School,
) -> None:
    first, second = school.lessons[0][0], school.lessons[1][1]
    steps = [(second, {"lastPosition": 134.5}), (first, {"completed": True})]
    steps.append((second, {"percentage": 40}))
    for lesson, body in steps:
        school.clock.pass_(minutes=1)
        path = f"/api/lessons/{lesson.id}/progress"
        await school.client.put(path, headers=school.auth("Amina"), json=body)
    path = f"/api/courses/{school.course.id}"
    course, other = await school.get(path, "Amina"), await school.get(path, "Bilal")
    marks = {x["id"]: x["status"] for m in course["modules"] for x in m["lessons"]}
    assert {key: mark for key, mark in marks.items() if mark != "not_started"} == {
        str(first.id): "completed",
        str(second.id): "in_progress",
    }
    assert course["progress"] == {
        "completedLessons": 1,
        "totalLessons": 6,
        "lastLessonTitle": second.title,
    }
    at = datetime.fromisoformat(course["last"].pop("lastAccessedAt"))
    assert (course["last"], at) == (
        {
            "lessonId": str(second.id),
            "moduleId": str(second.module_id),
            "lastPosition": 134.5,
        },
        school.clock.now,
    )
    assert (other["progress"]["completedLessons"], other["last"]) == (0, None)


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_unknown_course_key_is_not_found(library: School, key: str) -> None:
    answer = await library.client.get(f"/api/courses/{key}", headers=library.auth("Amina"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_lesson_is_complete(library: School) -> None:
    lesson = library.lessons[1][0]
    read = await library.get(f"/api/lessons/{lesson.id}", "Amina")
    expected = {"id": str(lesson.id), "number": 4, "title": lesson.title}
    assert {name: read[name] for name in expected} == expected
    assert read["objectives"] == list(lesson.objectives)
    assert [p["number"] for p in read["passages"]] == list(range(1, len(read["passages"]) + 1))
    assert set(read["passages"][0]) == {"id", "number", "kind", "heading", "body", "mathml"}
    assert read["captionsUrl"] == f"/api/lessons/{lesson.id}/captions"
    assert set(read["quiz"][0]) == {"id", "number", "prompt", "options", "passageNumber"}


async def test_captions_are_webvtt(library: School) -> None:
    path = f"/api/lessons/{library.lessons[0][0].id}/captions"
    answer = await library.client.get(path, headers=library.auth("Amina"))
    assert answer.headers["content-type"].startswith("text/vtt")
    assert answer.text.startswith("WEBVTT")


async def test_only_staff_can_open_an_unpublished_lesson(library: School) -> None:
    path = f"/api/lessons/{library.lessons[0][-1].id}"
    learner = await library.client.get(path, headers=library.auth("Amina"))
    assert learner.status_code == 404
    assert (await library.get(path, "Otto", "teacher"))["number"] is None


async def test_lesson_without_captions_has_no_captions_url(library: School) -> None:
    path = f"/api/lessons/{library.lessons[0][-1].id}"
    read = await library.get(path, "Otto", "teacher")
    answer = await library.client.get(f"{path}/captions", headers=library.auth("Otto", "teacher"))
    assert (read["captionsUrl"], answer.status_code) == (None, 404)


async def test_progress_is_kept_and_a_completed_lesson_counts(school: School) -> None:
    path = f"/api/lessons/{school.lessons[0][0].id}/progress"
    headers = school.auth("Amina")
    first = await school.client.put(path, headers=headers, json={"lastPosition": 12.5})
    second = await school.client.put(path, headers=headers, json={"completed": True})
    assert first.json() == {
        "completionPercentage": 0,
        "lastPosition": 12.5,
        "status": "in_progress",
    }
    assert second.json() == {
        "completionPercentage": 100,
        "lastPosition": 12.5,
        "status": "completed",
    }
    progress = (await school.open("Amina"))["sessionType"]["courseProgress"]
    assert (progress["completedLessons"], progress["totalLessons"]) == (1, 6)


@pytest.mark.parametrize(
    "body",
    [
        {"percentage": 101},
        {"percentage": -1},
        {"percentage": "many"},
        {"lastPosition": -1},
        {"lastPosition": "NaN"},
        {"lastPosition": 1e300},
        {"completed": "perhaps"},
        [],
    ],
)
async def test_malformed_progress_is_422(library: School, body: Any) -> None:
    answer = await library.client.put(
        f"/api/lessons/{library.lessons[0][0].id}/progress",
        headers=library.auth("Amina"),
        json=body,
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_courses_lessons_and_rooms_of_another_tenant_are_not_found(school: School) -> None:
    headers = school.auth("Amina", tenant="other-school")
    lesson, room = school.lessons[0][0].id, school.room()
    session = (await school.open("Amina"))["sessionId"]
    answers = [
        await school.client.request(method, path, headers=headers, json=body)
        for method, path, body in (
            ("GET", f"/api/courses/{school.course.id}", None),
            ("GET", f"/api/courses/{school.course.slug}", None),
            ("POST", school.page(), None),
            ("POST", f"/api/v2/course/{school.course.id}/module/{school.modules[0].id}", None),
            ("POST", "/api/livekit/token", {"room_name": room}),
            (
                "POST",
                f"/api/livekit/token?courseId={school.course.id}&moduleId={school.modules[0].id}",
                {},
            ),
            ("POST", f"/api/rooms/{room}/lesson", {"lessonId": str(lesson)}),
            ("GET", f"/api/lessons/{lesson}", None),
            ("GET", f"/api/lessons/{lesson}/captions", None),
            ("PUT", f"/api/lessons/{lesson}/progress", {"completed": True}),
            ("GET", f"/api/sessions/{session}/transcript", None),
        )
    ]
    teacher = school.auth("Otto", "admin", tenant="other-school")
    answers.append(await school.client.get(f"/api/sessions/{session}/transcript", headers=teacher))
    assert {(a.status_code, a.text) for a in answers} == {
        (404, '{"error":"Not found","code":"not_found"}')
    }
    listed = await school.client.get("/api/courses", headers=headers)
    assert listed.json() == {"courses": []}


async def test_no_response_contains_the_answer_of_a_quiz_question(school: School) -> None:
    async with tenant_tx(school.pool, school.tenant.id) as db:
        whys = [row["why"] for row in await db.fetch("select why from quiz_keys where why <> ''")]
    paths = [f"/api/lessons/{x.id}" for module in school.lessons for x in module]
    paths += [school.page(0), school.page(1), f"/api/courses/{school.course.id}"]
    text = "".join(
        [
            (await school.client.get(path, headers=school.auth("Otto", "teacher"))).text
            for path in paths
        ]
    )
    assert len(whys) > 10
    assert [why for why in whys if why in text] == []
    for field in ("answer", "why", "hint", "correct"):
        assert f'"{field}":' not in text


async def test_unknown_lesson_is_404_and_malformed_id_is_422(library: School) -> None:
    headers = library.auth("Amina")
    unknown = await library.client.get(f"/api/lessons/{uuid4()}", headers=headers)
    odd = await library.client.get("/api/lessons/%00", headers=headers)
    assert (unknown.status_code, odd.status_code) == (404, 422)


async def test_picture_of_a_passage_is_a_working_link(library: School) -> None:
    lesson = library.lessons[1][0]
    (picture,) = read_course(ROOT / "db" / "sample").pictures
    stored = picture_object(library.course.id, picture.name)
    await library.app.state.context.storage.put(library.tenant.id, stored, picture.data)
    text = await library.get(f"/api/lessons/{lesson.id}", "Amina")
    ((words, link),) = PICTURE.findall(text["passages"][-1]["body"])
    assert words.startswith("The loss of the toy model over twenty steps.")
    answer = await library.client.get(link)
    assert (answer.status_code, answer.content) == (200, picture.data)
    assert answer.headers["Content-Type"] == "image/png"
