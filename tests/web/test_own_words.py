"""An account's own transcripts: list, search, erase; never those of others."""

import io
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import webvtt

from db import tenant_tx
from db.attendance import upsert_participants
from db.stays import ParticipantRow
from db.transcripts import insert_segments
from tests.web.conftest import School
from tests.web.test_transcripts import segment

PLANTED = "my grandmother keeps bees"
SAID = [
    ("Amina", "Why do we subtract the gradient?", 1, 2),
    (None, "We subtract it to go downhill.", 3, 5),
    ("Bilal", "Subtracting 𝛳, I see.", 40, 41),
    (None, "Labels are right answers.", 50, 51),
]


@pytest.fixture
async def session_id(school: School) -> str:
    """Amina's session; Bilal joins after 30 s, and the last segment is about another lesson."""
    session_id: str = (await school.open("Amina"))["sessionId"]
    await school.open("Bilal")
    people = {name: await school.account(name) for name in ("Amina", "Bilal")}
    stays = [
        ParticipantRow(
            UUID(session_id), f"PA_{name}", people[name].id, school.clock.now + wait, None
        )
        for name, wait in (("Amina", timedelta()), ("Bilal", timedelta(seconds=30)))
    ]
    said = [
        segment(school, session_id, number, people.get(name or ""), *rest)
        for number, (name, *rest) in enumerate(SAID)
    ]
    object.__setattr__(said[1], "in_reply_to", "s0")
    object.__setattr__(said[3], "lesson_id", school.lessons[0][1].id)
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await upsert_participants(db, school.tenant.id, stays)
        await insert_segments(db, school.tenant.id, said)
    return session_id


async def found(school: School, name: str, **query: Any) -> list[str]:
    """The ids of the segments that a search finds."""
    answer = await school.get("/api/me/transcripts", name, params=query)
    assert answer["talks"] == []
    return [hit["segmentId"] for hit in answer["hits"]]


async def test_talks_are_listed_by_lesson_newest_first(school: School, session_id: str) -> None:
    listed = await school.get("/api/me/transcripts", "Amina")
    assert listed["hits"] == []
    second, first = listed["talks"]
    assert (second["lessonTitle"], first["lessonTitle"]) == (
        school.lessons[0][1].title,
        school.lessons[0][0].title,
    )
    assert {name: first[name] for name in ("sessionId", "moduleTitle", "firstId", "segments")} == {
        "sessionId": session_id,
        "moduleTitle": school.modules[0].title,
        "firstId": "s0",
        "segments": 3,
    }


async def test_late_learner_lists_and_finds_only_what_they_heard(
    school: School, session_id: str
) -> None:
    listed = await school.get("/api/me/transcripts", "Bilal")
    assert [(talk["firstId"], talk["segments"]) for talk in listed["talks"]] == [
        ("s3", 1),
        ("s2", 1),
    ]
    assert await found(school, "Bilal", q="subtract") == ["s2"]
    assert await found(school, "Amina", q="subtract") == ["s0", "s1", "s2"]


async def test_search_can_be_limited_to_a_lesson_a_module_or_own_words(
    school: School, session_id: str
) -> None:
    first, second = (school.lessons[0][n].id for n in (0, 1))
    modules = [module.id for module in school.modules]
    assert await found(school, "Amina", q="subtract", mine=True) == ["s0"]
    assert await found(school, "Amina", q="subtract", lessonId=first) == ["s0", "s1", "s2"]
    assert await found(school, "Amina", q="subtract", lessonId=second) == []
    assert await found(school, "Amina", q="label", moduleId=modules[0]) == ["s3"]
    assert await found(school, "Amina", q="label", moduleId=modules[1]) == []
    mine = await school.get("/api/me/transcripts", "Amina", params={"mine": True})
    assert [(talk["firstId"], talk["segments"]) for talk in mine["talks"]] == [("s0", 1)]


async def test_hit_has_the_positions_of_the_words_found(school: School, session_id: str) -> None:
    answer = await school.get("/api/me/transcripts", "Bilal", params={"q": "see subtract"})
    (hit,) = answer["hits"]
    units = hit["text"].encode("utf-16-le")
    marked = [units[2 * h["start"] : 2 * h["end"]].decode("utf-16-le") for h in hit["highlights"]]
    assert marked == ["Subtracting", "see"]
    assert (hit["sessionId"], hit["startS"], hit["mine"]) == (session_id, 40.0, True)


