"""News of lessons in every order end in the same place."""

import itertools
from uuid import UUID, uuid4

from agent.room.learner import LearnerLesson, apply, from_metadata
from protocol import RoomMetadata

LESSONS = [uuid4() for _ in range(3)]
START = LearnerLesson(uuid4(), "l_one", "Amina", LESSONS[0], 1)


def test_all_orders_duplicates_and_losses_end_on_the_largest_revision() -> None:
    news = [(LESSONS[1], 2), (LESSONS[2], 3), (LESSONS[0], 4)]
    for order in itertools.permutations([*news, *news]):
        learner = START
        for lesson_id, revision in order:
            learner = apply(learner, lesson_id, revision)
        assert (learner.lesson_id, learner.revision) == (LESSONS[0], 4)


def test_older_or_empty_news_changes_nothing() -> None:
    assert apply(START, LESSONS[1], 1) is START
    assert apply(START, None, 9) is START


def test_only_metadata_that_tells_it_changes_whether_words_are_stored() -> None:
    account = str(UUID(int=7))
    told = from_metadata("l_one", "", RoomMetadata(user_id=account, store_words=False))
    silent = from_metadata("l_one", "", RoomMetadata(user_id=account))
    assert told is not None
    assert silent is not None
    assert (told.store_words, silent.store_words) == (False, None)


def test_metadata_without_an_account_is_nobody() -> None:
    assert from_metadata("l_one", "Amina", RoomMetadata(user_id="not a uuid")) is None


def test_metadata_names_the_learner_and_survives_a_broken_lesson() -> None:
    account = UUID(int=7)
    learner = from_metadata("l_one", "", RoomMetadata(user_id=str(account), lesson_id="x"))
    assert learner == LearnerLesson(account, "l_one", "User", None, 0)
