"""The export over HTTP: what is in it, who may have it, and that its page is safe to open."""

import io
import json
import zipfile
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from uuid import UUID, uuid4

import pytest

from db import tenant_tx
from db.attendance import upsert_participants
from db.stays import ParticipantRow
from db.transcripts import insert_segments
from tests.web.conftest import School
from tests.web.test_hostile_strings import CORPUS, check_log, log, said
from tests.web.test_transcripts import segment

__all__ = ["log"]  # a fixture


@pytest.fixture
async def session_id(school: School) -> str:
    """Amina leaves after 30 s; Bilal speaks before and after that."""
    session_id: str = (await school.open("Amina"))["sessionId"]
    await school.open("Bilal")
    people = {name: await school.account(name) for name in ("Amina", "Bilal")}
    zero = school.clock.now
    left = zero + timedelta(seconds=30)
    stays = [
        ParticipantRow(UUID(session_id), "PA_A", people["Amina"].id, zero, left),
        ParticipantRow(UUID(session_id), "PA_B", people["Bilal"].id, zero, None),
    ]
    words = [
        ("Amina", "my question", 1, 3),
        ("", "the answer to Amina", 4, 9),
        ("Bilal", "heard by Amina", 10, 12),
        ("Bilal", "said after she left", 60, 62),
    ]
    rows = [
        segment(school, session_id, number, people.get(name), *rest)
        for number, (name, *rest) in enumerate(words)
    ]
    object.__setattr__(rows[1], "to_account_id", people["Amina"].id)
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await upsert_participants(db, school.tenant.id, stays)
        await insert_segments(db, school.tenant.id, rows)
    return session_id


async def export(school: School, path: str, name: str, role: str = "learner") -> dict[str, bytes]:
    """The files of an export."""
    answer = await school.client.get(path, headers=school.auth(name, role))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"].startswith("attachment")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


class Page(HTMLParser):
    """Collects the text and the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, Any]]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_export_has_what_the_learner_said_and_heard_and_nothing_else(
    school: School, session_id: str
) -> None:
    files = await export(school, "/api/me/export", "Amina")
    session = json.loads(files[f"sessions/{session_id}.json"])
    assert [(one["text"], one["mine"]) for one in session["transcript"]] == [
        ("my question", True),
        ("the answer to Amina", False),
        ("heard by Amina", False),
    ]
    assert [one["sid"] for one in session["attendance"]] == ["PA_A"]
    assert session["session"]["module"] == school.modules[0].title
    for text in ("my question", "the answer to Amina", "heard by Amina", school.course.title):
        assert text in files["index.html"].decode()
    assert b"said after she left" not in b"".join(files.values())
    assert json.loads(files["enrollments.json"])[0]["course"] == school.course.title


async def test_export_names_no_accounts_of_classmates(school: School, session_id: str) -> None:
    bilal = await school.account("Bilal")
    files = await export(school, "/api/me/export", "Amina")
    assert str(bilal.id).encode() not in b"".join(files.values())


async def test_words_that_were_not_stored_are_exported_as_times(
    school: School, session_id: str
) -> None:
    amina = await school.account("Amina")
    empty = segment(school, session_id, 7, amina, "", 20, 21)
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await insert_segments(db, school.tenant.id, [empty])
    files = await export(school, "/api/me/export", "Amina")
    assert "not stored" in files["index.html"].decode()
    assert [one["id"] for one in json.loads(files[f"sessions/{session_id}.json"])["transcript"]][
        -1
    ] == "s7"


async def test_classmates_see_that_their_words_were_exported(
    school: School, session_id: str
) -> None:
    await export(school, "/api/me/export", "Amina")
    for name, expected in (("Bilal", [("export", "Amina", session_id)]), ("Amina", [])):
        answer = await school.get("/api/me/reads", name)
        found = [(one["route"], one["readerName"], one["sessionId"]) for one in answer["reads"]]
        assert found == expected


async def test_admin_exports_an_account_and_the_person_sees_it(
    school: School, session_id: str
) -> None:
    amina = await school.account("Amina")
    files = await export(school, f"/api/accounts/{amina.id}/export", "Ada", "admin")
    assert "my question" in files["index.html"].decode()
    assert json.loads(files["account.json"])[0]["name"] == "Amina"
    (read,) = (await school.get("/api/me/reads", "Amina"))["reads"]
    assert (read["route"], read["readerRole"], read["readerName"]) == ("export", "admin", "Ada")


@pytest.mark.parametrize(
    ("role", "own", "status"),
    [("learner", True, 403), ("teacher", True, 403), ("admin", True, 200), ("admin", False, 404)],
)
async def test_only_admins_export_the_accounts_of_others(
    library: School, role: str, own: bool, status: int
) -> None:
    amina = await library.account("Amina")
    path = f"/api/accounts/{amina.id if own else uuid4()}/export"
    answer = await library.client.get(path, headers=library.auth(f"Some {role}", role))
    assert answer.status_code == status


async def test_export_needs_a_sign_in(library: School) -> None:
    answer = await library.client.get("/api/me/export")
    assert answer.status_code == 401


async def test_page_shows_hostile_words_as_text_and_loads_nothing(
    school: School, log: pytest.LogCaptureFixture
) -> None:
    session_id = UUID((await school.open("Amina"))["sessionId"])
    await said(school, session_id)
    files = await export(school, "/api/me/export", "Amina")
    page = Page()
    page.feed(files["index.html"].decode())
    shown = " ".join(page.text.split())
    plain = [" ".join(text.replace("\0", "").split()) for text in CORPUS]
    assert [text for text in plain if text not in shown] == []
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "div"),
        *("table", "tr", "th", "td", "span", "bdi", "i"),
    }
    assert {name for _, given in page.tags for name in given} <= {
        *("lang", "charset", "http-equiv", "content", "name", "class"),
    }
    check_log(log)
