"""Lesson changes that arrive in any order lead to the same lesson."""

import itertools
from uuid import UUID, uuid4

from agent.room.learner import Learner, News, Roster, news_from_metadata
from protocol import RoomMetadata

LESSONS = [uuid4() for _ in range(3)]
ACCOUNT = UUID(int=7)


def learner() -> Learner:
    return Learner(
        account_id=ACCOUNT, identity="l_one", name="Amina", lesson_id=LESSONS[0], revision=1
    )


def test_all_orders_duplicates_and_losses_end_on_the_largest_revision() -> None:
    news = [(LESSONS[1], 2), (LESSONS[2], 3), (LESSONS[0], 4)]
    for order in itertools.permutations([*news, *news]):
        amina = learner()
        for lesson_id, revision in order:
            amina.move_to_lesson(lesson_id, revision)
        assert (amina.lesson_id, amina.revision) == (LESSONS[0], 4)


def test_older_or_empty_news_changes_nothing() -> None:
    amina = learner()
    assert not amina.move_to_lesson(LESSONS[1], 1)
    assert not amina.move_to_lesson(None, 9)
    assert (amina.lesson_id, amina.revision) == (LESSONS[0], 1)


def test_only_metadata_with_store_words_changes_whether_words_are_stored() -> None:
    told = news_from_metadata("", RoomMetadata(user_id=str(ACCOUNT), store_words=False))
    silent = news_from_metadata("", RoomMetadata(user_id=str(ACCOUNT)))
    assert told is not None
    assert silent is not None
    roster = Roster()
    assert roster.add("l_one", silent).store_words is None
    assert roster.add("l_one", told).store_words is False
    assert roster.add("l_one", silent).store_words is False


def test_metadata_without_an_account_is_ignored() -> None:
    assert news_from_metadata("Amina", RoomMetadata(user_id="not a uuid")) is None


def test_metadata_names_the_learner_and_survives_a_broken_lesson() -> None:
    news = news_from_metadata("", RoomMetadata(user_id=str(ACCOUNT), lesson_id="x"))
    assert news == News(ACCOUNT, "User", None, 0, None, revised=False)


def test_learner_who_returns_with_an_old_token_keeps_lesson_and_last_answer() -> None:
    roster = Roster()
    first = roster.add("l_one", News(ACCOUNT, "Amina", LESSONS[1], 5, None))
    first.last_answer = "Gradient descent is a method."
    again = roster.add("l_one", News(ACCOUNT, "Amina B.", LESSONS[0], 3, None))
    assert again is first is roster.find_by_account(ACCOUNT)
    assert (again.name, again.lesson_id, again.revision) == ("Amina B.", LESSONS[1], 5)
    assert again.last_answer == "Gradient descent is a method."
