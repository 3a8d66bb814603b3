"""The passages that a sentence of the tutor rests on, told to the page."""

from uuid import UUID

from livekit import rtc

import protocol
from agent.text.lines import Sentence
from tools.desk import Desk


async def publish_cited(room: rtc.Room, desk: Desk, sentence: Sentence) -> None:
    """One message for each lesson that the sentence cites."""
    for lesson_id, passage_ids in (await _cited(desk, sentence)).items():
        message = protocol.AnswerCited(
            segment_id=sentence.id, lesson_id=lesson_id, passage_ids=passage_ids
        )
        await room.local_participant.publish_data(
            protocol.dump(message), topic=protocol.TOPIC_ANSWER_CITED
        )


async def _cited(desk: Desk, sentence: Sentence) -> dict[UUID, list[UUID]]:
    """Lesson to its passages; a mark that names none counts for nothing."""
    outline = await desk.library.outline(desk.course_id)
    cited: dict[UUID, list[UUID]] = {}
    for mark in sentence.marks:
        if 0 < mark.lesson <= len(outline):
            lesson_id = outline[mark.lesson - 1].id
            passages = await desk.library.passages(lesson_id)
            cited.setdefault(lesson_id, []).extend(
                one.id for one in passages if one.number == mark.passage
            )
    return cited
