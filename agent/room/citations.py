"""Sends the page the passages that the tutor's sentences are based on."""

from uuid import UUID

from livekit import rtc

import protocol
from agent.room import publish
from agent.room.tasks import Tasks
from agent.text.lines import Sentence
from courses.library import Library


class Citations:
    """Reads the library and sends in background tasks, so captions never wait."""

    def __init__(self, room: rtc.Room, library: Library, course_id: UUID) -> None:
        self._room = room
        self._library = library
        self._course_id = course_id
        self._tasks = Tasks("citations")

    def send_citations(self, sentence: Sentence) -> None:
        if sentence.marks:
            self._tasks.spawn(self._send_messages(sentence))

    async def close(self) -> None:
        await self._tasks.close()

    async def _send_messages(self, sentence: Sentence) -> None:
        with publish.guard_message(protocol.TOPIC_ANSWER_CITED, segment=sentence.id):
            for lesson_id, passage_ids in (await self._find_cited_passages(sentence)).items():
                message = protocol.AnswerCited(
                    segment_id=sentence.id, lesson_id=lesson_id, passage_ids=passage_ids
                )
                await publish.send_message(self._room, protocol.TOPIC_ANSWER_CITED, message)

    async def _find_cited_passages(self, sentence: Sentence) -> dict[UUID, list[UUID]]:
        """Lesson -> its cited passages; marks that point to no passage are left out."""
        outline = await self._library.list_outline(self._course_id)
        cited: dict[UUID, list[UUID]] = {}
        for mark in sentence.marks:
            if 0 < mark.lesson <= len(outline):
                lesson_id = outline[mark.lesson - 1].id
                passages = await self._library.list_passages(lesson_id)
                cited.setdefault(lesson_id, []).extend(
                    one.id for one in passages if one.number == mark.passage
                )
        return cited
