"""Transcripts over HTTP: fields, order, formats, and who can read what."""

import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import webvtt

from db import tenant_tx
from db.accounts import Account
from db.attendance import upsert_participants
from db.stays import ParticipantRow
from db.transcripts import Segment, insert_segments
from tests.web.conftest import School

SAID = [
    ("Amina", "What is a <label> & why?", 1.0, 2.5),
    ("Bodh", "A label is the right answer.", 3.0, 5.25),
    ("Bilal", "May I ask\nsomething?", 3700.0, 3701.0),
]


@pytest.fixture
async def session_id(school: School) -> str:
    """Amina's session with three segments; Bilal joins later."""
    session_id: str = (await school.open("Amina"))["sessionId"]
    await school.open("Bilal")
    people = {name: await school.account(name) for name in ("Amina", "Bilal")}
    zero = school.clock.now
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await upsert_participants(
            db,
            school.tenant.id,
            [
                ParticipantRow(UUID(session_id), "PA_1", people["Amina"].id, zero, None),
                ParticipantRow(
                    UUID(session_id),
                    "PA_2",
                    people["Bilal"].id,
                    zero + timedelta(seconds=3600),
                    None,
                ),
            ],
        )
        await insert_segments(
            db,
            school.tenant.id,
            [
                segment(school, session_id, number, people.get(name), *rest)
                for number, (name, *rest) in enumerate(SAID)
            ],
        )
    return session_id


def segment(
    school: School,
    session_id: str,
    number: int,
    account: Account | None,
    text: Any,
    start_s: Any,
    end_s: Any,
) -> Segment:
    """One row of SAID; without an account it is the tutor's."""
    return Segment(
        session_id=UUID(session_id),
        id=f"s{number}",
        account_id=account.id if account else None,
        identity=account.identity if account else "a_tutor",
        name=account.name if account else "Bodh",
        role="learner" if account else "tutor",
        source="voice",
        text=text,
        started_at=school.clock.now + timedelta(seconds=start_s),
        ended_at=school.clock.now + timedelta(seconds=end_s),
        lesson_id=school.lessons[0][0].id,
        language="en",
        confidence=0.5,
        interrupted=False,
        in_reply_to=None,
        provenance="live",
        epoch=1,
        local_seq=number,
    )


async def test_transcript_is_in_order_with_times_since_the_session_started(
    school: School, session_id: str
) -> None:
    told = await school.get(f"/api/sessions/{session_id}/transcript", "Otto", "teacher")
    amina = await school.account("Amina")
    assert told["sessionId"] == session_id
    assert [s["text"] for s in told["segments"]] == [text for _, text, _, _ in SAID]
    assert told["segments"][0] == {
        "id": "s0",
        "speaker": amina.identity,
        "name": "Amina",
        "role": "learner",
        "source": "voice",
        "text": "What is a <label> & why?",
        "startS": 1.0,
        "endS": 2.5,
        "lessonId": str(school.lessons[0][0].id),
        "language": "en",
        "confidence": 0.5,
        "interrupted": False,
        "mine": False,
    }
    own = await school.get(f"/api/sessions/{session_id}/transcript", "Amina")
    assert [s["mine"] for s in own["segments"]] == [True, False, False]


async def test_learner_reads_what_was_said_while_they_were_in_the_room(
    school: School, session_id: str
) -> None:
    read = {}
    for name in ("Amina", "Bilal"):
        told = await school.get(f"/api/sessions/{session_id}/transcript", name)
        read[name] = [s["id"] for s in told["segments"]]
    assert read == {"Amina": ["s0", "s1", "s2"], "Bilal": ["s2"]}


async def test_a_learner_of_another_room_finds_no_session(school: School, session_id: str) -> None:
    await school.open("Chen", 1)
    answer = await school.client.get(
        f"/api/sessions/{session_id}/transcript", headers=school.auth("Chen")
    )
    assert answer.status_code == 404


async def test_vtt_export_parses_and_agrees_with_the_transcript(
    school: School, session_id: str
) -> None:
    answer = await school.client.get(
        f"/api/sessions/{session_id}/transcript?format=vtt", headers=school.auth("Amina")
    )
    cues = webvtt.from_buffer(io.StringIO(answer.text)).captions
    assert answer.headers["content-type"].startswith("text/vtt")
    assert [(c.voice, c.start, c.end) for c in cues] == [
        ("Amina", "00:00:01.000", "00:00:02.500"),
        ("Bodh", "00:00:03.000", "00:00:05.250"),
        ("Bilal", "01:01:40.000", "01:01:41.000"),
    ]
    assert "<v Amina>What is a &lt;label&gt; &amp; why?" in answer.text


async def test_text_export_has_one_line_per_utterance(school: School, session_id: str) -> None:
    answer = await school.client.get(
        f"/api/sessions/{session_id}/transcript?format=txt", headers=school.auth("Amina")
    )
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == (
        "[00:00:01] Amina: What is a <label> & why?\n"
        "[00:00:03] Bodh: A label is the right answer.\n"
        "[01:01:40] Bilal: May I ask something?\n"
    )


async def test_braille_feed_names_the_speaker_only_when_it_changes(
    school: School, session_id: str
) -> None:
    answer = await school.client.get(
        f"/api/sessions/{session_id}/transcript?format=feed", headers=school.auth("Amina")
    )
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == (
        "Amina: What is a <label> & why?\nBodh: A label is the right answer.\n"
        "Bilal: May I ask something?\n"
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/api/sessions/{UUID(int=0)}/transcript", 404),
        ("/api/sessions/nothing/transcript", 422),
        ("/api/sessions/%00/transcript", 422),
        (f"/api/sessions/{UUID(int=0)}/transcript?format=pdf", 422),
    ],
)
async def test_unknown_or_malformed_session_has_no_transcript(
    library: School, path: str, expected: int
) -> None:
    answer = await library.client.get(path, headers=library.auth("Amina"))
    assert answer.status_code == expected
