"""Which lesson each learner is on. Pure: the larger revision wins, whatever the order of news."""

from dataclasses import dataclass, replace
from uuid import UUID

from protocol import RoomMetadata


@dataclass(frozen=True)
class LearnerLesson:
    """One learner in the room and the lesson the tutor talks about with them."""

    account_id: UUID
    identity: str
    name: str
    lesson_id: UUID | None
    revision: int = 0
    store_words: bool | None = None  # False: nothing they say, nor what answers it, is kept


def from_metadata(identity: str, name: str, metadata: RoomMetadata) -> LearnerLesson | None:
    """The learner of a token's metadata, which only our server writes; None if it is not ours."""
    account_id = _uuid(metadata.user_id)
    if account_id is None:
        return None
    return LearnerLesson(
        account_id=account_id,
        identity=identity,
        name=name or metadata.user_name,
        lesson_id=_uuid(metadata.lesson_id),
        revision=metadata.revision,
        # a server that does not know the choice must not undo it
        store_words=metadata.store_words if "store_words" in metadata.model_fields_set else None,
    )


def apply(current: LearnerLesson, lesson_id: UUID | None, revision: int) -> LearnerLesson:
    """The learner after news of a lesson: unchanged unless the revision is larger."""
    if revision <= current.revision or lesson_id is None:
        return current
    return replace(current, lesson_id=lesson_id, revision=revision)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
