"""Lesson changes that arrive in any order lead to the same lesson."""

import itertools
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from agent.room.learner import Learner, News, Roster, news_from_metadata
from db.members import Member
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


def test_choice_about_storing_is_unknown_until_it_is_read_and_the_newest_read_wins() -> None:
    roster = Roster()
    found = [roster.add_unknown("l_one").store_words]
    for choice, revision in ((True, 0), (False, 3), (True, 2), (True, 4)):  # one arrives late
        read = member(store_words=choice, store_words_revision=revision)
        found.append(roster.add(read).store_words)
    assert found == [None, True, False, False, True]


@pytest.mark.parametrize("user_id", ["l_one", str(ACCOUNT)])
def test_metadata_switches_storing_off_and_never_on(user_id: str) -> None:
    roster = Roster()
    amina = roster.add(member(store_words_revision=9))
    assert news_from_metadata(user_id, RoomMetadata(store_words=False)).declines
    for store_words in (True, None):
        assert not news_from_metadata(user_id, RoomMetadata(store_words=store_words)).declines
    roster.decline_storing(user_id)
    assert amina.store_words is False
    assert roster.add(member(store_words_revision=8)).store_words is False  # it began earlier
    assert roster.add(member(store_words_revision=9)).store_words is True


def test_choice_that_was_switched_off_without_a_new_revision_is_followed() -> None:
    """As a migration, or a new version of the text about transcripts, does."""
    roster = Roster()
    reads = [member(store_words=stores, store_words_revision=4) for stores in (True, False)]
    assert [roster.add(read).store_words for read in reads] == [True, False]


def test_metadata_survives_a_broken_lesson() -> None:
    assert news_from_metadata("l_one", RoomMetadata(lesson_id="x")) == News(
        "l_one", None, 0, revised=False
    )


def test_metadata_names_a_learner_by_identity_or_account() -> None:
    roster = Roster()
    amina = roster.add(member())
    assert [roster.find_by_user_id(name) for name in ("l_one", str(ACCOUNT))] == [amina, amina]
    assert [roster.find_by_user_id(name) for name in ("", "l_two", str(UUID(int=8)))] == [None] * 3


def test_learner_who_returns_keeps_lesson_and_last_answer() -> None:
    roster = Roster()
    first = roster.add(member(lesson_id=LESSONS[1], revision=5))
    first.last_answer = "Gradient descent is a method."
    again = roster.add(member(name="Amina B.", lesson_id=LESSONS[0], revision=3))
    assert again is first is roster.find_by_account(ACCOUNT)
    assert (again.name, again.lesson_id, again.revision) == ("Amina B.", LESSONS[1], 5)
    assert again.last_answer == "Gradient descent is a method."


def member(**columns: Any) -> Member:
    usual = Member(
        account_id=ACCOUNT,
        identity="l_one",
        name="Amina",
        lesson_id=LESSONS[0],
        revision=1,
        store_words=True,
        store_words_revision=0,
        store_words_read=0,
        blocked=False,
    )
    return replace(usual, **columns)
