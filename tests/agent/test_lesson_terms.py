"""The hotwords of a learner: terms of their lesson, and the names of those who are here."""

from typing import Any

from agent.models.recogniser import ExpectingRecogniser
from agent.room.lesson_terms import LessonTerms
from agent.room.participant_voice import NO_WORDS
from db import tenant_tx
from db.courses import list_lessons
from speech.wire import Recognition
from tests.agent.room_parts import School, offline
from tests.agent.waiting import until


async def test_hotwords_are_those_of_the_lesson_that_the_learner_is_in_now(school: School) -> None:
    async with school.agent(offline):
        amina, tomas = await school.arrives("Amina"), await school.arrives("Tomas")
        terms = LessonTerms(school.dispatch, school.pool, school.classroom.roster)
        assert set(terms.list_terms(amina.identity)) == {"Amina", "Tomas"}  # not read yet
        first = await read_terms(terms, amina.identity)
        assert {"Amina", "Tomas", "label", "supervised"} <= first
        assert "vectors" not in first

        dispatch = school.dispatch
        assert dispatch.room.module_id is not None
        async with tenant_tx(school.pool, dispatch.tenant_id) as conn:
            _, second, *_ = await list_lessons(conn, dispatch.tenant_id, dispatch.room.module_id)
        amina.move_to_lesson(second.id, amina.revision + 1)
        moved = await read_terms(terms, amina.identity)
        assert "vectors" in moved
        assert "supervised" not in moved
        assert "vectors" not in terms.list_terms(tomas.identity)
        await terms.aclose()


async def read_terms(terms: LessonTerms, identity: str) -> set[str]:
    """The hotwords once the lesson is read."""
    await until(lambda: len(terms.list_terms(identity)) >= 10)
    return set(terms.list_terms(identity))


async def test_finals_are_recognised_with_hotwords_and_interims_without() -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    class Noting:
        async def recognise(
            self, pcm: bytes, *, kind: str = "final", hotwords: tuple[str, ...] = (), **_: Any
        ) -> Recognition:
            asked.append((kind, hotwords))
            return NO_WORDS

    recogniser = ExpectingRecogniser(Noting(), lambda: ("NumPy",))
    await recogniser.recognise(b"", kind="interim")
    await recogniser.recognise(b"")
    assert asked == [("interim", ()), ("final", ("NumPy",))]