async def test_control_characters_and_markup_are_not_highlights(
    school: School, session_id: str
) -> None:
    amina = await school.account("Amina")
    odd = "a \x02<b>bees</b>\x03 https://x.org/bees?a=b well-known bees"
    async with tenant_tx(school.pool, school.tenant.id) as db:
        said = segment(school, session_id, 9, amina, odd, 60, 61)
        await insert_segments(db, school.tenant.id, [said])
    answer = await school.get("/api/me/transcripts", "Amina", params={"q": "bees"})
    (hit,) = answer["hits"]
    marked = [hit["text"][h["start"] : h["end"]] for h in hit["highlights"]]
    assert (hit["text"], marked) == (odd, ["bees", "bees"])


@pytest.mark.parametrize(
    "query", ["lessonId=nothing", "moduleId=%00", "q=%00", f"q={'x' * 201}", "mine=perhaps"]
)
async def test_malformed_search_is_422(library: School, query: str) -> None:
    path = f"/api/me/transcripts?{query}"
    answer = await library.client.get(path, headers=library.auth("Amina"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("q", ["the", '"', "-", "!!&|:*", "a' or 1=1 --", "😀"])
async def test_query_without_content_words_finds_nothing(library: School, q: str) -> None:
    assert await found(library, "Amina", q=q) == []


async def test_another_tenant_and_a_stranger_find_and_erase_nothing(
    school: School, session_id: str
) -> None:
    await school.open("Chen", 1)
    for headers in (school.auth("Chen"), school.auth("Amina", tenant="other-school")):
        for path in ("/api/me/transcripts", "/api/me/transcripts?q=subtract"):
            answer = await school.client.get(path, headers=headers)
            assert answer.json() == {"talks": [], "hits": []}
        answer = await school.client.delete(
            f"/api/me/words?sessionId={session_id}", headers=headers
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await found(school, "Amina", q="subtract") == ["s0", "s1", "s2"]


async def test_erased_words_are_gone_and_those_of_others_stay(
    school: School, session_id: str
) -> None:
    amina = await school.account("Amina")
    async with tenant_tx(school.pool, school.tenant.id) as db:
        planted = segment(school, session_id, 9, amina, PLANTED, 60, 61)
        await insert_segments(db, school.tenant.id, [planted])
    assert await exports_holding(school, session_id, PLANTED) == {"json", "txt", "vtt", "feed"}
    answer = await school.client.delete(
        f"/api/me/words?sessionId={session_id}", headers=school.auth("Amina")
    )
    assert (answer.status_code, answer.json()) == (200, {"erased": 2})
    assert await exports_holding(school, session_id, PLANTED) == set()
    assert await found(school, "Amina", q="bees") == []
    told = await school.get(f"/api/sessions/{session_id}/transcript", "Otto", "teacher")
    assert [one["id"] for one in told["segments"]] == ["s2", "s3"]


async def exports_holding(school: School, session_id: str, words: str) -> set[str]:
    """The transcript formats that contain the words; every format must parse."""
    path = f"/api/sessions/{session_id}/transcript"
    texts = {
        form: (
            await school.client.get(f"{path}?format={form}", headers=school.auth("O", "admin"))
        ).text
        for form in ("json", "txt", "vtt", "feed")
    }
    said = [one["text"] for one in json.loads(texts["json"])["segments"]]
    cues = webvtt.from_buffer(io.StringIO(texts["vtt"])).captions
    assert len(said) == len(cues) == len(texts["txt"].splitlines())
    return {form for form, text in texts.items() if words in text}


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", 422), ("?sessionId=nothing", 422), (f"?sessionId={UUID(int=0)}", 404)],
)
async def test_unknown_or_malformed_session_is_not_erased(
    library: School, query: str, expected: int
) -> None:
    answer = await library.client.delete(f"/api/me/words{query}", headers=library.auth("Amina"))
    assert answer.status_code == expected


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/me/transcripts"),
        ("DELETE", f"/api/me/words?sessionId={UUID(int=0)}"),
        ("GET", "/api/me/settings"),
        ("PATCH", "/api/me/settings"),
    ],
)
async def test_own_words_need_a_sign_in(library: School, method: str, path: str) -> None:
    answer = await library.client.request(method, path, json={} if method == "PATCH" else None)
    assert answer.status_code == 401
