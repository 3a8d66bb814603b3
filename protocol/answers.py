"""Data messages about the tutor's answers: their sources, and the words still to come."""

from uuid import UUID

from protocol.wire import Wire

TOPIC_ANSWER_CITED = "answer.cited"
TOPIC_ANSWER_PLANNED = "answer.planned"


class AnswerCited(Wire):
    """`answer.cited`, agent to page: the passages that a sentence is based on."""

    segment_id: str
    lesson_id: UUID
    passage_ids: list[UUID]


class AnswerPlanned(Wire):
    """`answer.planned`, agent to page: a sentence starts."""

    segment_id: str
    text: str
    """The sentence, and everything planned after it."""
    cut: bool = False
    """True: the tutor was stopped in or after this sentence. The rest will not be spoken."""
